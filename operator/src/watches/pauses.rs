//! How long a watch waits before it is made again.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use tokio::time::Instant;

/// Longer each time, and never so long that an operator stays blind when the API server is back. kube's own pauses grow to 30 s; a
/// dozen watches that ask every 5 s are nothing to an API server.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    times: u32,
    /// When the last one was over.
    until: Option<Instant>,
}

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);
/// A watch that did so long without a pause works.
const WORKING: Duration = Duration::from_secs(10);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.until.is_some_and(|until| until.elapsed() > WORKING) {
            self.times = 0;
        }
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(self.times)).min(LONGEST);
        let pause = pause.mul_f64(0.75 + rand::random::<f64>() * 0.5);
        self.times = self.times.saturating_add(1);
        self.until = Some(Instant::now() + pause);
        Some(pause)
    }
}

impl Backoff for Pauses {
    /// Nothing: it is called with each event, and a list that is about to be refused begins with one.
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watch_waits_longer_each_time_and_never_long() {
        let mut pauses = Pauses::default();
        for expected in [0.5, 1.0, 2.0, 4.0, 5.0, 5.0] {
            let pause = pauses.next().unwrap();
            assert!((expected * 0.75..=expected * 1.25).contains(&pause.as_secs_f64()), "{pause:?}");
            tokio::time::sleep(pause).await;
            pauses.reset();
        }
        tokio::time::sleep(WORKING + Duration::from_secs(1)).await;
        assert!(pauses.next().unwrap() < Duration::from_secs(1), "it worked for a while");
    }
}
