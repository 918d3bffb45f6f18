//! The ports to what is shared between replicas: the backlog of each channel with its announcements, and the directory of
//! replicas. Two implementations stand beside each other, `redis` and `memory`, and pass one contract suite.

mod breaks;
pub mod memory;
mod quotas;
pub mod redis;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use events_gateway_core::source::{Generation, SourceId};
use events_gateway_core::{Channel, Event, Position, Standing, Timestamp};
use events_gateway_identity::Proof;

pub use breaks::{Breaks, KnownBreaks};
pub use quotas::{Hold, Quotas};

/// Most events of one channel in one [`Batch`].
pub const MAX_BATCH_EVENTS: usize = 500;
/// Most bytes of event data in one [`Batch`], unless a single event is larger.
pub const MAX_BATCH_BYTES: usize = 1 << 20;
/// Most bytes of entries in one [`Page`], unless a single entry is larger.
pub const MAX_PAGE_BYTES: usize = 4 << 20;

/// The identity (replication id) of every primary, as one caller saw them at one moment: its idea of which
/// data set it writes to. Opaque outside the implementations; a primary that it doesn't name counts as changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataSet(pub Arc<BTreeMap<String, String>>);

/// Says that a channel is owned by this life of this replica; unregistering removes only its own. `replica/number`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token {
    /// The replica's id.
    pub replica: Arc<str>,
    /// Distinguishes successive ownerships by the same replica.
    pub number: u64,
}

/// An event and what repeats of it are told by.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Its `origin` must lie in the batch's source and generation; places ascend within a batch.
    pub event: Arc<Event>,
    /// The publisher's id within the publisher's scope, compared among the channel's last 1,000 ids younger than 10 min
    /// from the same source and generation. `None`: only the place tells (no id, or a redriven record).
    pub once: Option<String>,
}

/// Events of one source for one channel, at most [`MAX_BATCH_EVENTS`] and [`MAX_BATCH_BYTES`].
#[derive(Debug, Clone)]
pub struct Batch {
    /// Where to.
    pub channel: Channel,
    /// Where from.
    pub source: SourceId,
    /// The life of the source; events of a lower one than the channel has seen are skipped.
    pub generation: Generation,
    /// The caller's idea of the data set.
    pub data_set: DataSet,
    /// Of every group that the caller knows, not of the source's alone: a channel that this batch creates has missed nothing
    /// of any.
    pub breaks: Breaks,
    /// In order of place.
    pub events: Vec<Placed>,
}

impl Batch {
    /// What every implementation refuses before it does anything.
    fn check(&self) -> Result<(), BacklogError> {
        let refused = |why: &str| Err(BacklogError::Refused(why.into()));
        match self.events.len() {
            0 => return refused("the batch is empty"),
            count if count > MAX_BATCH_EVENTS => return refused("the batch holds too many events"),
            _ => {}
        }
        let places = self.events.iter().map(|placed| placed.event.origin.place);
        if places.is_sorted_by(|one, next| one < next) {
            Ok(())
        } else {
            refused("the places of the batch don't ascend")
        }
    }
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// How many events were stored and announced.
    pub stored: usize,
    /// How many were skipped as repeats (by place, by id, or of an older generation).
    pub repeats: usize,
    /// The last position of the channel afterwards.
    pub head: Position,
}

pub use events_gateway_core::page::{Announcement, Page};

/// Receives what the backlog has to tell its owner, on the client's own task: it must return at once and not block.
pub trait Listener: Send + Sync {
    /// Events were appended to an owned channel.
    fn announced(&self, announcement: Announcement);
    /// A `disconnect` command came for an owned channel: connections opened before `before` are to be closed.
    fn closed(&self, channel: &Channel, before: Timestamp);
    /// Announcements of these channels may have been lost since the last call; the subscription stands again, so a
    /// verify now finds whatever is missing.
    fn resumed(&self, channels: Vec<Channel>);
}

/// Why a call on the backlog or directory failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BacklogError {
    /// Nothing was written: the primary isn't the one, or not in the life, that the caller believes. Rewind.
    #[error("the data set changed")]
    DataSetChanged,
    /// Whether it was written is unknown; the same call may be made again (repeats are skipped).
    #[error("failed to reach the backlog: {0}")]
    Unavailable(String),
    /// Nothing was written and the same call would be refused again: a key of another type, an event too large.
    #[error("the backlog refused: {0}")]
    Refused(String),
}

impl BacklogError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// The retained events of every channel, their announcements, and who owns what.
///
/// Calls for one channel from one caller take effect in the order in which they were made only if each is awaited before
/// the next. A dropped future leaves it open whether the call took effect. No call waits longer than its configured
/// time-out; then it fails as [`BacklogError::Unavailable`].
#[async_trait]
pub trait Backlog: Send + Sync + 'static {
    /// Skips repeats, assigns the next positions, stores, and announces to the owners: one atomic step.
    async fn append(&self, batch: Batch) -> Result<Appended, BacklogError>;

    /// Makes this replica an owner: from the answer on, every later append is announced to the listener. Creates the
    /// channel's meta where there is none, and starts a new epoch where continuity can't be proven.
    async fn register(&self, channel: &Channel, token: &Token, breaks: &Breaks) -> Result<Standing, BacklogError>;

    /// Ends the ownership if it is still this token's; announcements stop.
    async fn unregister(&self, channel: &Channel, token: &Token) -> Result<(), BacklogError>;

    /// Registers again and tells the standing of each channel, in the order given; trims by age and refreshes expiry. The
    /// channels must have been registered through this client.
    async fn verify(&self, owned: &[(Channel, Token)], breaks: &Breaks) -> Vec<Result<Standing, BacklogError>>;

    /// Reads at most `limit` entries and [`MAX_PAGE_BYTES`] above `after`, but at least one, from the primary.
    async fn read(&self, channel: &Channel, after: Position, limit: usize) -> Result<Page, BacklogError>;

    /// `disconnect`: raises the channel's closed-before to min(`time`, the server's time), never lowers it, and tells the
    /// owners. Answers what holds now.
    async fn close_before(&self, channel: &Channel, time: Timestamp) -> Result<Timestamp, BacklogError>;

    /// `connect`: creates the channel's meta and keeps it from expiring for its usual time.
    async fn keep(&self, channel: &Channel) -> Result<(), BacklogError>;
}

/// Partition of a topic -> offset.
pub type Offsets = BTreeMap<(String, i32), u64>;

/// The answer to a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marked {
    /// The offsets are stored on every primary, in the data set given.
    Stored,
    /// The data set isn't the one given, or what it remembered of this group is gone or lower than what was marked
    /// before: nothing more may be committed, rewind to the lower of commit and [`Watermarks::remembered`].
    Forgotten,
}

/// What every primary remembers of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remembered {
    /// Names this memory: another one as soon as any primary has forgotten the group altogether.
    pub life: String,
    /// The lowest offset by partition; partitions that some primary doesn't know are absent.
    pub offsets: Offsets,
}

/// The watermark: what each primary provably remembers of each consumer group.
#[async_trait]
pub trait Watermarks: Send + Sync + 'static {
    /// Asks every primary who it is. To be read before committed offsets are fetched.
    async fn data_set(&self) -> Result<DataSet, BacklogError>;

    /// What every primary remembers of the group. Whoever asks first of a memory gives it its name.
    async fn remembered(&self, group: &str) -> Result<Remembered, BacklogError>;

    /// Stores `offsets` on every primary if each still is the one in `data_set` and remembers at least `marked` (what
    /// the caller stored last; empty after a rewind).
    async fn mark(
        &self,
        group: &str,
        data_set: &DataSet,
        marked: &Offsets,
        offsets: &Offsets,
    ) -> Result<Marked, BacklogError>;
}

/// Partition of the topic of revocations -> the offset up to which all of it was applied.
pub type Applied = BTreeMap<i32, u64>;

/// What a lease says of its replica.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lease {
    /// The replica's id: random per life, never reused.
    pub replica: String,
    /// Name of the pod or host.
    pub pod: String,
    /// Where its public listener is.
    pub address: String,
    /// When it started.
    pub started: Timestamp,
    /// The program's version.
    pub version: String,
    /// Serving or draining.
    pub state: ReplicaState,
    /// Open connections, for those who share a drain's budget and for operators.
    pub connections: u64,
    /// What it did lately; nothing is told by replicas of releases before.
    #[serde(default)]
    pub rates: Rates,
}

/// Events a second, over the last seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Rates {
    /// Handed to sockets.
    pub delivered: u64,
    /// Taken from publishers.
    pub published: u64,
}

/// What a replica does with new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplicaState {
    /// Takes them.
    Serving,
    /// Hands over.
    Draining,
}

/// One open connection as the registry tells of it. Informational: correctness doesn't depend on it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Connection")]
pub struct ConnectionEntry {
    /// Its id, as `gateway.open` told it.
    pub connection: String,
    /// Who holds it; absent while no identity is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Who says so; nothing is told by replicas of releases before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What its holder is judged by again. It stays in the replica.
    #[serde(skip)]
    pub proof: Option<Proof>,
    /// What it subscribes to.
    #[schemars(with = "Vec<String>")]
    pub channels: Vec<Channel>,
    /// When it was opened, in milliseconds since 1970.
    #[schemars(with = "u64")]
    pub since: Timestamp,
    /// The peer's address.
    pub address: String,
    /// Its User-Agent, cut to 200 bytes.
    pub agent: String,
}

/// The shared state of a consumer group that every replica obeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Control {
    /// Whether consumption is to rest (streams stay open).
    pub paused: bool,
    /// The group's break number.
    pub breaks: u64,
}

/// What came of taking a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is the caller's now: its content.
    Now(String),
    /// Somebody took it before.
    Before,
    /// There is none, or not any more.
    Never,
}

/// What opens a stream once.
#[async_trait]
pub trait Tickets: Send + Sync + 'static {
    /// Keeps a ticket for `ttl`. `name` is 1 to 64 of `A-Z a-z 0-9 _ -`, and new; `content` isn't empty.
    async fn keep_ticket(&self, name: &str, content: &str, ttl: std::time::Duration) -> Result<(), BacklogError>;

    /// Takes it: of all who try, one has it.
    async fn take_ticket(&self, name: &str) -> Result<Taken, BacklogError>;
}

/// Who has applied which revocations.
#[async_trait]
pub trait Confirmations: Send + Sync + 'static {
    /// Tells up to where a replica has applied them, for `ttl`, or until it gives its lease up.
    async fn confirm(&self, replica: &str, applied: &Applied, ttl: std::time::Duration) -> Result<(), BacklogError>;

    /// Up to where it has; `None` where it didn't tell lately.
    async fn confirmed(&self, replica: &str) -> Result<Option<Applied>, BacklogError>;
}

/// A secret that all replicas share.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    /// Tells the secret that there is; where there is none, it is `mine` from now on, a text that isn't empty. It is forgotten when
    /// nobody has asked for `ttl`.
    async fn share_secret(&self, mine: &str, ttl: std::time::Duration) -> Result<String, BacklogError>;
}

/// Who is alive, with which connections, and what groups are to do.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Takes (`first`) or renews the lease for `ttl`. `false` when it was lost: the replica takes a new id.
    async fn renew(&self, lease: &Lease, ttl: std::time::Duration, first: bool) -> Result<bool, BacklogError>;

    /// Gives the lease up and removes the replica's connections and what it has confirmed.
    async fn release(&self, replica: &str) -> Result<(), BacklogError>;

    /// All live leases, at most 1,000.
    async fn leases(&self) -> Result<Vec<Lease>, BacklogError>;

    /// Adds and removes connections of a replica in the registry, for `ttl`.
    async fn record(
        &self,
        replica: &str,
        opened: &[ConnectionEntry],
        closed: &[String],
        ttl: std::time::Duration,
    ) -> Result<(), BacklogError>;

    /// The connections of a replica.
    async fn connections(&self, replica: &str) -> Result<Vec<ConnectionEntry>, BacklogError>;

    /// The owners of a channel: replica ids with the time at which each ownership lapses.
    async fn owners(&self, channel: &Channel) -> Result<Vec<(String, Timestamp)>, BacklogError>;

    /// What the group is to do.
    async fn control(&self, group: &str) -> Result<Control, BacklogError>;

    /// Pauses or resumes a group's consumption.
    async fn set_paused(&self, group: &str, paused: bool) -> Result<(), BacklogError>;

    /// Raises the group's break number above what it is and above `known`, the highest that the caller has heard of, and
    /// answers it: each raise tears what the one before has torn, whatever clocks say. It also lies at or above the server's
    /// time in ms, since a server that lost the number has lost what was `known` too if every replica restarted.
    ///
    /// Several who skip for one and the same loss name it as its `cause`: only the first of them raises, the others hear
    /// what it was raised to.
    async fn raise_breaks(&self, group: &str, known: u64, cause: Option<&str>) -> Result<u64, BacklogError>;
}
