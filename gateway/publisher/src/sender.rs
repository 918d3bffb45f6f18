//! The thread that sends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::answer::{Answer, Verdict};
use crate::queue::{Queue, Queued};

/// First wait before something is sent again; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Longest wait, unless the gateway asks for more.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Most that the gateway may ask for.
const MOST_ASKED: Duration = Duration::from_secs(60);
/// Largest answer that is read.
const MOST_ANSWER: u64 = 4 << 20;

/// Gives the token of a request.
pub(crate) type Token = Arc<dyn Fn() -> String + Send + Sync>;

pub(crate) struct Sender {
    pub(crate) agent: ureq::Agent,
    pub(crate) endpoint: String,
    pub(crate) token: Option<Token>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) give_up_after: Duration,
}

impl Sender {
    /// Sends what is queued until the queue is closed.
    pub(crate) fn run(self) {
        while let Some(batch) = self.queue.take() {
            if !self.deliver(batch) {
                return;
            }
        }
    }

    /// Sends a batch until each of its events is settled; says whether the queue is still open.
    fn deliver(&self, mut batch: Vec<Queued>) -> bool {
        let mut failures = 0;
        while !batch.is_empty() {
            let (left, asked) = match self.send(&batch) {
                Answer::Each(verdicts) => (self.judge(batch, verdicts), None),
                Answer::Whole(detail) if batch.len() == 1 => (self.judge(batch, vec![Verdict::Refused(detail)]), None),
                Answer::Whole(_) => {
                    // What is too much at once may do in parts.
                    let rest = batch.split_off(batch.len() / 2);
                    if !self.deliver(batch) {
                        return false;
                    }
                    batch = rest;
                    continue;
                }
                Answer::Later(asked) => (batch, asked),
            };
            batch = self.still_wanted(left);
            if batch.is_empty() {
                break;
            }
            failures += 1;
            self.queue.counters.add_retried(batch.len() as u64);
            if self.queue.sleep(wait(failures, asked)) {
                return false;
            }
        }
        true
    }

    fn send(&self, batch: &[Queued]) -> Answer {
        let bytes = batch.iter().map(|event| event.text.len() + 1).sum::<usize>() + 1;
        let mut body = String::with_capacity(bytes);
        for event in batch {
            body.push(if body.is_empty() { '[' } else { ',' });
            body.push_str(&event.text);
        }
        body.push(']');
        let mut request = self.agent.post(&self.endpoint).content_type("application/json");
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {}", token()));
        }
        let mut answer = match request.send(body.as_bytes()) {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(endpoint = self.endpoint, %error, "failed to publish; it is tried again");
                return Answer::Later(None);
            }
        };
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(MOST_ANSWER).read_to_vec().unwrap_or_default();
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        if status != 202 {
            tracing::debug!(endpoint = self.endpoint, status, "not everything was taken");
        }
        Answer::read(status, retry_after, &body, batch.len())
    }

    /// Settles what is decided, and gives what is to be sent again, in its order.
    fn judge(&self, batch: Vec<Queued>, verdicts: Vec<Verdict>) -> Vec<Queued> {
        let mut left = Vec::new();
        for (event, verdict) in batch.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Sent => {
                    self.queue.counters.add_sent(1);
                    self.queue.settle(1, event.text.len());
                }
                Verdict::Refused(detail) => self.give_up(&event, &detail),
                Verdict::Again => left.push(event),
            }
        }
        left
    }

    /// Gives up what was tried for too long.
    fn still_wanted(&self, batch: Vec<Queued>) -> Vec<Queued> {
        let now = Instant::now();
        let (left, late): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|event| now.duration_since(event.since) < self.give_up_after);
        late.iter().for_each(|event| self.give_up(event, "it was tried for too long"));
        left
    }

    fn give_up(&self, event: &Queued, detail: &str) {
        tracing::warn!(endpoint = self.endpoint, detail, "an event is given up");
        self.queue.counters.add_given_up(1);
        self.queue.settle(1, event.text.len());
    }
}

/// How long to wait after so many failures: longer each time, and never as long as others do.
fn wait(failures: u32, asked: Option<Duration>) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_WAIT);
    let jittered = doubled.mul_f64(rand::random_range(0.5..=1.0));
    asked.map_or(jittered, |asked| jittered.max(asked.min(MOST_ASKED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_heed_what_the_gateway_asks_for() {
        assert!(wait(1, None) <= FIRST_WAIT);
        assert!(wait(5, None) >= Duration::from_millis(800));
        assert!(wait(1_000, None) <= LONGEST_WAIT);
        assert_eq!(wait(1, Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(wait(1, Some(Duration::from_secs(3_000))), MOST_ASKED);
    }
}
