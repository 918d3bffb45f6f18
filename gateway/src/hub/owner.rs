//! The task that owns a channel: registers, repairs, lingers, unregisters.

use std::sync::Arc;
use std::time::Duration;

use events_gateway_core::join::Reel;

use super::Hub;
use super::counters::count;
use super::feed::Feed;
use crate::clock;

/// First and longest wait before a call that failed is made again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Waits longer after each failure, and never in step with other tasks.
struct Backoff(Duration);

impl Backoff {
    fn new() -> Self {
        Self(BACKOFF.0)
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.0.mul_f64(rand::random_range(0.5..1.0))).await;
        self.0 = (self.0 * 2).min(BACKOFF.1);
    }
}

/// Lives as long as the feed is in the hub.
pub(super) async fn own(hub: Arc<Hub>, feed: Arc<Feed>) {
    loop {
        if register(&hub, &feed).await {
            while feed.is_registered() {
                serve(&hub, &feed).await;
                unregister(&hub, &feed).await;
            }
        }
        // Nobody can join between the look and the removal: joining holds the same lock.
        if hub.remove_if_unused(&feed) {
            return;
        }
    }
}

/// Until registered; `false` when nobody waits for it any more.
async fn register(hub: &Hub, feed: &Feed) -> bool {
    let mut backoff = Backoff::new();
    loop {
        let token = hub.new_token();
        match hub.backlog.register(&feed.channel, &token, &hub.breaks()).await {
            Ok(standing) => {
                if let Some(before) = standing.closed_before {
                    feed.close_before(before);
                }
                feed.registered(token, Reel::new(feed.channel.clone(), standing, hub.options.ring));
                return true;
            }
            Err(error) => {
                tracing::debug!(channel = %feed.channel, %error, "failed to register; trying again");
                backoff.wait().await;
                if !feed.has_subscribers() {
                    // It may have been registered all the same.
                    let _ = hub.backlog.unregister(&feed.channel, &token).await;
                    return false;
                }
            }
        }
    }
}

/// Repairs as long as there are subscribers, and lingers for a while after the last one left.
async fn serve(hub: &Hub, feed: &Feed) {
    while feed.has_subscribers() {
        repair(hub, feed).await;
        feed.work.notified().await;
    }
    let deadline = tokio::time::Instant::now() + hub.options.linger;
    while tokio::time::timeout_at(deadline, feed.work.notified()).await.is_ok() {
        if feed.has_subscribers() {
            return;
        }
        repair(hub, feed).await;
    }
}

/// Fills what is missing from the backlog; one read serves all subscribers.
async fn repair(hub: &Hub, feed: &Feed) {
    let mut backoff = Backoff::new();
    while let Some((after, heard)) = feed.repair_due() {
        let limit = feed.page_limit(hub.options.page_events);
        match hub.backlog.read(&feed.channel, after, limit).await {
            Ok(page) => {
                feed.weigh(page.entries.iter().map(|(_, event)| event));
                count(&hub.counters.repairs);
                hub.count_released(feed.repair(&page, heard, clock::now()));
            }
            Err(error) => {
                tracing::debug!(channel = %feed.channel, %error, "failed to repair; trying again");
                backoff.wait().await;
            }
        }
    }
}

async fn unregister(hub: &Hub, feed: &Feed) {
    if let Some(token) = feed.unregistered()
        && let Err(error) = hub.backlog.unregister(&feed.channel, &token).await
    {
        // The ownership lapses by itself.
        tracing::debug!(channel = %feed.channel, %error, "failed to unregister");
    }
}
