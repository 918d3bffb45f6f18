//! Sample traffic: what an order platform tells its customers, clerks, processes and everyone.

mod story;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

pub use story::{Story, TYPES};

use super::Publisher;

/// Most events in a second: what a page of a browser still follows.
pub const MAX_PER_SECOND: u32 = 2_000;

/// Faster traffic comes in bursts, this many a second.
const BURSTS_PER_SECOND: u32 = 20;

/// How fast sample events come; 0 is not at all. Shared by whoever sets it and the task that sends them.
#[derive(Debug)]
pub struct Sample(watch::Sender<u32>);

impl Sample {
    /// Starts with this many events in a second, at most [`MAX_PER_SECOND`].
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self(watch::Sender::new(per_second.min(MAX_PER_SECOND)))
    }

    /// From now on this many events in a second, at most [`MAX_PER_SECOND`].
    pub fn set(&self, per_second: u32) {
        self.0.send_replace(per_second.min(MAX_PER_SECOND));
    }

    /// How many events in a second.
    #[must_use]
    pub fn per_second(&self) -> u32 {
        *self.0.borrow()
    }
}

/// How many events to send how often: single ones while they are slow, bursts when they are fast.
fn pace(per_second: u32) -> (u32, Duration) {
    if per_second <= BURSTS_PER_SECOND {
        (1, Duration::from_secs(1) / per_second.max(1))
    } else {
        (per_second / BURSTS_PER_SECOND, Duration::from_secs(1) / BURSTS_PER_SECOND)
    }
}

/// Sends sample events at the set pace, for the life of the process. A burst is awaited before the next, so no more than
/// one is ever under way: a slow Kafka slows the traffic.
pub async fn run(publisher: Arc<Publisher>, sample: Arc<Sample>) {
    let mut story = Story::new(rand::random());
    let mut changes = sample.0.subscribe();
    loop {
        let per_second = *changes.borrow_and_update();
        if per_second == 0 {
            // The sender lives in `sample`, which this task holds.
            let _ = changes.changed().await;
            continue;
        }
        let (burst, every) = pace(per_second);
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = changes.changed() => break,
                _ = ticks.tick() => {}
            }
            let events: Vec<Vec<u8>> = (0..burst).map(|_| story.next_event()).collect();
            for outcome in join_all(events.iter().map(|event| publisher.publish(event))).await {
                if let Err(error) = outcome {
                    tracing::warn!(%error, "failed to send a sample event");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::Kafka;

    #[test]
    fn every_pace_is_met_within_a_tenth() {
        for per_second in 1..=MAX_PER_SECOND {
            let (burst, every) = pace(per_second);
            let met = f64::from(burst) / every.as_secs_f64();
            assert!(met <= f64::from(per_second) * 1.01 && met > f64::from(per_second) * 0.5, "{per_second}: {met}");
        }
        assert_eq!(pace(MAX_PER_SECOND), (100, Duration::from_millis(50)));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn traffic_flows_until_it_is_stopped() {
        let kafka = Kafka::start(&[("events", 2)]).unwrap();
        let publisher = Arc::new(Publisher::new(kafka, "events", 1 << 20));
        let sample = Arc::new(Sample::new(0));
        let task = tokio::spawn(run(publisher.clone(), sample.clone()));
        assert_eq!(publisher.numbered(), 0);
        sample.set(u32::MAX);
        assert_eq!(sample.per_second(), MAX_PER_SECOND);
        let wait = async {
            while publisher.numbered() < 100 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            sample.set(0);
            // A burst that is under way ends; then the number stands still for longer than between two bursts.
            loop {
                let numbered = publisher.numbered();
                tokio::time::sleep(Duration::from_millis(200)).await;
                if publisher.numbered() == numbered {
                    break;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it starts and stops");
        assert_eq!(publisher.failed(), 0);
        task.abort();
    }
}
