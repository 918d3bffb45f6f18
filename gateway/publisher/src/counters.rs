//! What became of events.

use std::sync::atomic::{AtomicU64, Ordering};

/// Events since the publisher was made, and what waits now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Kafka has them.
    pub sent: u64,
    /// Sent again, once for each time.
    pub retried: u64,
    /// Never sent, or not any more: the queue was full, the gateway refused them for good, or it took too long.
    pub given_up: u64,
    /// Wait in the queue, or for an answer.
    pub queued: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    sent: AtomicU64,
    retried: AtomicU64,
    given_up: AtomicU64,
}

impl Counts {
    pub(crate) fn add_sent(&self, events: u64) {
        self.sent.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn add_retried(&self, events: u64) {
        self.retried.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn add_given_up(&self, events: u64) {
        self.given_up.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, queued: u64) -> Counters {
        Counters {
            sent: self.sent.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            given_up: self.given_up.load(Ordering::Relaxed),
            queued,
        }
    }
}
