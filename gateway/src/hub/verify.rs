//! Compares every owned channel with the backlog: once in a while, and at once after anything that may have lost an
//! announcement. What a subscription, a lease or a data set forgot is found here.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use events_gateway_core::Channel;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Hub;
use super::feed::Feed;
use crate::clock;

/// Channels in one call: enough to pipeline, few enough that one call doesn't hold up appends.
const CHUNK: usize = 256;

/// Channels that are to be verified before their turn.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    all: bool,
    channels: HashSet<Channel>,
}

impl Queue {
    pub(super) fn ask(&self, channels: Vec<Channel>) {
        self.0.lock().channels.extend(channels);
    }

    pub(super) fn ask_all(&self) {
        self.0.lock().all = true;
    }
}

pub(super) async fn run(hub: &Arc<Hub>) {
    loop {
        // A turn is spread over three quarters of the interval; the rest is jitter between replicas.
        let turn = hub.options.verify;
        let rest = turn.mul_f64(rand::random_range(0.0..0.25));
        all_in_turn(hub, turn.mul_f64(0.75)).await;
        interruptible_sleep(hub, Instant::now() + rest).await;
    }
}

async fn all_in_turn(hub: &Arc<Hub>, within: Duration) {
    let started = Instant::now();
    let feeds = hub.all_feeds();
    let chunks = feeds.len().div_ceil(CHUNK).max(1);
    let ring_age = ring_age(hub, &feeds);
    for (index, chunk) in feeds.chunks(CHUNK).enumerate() {
        interruptible_sleep(hub, started + within.mul_f64(index as f64 / chunks as f64)).await;
        verify(hub, chunk).await;
        let forgotten = clock::now().0.saturating_sub(ring_age.as_millis() as u64);
        for feed in chunk {
            feed.forget_before(events_gateway_core::Timestamp(forgotten));
        }
    }
    interruptible_sleep(hub, started + within).await;
}

/// Shorter than configured where all rings together are too large: events come at about the same rate from turn to turn, so
/// that an age bounds bytes.
fn ring_age(hub: &Hub, feeds: &[Arc<Feed>]) -> Duration {
    let bytes: u64 = feeds.iter().map(|feed| feed.ring_bytes()).sum();
    let share = hub.options.ring_total_bytes as f64 / bytes.max(1) as f64;
    hub.options.ring_age.mul_f64(share.min(1.0))
}

/// Sleeps, but serves at once what is asked for meanwhile.
async fn interruptible_sleep(hub: &Arc<Hub>, until: Instant) {
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(until) => return,
            () = hub.verify_now.notified() => {}
        }
        let asked = std::mem::take(&mut *hub.verify.0.lock());
        let feeds = if asked.all {
            hub.all_feeds()
        } else {
            asked.channels.iter().filter_map(|channel| hub.feed(channel)).collect()
        };
        for chunk in feeds.chunks(CHUNK) {
            verify(hub, chunk).await;
        }
    }
}

async fn verify(hub: &Arc<Hub>, feeds: &[Arc<Feed>]) {
    let owned: Vec<_> = feeds.iter().filter_map(|feed| Some((feed, feed.token()?))).collect();
    let asked: Vec<_> = owned.iter().map(|(feed, token)| (feed.channel.clone(), token.clone())).collect();
    if asked.is_empty() {
        return;
    }
    let standings = hub.backlog.verify(&asked, &hub.breaks()).await;
    let mut failed = Vec::new();
    for ((feed, _), standing) in owned.into_iter().zip(standings) {
        match standing {
            Ok(standing) => feed.verified(&standing),
            Err(error) => {
                tracing::debug!(channel = %feed.channel, %error, "failed to verify");
                failed.push(feed.channel.clone());
            }
        }
    }
    if !failed.is_empty() {
        // Not lost: asked for again soon, together with whatever else is asked for.
        hub.verify.ask(failed);
        let hub = Arc::clone(hub);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(rand::random_range(500..1_500))).await;
            hub.verify_now.notify_one();
        });
    }
}
