//! The port to where records come from: assignment, records, positions and commits of one consumer. Two implementations
//! stand beside each other, `kafka` and `memory`, and pass one contract suite.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use events_gateway_core::Timestamp;

pub mod kafka;
pub mod memory;
mod record;

pub use record::OwnedRecord;

/// A partition of a topic. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition there.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition.
    #[must_use]
    pub fn new(topic: &str, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Where a group that has no committed offset begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first record that is still there.
    Earliest,
    /// After the last record that is there now.
    Latest,
    /// Nowhere: somebody has to set the offsets first.
    Error,
    /// At the first record whose timestamp is not below this one; after the last where there is none.
    At(Timestamp),
}

/// A run of records of one partition, ascending by offset.
#[derive(Debug)]
pub struct Chunk {
    /// Which partition.
    pub at: TopicPartition,
    /// The life that [`Controls::play`] gave; chunks of an earlier one are to be dropped.
    pub life: u64,
    /// None where only `next` is told.
    pub records: Vec<OwnedRecord>,
    /// The offset of the next record to come. Above the one after the last given where what lies between is nobody's to
    /// read: the marks of transactions, the records of aborted ones.
    pub next: u64,
}

/// What a source has to tell.
#[derive(Debug)]
pub enum Signal {
    /// These partitions belong to this consumer now. Nothing of them is delivered before [`Controls::play`].
    Assigned(Vec<TopicPartition>),
    /// These partitions are to be given up with [`Controls::release`]. Who doesn't within the source's bound has lost them
    /// all the same.
    Revoked {
        /// Which.
        partitions: Vec<TopicPartition>,
        /// Somebody else may own them already: nothing can be committed any more.
        lost: bool,
    },
    /// Records, in order within each partition.
    Records(Vec<Chunk>),
    /// A position that was being read no longer exists (retention or truncation overtook it). Which one isn't told.
    OutOfRange,
    /// Something failed that the source itself goes on trying (brokers away, no permission).
    Trouble(String),
}

/// What is committed for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The offset of the next record to be read.
    pub offset: u64,
    /// The text stored with it; bytes that aren't UTF-8 read as empty.
    pub metadata: String,
}

/// What is known of a partition when it is about to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Which partition.
    pub at: TopicPartition,
    /// Identity of the topic; empty where the brokers don't tell (before Kafka 2.8).
    pub topic_id: String,
    /// Identity of the cluster; empty where the brokers don't tell.
    pub cluster_id: String,
    /// How many partitions the topic has.
    pub partitions: i32,
    /// What the group has committed for it.
    pub committed: Option<Committed>,
    /// What the group has committed for the topic's other partitions: their metadata.
    pub siblings: Vec<String>,
    /// The first offset that is still there.
    pub log_start: u64,
    /// The offset after the last record.
    pub log_end: u64,
    /// Where the configured start lies; `None` for [`Start::Error`].
    pub start: Option<u64>,
}

/// Why a call on a source failed. The same call may be made again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    /// The brokers can't be reached, or refused.
    #[error("failed to {call}: {detail}")]
    Failed {
        /// What was tried.
        call: &'static str,
        /// What the client said.
        detail: String,
    },
    /// The source has been closed.
    #[error("the source is closed")]
    Closed,
}

/// An offset to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// For which partition.
    pub at: TopicPartition,
    /// The offset of the next record to be read.
    pub offset: u64,
    /// Stored with it.
    pub metadata: String,
}

/// What a consumer is told. One for all calls of [`Source::controls`]; usable while [`Source::next`] is awaited.
#[async_trait]
pub trait Controls: Send + Sync + 'static {
    /// Joins the group, or leaves it at once (whatever is assigned is revoked first). A source begins unsubscribed.
    fn subscribe(&self, wanted: bool);

    /// Asks for everything that decides where to go on. In the order asked for, all of them or an error.
    async fn survey(&self, partitions: &[TopicPartition], start: Start) -> Result<Vec<Survey>, SourceError>;

    /// The identity of a topic now; empty where the brokers don't tell.
    async fn topic_id(&self, topic: &str) -> Result<String, SourceError>;

    /// The offset after the last record, as the last fetch told; `None` while nothing was fetched. Doesn't wait.
    fn log_end(&self, at: &TopicPartition) -> Option<u64>;

    /// Delivers an assigned partition from `offset` on, its records marked with `life`. Takes effect in the order of calls;
    /// for a partition that isn't assigned, none.
    fn play(&self, at: &TopicPartition, offset: u64, life: u64);

    /// Stops or goes on with delivering a played partition, without losing its position. Records that were read ahead
    /// may still come.
    fn pause(&self, at: &TopicPartition, paused: bool);

    /// Commits in the name of the group; returns once the broker has answered.
    async fn commit(&self, commitments: Vec<Commitment>) -> Result<(), SourceError>;

    /// Gives up partitions whose revocation was told.
    fn release(&self, partitions: Vec<TopicPartition>);

    /// Leaves the group at once and ends the source. Waits at most some seconds.
    async fn close(&self);
}

/// One consumer of one group.
#[async_trait]
pub trait Source: Send + 'static {
    /// What it is told; the same for every call.
    fn controls(&self) -> Arc<dyn Controls>;

    /// The next thing that happened. With `room` false no records are given, only the rest. Cancel safe. `None` after the
    /// source was closed.
    async fn next(&mut self, room: bool) -> Option<Signal>;
}
