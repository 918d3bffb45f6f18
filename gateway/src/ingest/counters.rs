//! What ingest counts, and a snapshot of where it stands: read by the metrics and the admin endpoint.

use std::sync::atomic::{AtomicU64, Ordering};

use events_gateway_core::envelope::Reason;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Serialize;

use super::resume::Skip;
use crate::dead_letters::Buried;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Every reason for which a record may be dead-lettered, in the order of [`Counters::dead_letters`].
pub const REASONS: [Reason; 6] = [
    Reason::Undecodable,
    Reason::Unroutable,
    Reason::Oversized,
    Reason::ForbiddenType,
    Reason::Expression,
    Reason::Refused,
];

/// Every skip, in the order of [`Counters::skips`].
pub const SKIPS: [Skip; 5] =
    [Skip::Retention, Skip::Truncated, Skip::Recreated, Skip::BacklogForgotten, Skip::PassedOver];

/// Counts of one consumer since it began.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records read, repeats and rejected ones included.
    pub records: Counter,
    /// Calls of the backlog that succeeded.
    pub appends: Counter,
    /// Events stored by them.
    pub stored: Counter,
    /// Events skipped by them as repeats.
    pub repeats: Counter,
    /// Calls of the backlog that failed and were made again.
    pub retries: Counter,
    /// Times that the consumer went back because the backlog had changed or forgotten.
    pub rewinds: Counter,
    /// Commits that succeeded.
    pub commits: Counter,
    /// Commits, marks and surveys that failed; each is tried again.
    pub failures: Counter,
    /// Commands carried out.
    pub commands: Counter,
    /// Records dead-lettered, by [`REASONS`].
    pub dead_letters: [Counter; REASONS.len()],
    /// Dead letters that are nowhere (no topic, or refused for good).
    pub dead_letters_lost: Counter,
    /// Ranges that were skipped or are in doubt, by [`SKIPS`].
    pub skips: [Counter; SKIPS.len()],
}

impl Counters {
    pub(crate) fn buried(&self, reason: Reason, buried: Buried) {
        if let Some(index) = REASONS.iter().position(|known| *known == reason) {
            self.dead_letters[index].add(1);
        }
        if matches!(buried, Buried::Unwanted | Buried::Lost) {
            self.dead_letters_lost.add(1);
        }
    }

    pub(crate) fn skipped(&self, skip: Skip) {
        if let Some(index) = SKIPS.iter().position(|known| *known == skip) {
            self.skips[index].add(1);
        }
    }
}

/// What a partition is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Finding out where to go on, or finishing calls from before a rewind.
    Resolving,
    /// There is no committed offset, and the configuration says that there has to be one.
    Stopped,
    /// Reading.
    Reading,
    /// A record can't be appended: tried again.
    Held,
    /// Being given up.
    Leaving,
}

/// Where one assigned partition stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Partition")]
pub struct PartitionStatus {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// What it is doing.
    pub phase: Phase,
    /// The offset of the next record to be read.
    pub position: u64,
    /// The offset committed last by this consumer.
    pub committed: u64,
    /// The end of the log when it was last asked for.
    pub log_end: u64,
    /// Records not yet appended: `log_end` less what is complete.
    pub lag: u64,
    /// Records read and not complete.
    pub waiting: usize,
    /// The life of the partition.
    pub generation: u64,
}

/// Where a consumer stands, at most a second old.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Consumer")]
pub struct Status {
    /// The binding.
    pub binding: String,
    /// The consumer group.
    pub group: String,
    /// Whether consumption rests by the group's control.
    pub paused: bool,
    /// What is assigned, by topic and partition.
    pub partitions: Vec<PartitionStatus>,
    /// What the source or the backlog last complained of; cleared once a commit succeeds.
    pub trouble: Option<String>,
}

/// What all consumers of a replica do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Consumers")]
pub struct Consuming {
    /// Whether they consume: not before the start, and not after a drain.
    pub running: bool,
    /// Each of them, at most a second old.
    pub consumers: Vec<Status>,
}

/// Shares the latest [`Status`].
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<Status>);

impl Board {
    pub(crate) fn show(&self, status: Status) {
        *self.0.lock() = status;
    }

    pub(crate) fn look(&self) -> Status {
        self.0.lock().clone()
    }
}
