//! Tells the directory which connections this replica holds, in batches.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::Replica;
use crate::backlog::{ConnectionEntry, Directory};

/// How often news is told.
const EVERY: Duration = Duration::from_secs(1);
/// Most news of each kind in one call, so that no call blocks Redis for long.
const BATCH: usize = 500;
/// Longest wait for a call.
const PATIENCE: Duration = Duration::from_secs(5);

/// Records for ever. `ttl`: how long the directory keeps this replica's connections without a word of it; it gets one, if
/// only an empty one, three times in that time. News that couldn't be told comes again.
pub async fn record(replica: Arc<Replica>, directory: Arc<dyn Directory>, ttl: Duration) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut refreshed = Instant::now();
    loop {
        ticks.tick().await;
        let mut is_due = refreshed.elapsed() >= ttl / 3;
        loop {
            let id = replica.id();
            let changes = replica.connections().changes(BATCH);
            if replica.id() != id {
                // The id changed in between: these are the new one's news.
                replica.connections().put_back(changes);
                continue;
            }
            if changes.is_empty() && !is_due {
                break;
            }
            let opened: Vec<ConnectionEntry> = changes.opened.iter().map(|entry| (**entry).clone()).collect();
            let recording = directory.record(&id, &opened, &changes.closed, ttl);
            match timeout(PATIENCE, recording).await {
                Ok(Ok(())) => {
                    refreshed = Instant::now();
                    is_due = false;
                }
                failed => {
                    tracing::debug!(?failed, "failed to record connections; they come again");
                    replica.connections().put_back(changes);
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::connections::tests::open;
    use crate::replica::fake::FakeDirectory;

    async fn recorded(directory: &FakeDirectory, replica: &Replica) -> Vec<String> {
        let entries = directory.connections(&replica.id()).await.unwrap();
        entries.into_iter().map(|entry| entry.connection).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn news_is_told_within_a_second_also_when_the_directory_was_away() {
        let (directory, replica) = (FakeDirectory::new(), Replica::new(10_000));
        tokio::spawn(record(replica.clone(), directory.clone(), Duration::from_secs(60)));
        let closed = Arc::default();
        let kept = open(replica.connections(), "kept", &closed);
        tokio::time::sleep(Duration::from_millis(1_001)).await;
        assert_eq!(recorded(&directory, &replica).await, ["kept"]);

        directory.away(true);
        drop(kept);
        let _many: Vec<_> = (0..1_200).map(|n| open(replica.connections(), &n.to_string(), &closed)).collect();
        tokio::time::sleep(Duration::from_secs(3)).await;
        directory.away(false);
        tokio::time::sleep(Duration::from_millis(1_001)).await;
        assert_eq!(recorded(&directory, &replica).await.len(), 1_200);
    }

    #[tokio::test(start_paused = true)]
    async fn under_a_new_id_all_are_told_again() {
        let (directory, replica) = (FakeDirectory::new(), Replica::new(10));
        tokio::spawn(record(replica.clone(), directory.clone(), Duration::from_secs(60)));
        let closed = Arc::default();
        let _kept = open(replica.connections(), "kept", &closed);
        tokio::time::sleep(Duration::from_millis(1_001)).await;
        replica.renew_identity();
        assert!(recorded(&directory, &replica).await.is_empty());
        tokio::time::sleep(Duration::from_millis(1_001)).await;
        assert_eq!(recorded(&directory, &replica).await, ["kept"]);
    }
}
