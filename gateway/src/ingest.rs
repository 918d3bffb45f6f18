//! From a source to the backlog: one consumer, strict order per partition and channel, nothing committed that could be
//! forgotten unnoticed (design, section 3 and section 4, "Ingest" and "Commands").

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use events_gateway_core::Timestamp;
use events_gateway_core::envelope::{Command, Envelope, Rejection};
use events_gateway_core::record::Record;
use tokio::sync::watch;

use crate::backlog::{Backlog, Control, Directory, KnownBreaks, Watermarks};
use crate::dead_letters::DeadLetters;
use crate::source::{Source, Start};

pub mod address;
pub mod counters;
mod errand;
mod partition;
pub mod progress;
pub mod resume;
mod run;
pub mod stamp;

use address::IsPublic;
use counters::{Board, Counters, Status};

/// Decodes a record of a binding for events. Called on the ingest task: must return at once.
pub type Decode = Arc<dyn Fn(&Record<'_>) -> Result<Envelope, Rejection> + Send + Sync>;
/// Decodes a record of a binding for commands.
pub type DecodeCommand = Arc<dyn Fn(&Record<'_>) -> Result<Command, Rejection> + Send + Sync>;
/// Tells the wall-clock time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What a binding's records are.
#[derive(Clone)]
pub enum Kind {
    /// Events.
    Events {
        /// Their decoder.
        decode: Decode,
        /// Which channels are public, if `all` is served.
        public: Option<IsPublic>,
    },
    /// `connect` and `disconnect`.
    Commands {
        /// Their decoder.
        decode: DecodeCommand,
    },
}

/// How to retry: after `first`, doubling up to `most`, each with a jitter of half.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub most: Duration,
}

impl Backoff {
    fn after(self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.most);
        doubled.mul_f64(rand::random_range(0.5..=1.0))
    }
}

/// How one consumer ingests.
#[derive(Clone)]
pub struct Options {
    /// The binding's name: part of every event's origin. Holds no `/`.
    pub binding: String,
    /// The consumer group: names the watermark and the control.
    pub group: String,
    /// What is subscribed to: asked for its identity also while nothing of it is assigned, so that a topic that is missing
    /// or forbidden shows.
    pub topics: Vec<Arc<str>>,
    /// What the records are.
    pub kind: Kind,
    /// Where a group without commits begins.
    pub start: Start,
    /// Most calls of the backlog in flight.
    pub max_in_flight: usize,
    /// Reading rests while this many records are on their way (those of held partitions don't count).
    pub max_records: usize,
    /// Reading rests while this many bytes are on their way.
    pub max_bytes: usize,
    /// A partition that is held back is paused once this many of its records wait.
    pub held_records: usize,
    /// A partition is paused while this many records lie between what is complete and what was read.
    pub window: usize,
    /// Committed is only what was appended at least so long ago: longer than a replica of Redis lags behind.
    pub settle: Duration,
    /// How often the watermark is stored and offsets are committed.
    pub mark_every: Duration,
    /// How often topics are asked for their identity.
    pub identify_every: Duration,
    /// How long calls in flight are waited for when partitions are given up. Less than the source's own bound.
    pub drain: Duration,
    /// How to retry what failed.
    pub backoff: Backoff,
    /// The wall clock.
    pub clock: Clock,
}

impl Options {
    /// The proven settings for a binding.
    #[must_use]
    pub fn new(binding: &str, group: &str, kind: Kind) -> Self {
        Self {
            binding: binding.into(),
            group: group.into(),
            topics: Vec::new(),
            kind,
            start: Start::Latest,
            max_in_flight: 256,
            max_records: 20_000,
            max_bytes: 32 << 20,
            held_records: 2_000,
            window: 100_000,
            settle: Duration::from_secs(5),
            mark_every: Duration::from_secs(1),
            identify_every: Duration::from_secs(15),
            drain: Duration::from_secs(2),
            backoff: Backoff { first: Duration::from_millis(50), most: Duration::from_secs(5) },
            clock: Arc::new(|| {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
            }),
        }
    }
}

/// What ingest works on.
#[derive(Clone)]
pub struct Ports {
    /// Where events go.
    pub backlog: Arc<dyn Backlog>,
    /// What each primary remembers of the group.
    pub watermarks: Arc<dyn Watermarks>,
    /// Where break numbers are raised.
    pub directory: Arc<dyn Directory>,
    /// What this replica knows of them.
    pub breaks: Arc<KnownBreaks>,
    /// Where records go that can't be delivered.
    pub dead_letters: Arc<dyn DeadLetters>,
}

/// Shows what a consumer does, while and after it runs. Cheap to clone.
#[derive(Clone)]
pub struct Monitor {
    counters: Arc<Counters>,
    board: Arc<Board>,
}

impl Monitor {
    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Where it stands, at most a second old.
    #[must_use]
    pub fn status(&self) -> Status {
        self.board.look()
    }
}

/// One consumer, ready to run.
pub struct Ingest<S> {
    source: S,
    ports: Ports,
    options: Options,
    monitor: Monitor,
}

impl<S: Source> Ingest<S> {
    /// Puts a consumer together. Nothing happens before [`Ingest::run`].
    #[must_use]
    pub fn new(source: S, ports: Ports, options: Options) -> Self {
        let monitor = Monitor { counters: Arc::default(), board: Arc::default() };
        Self { source, ports, options, monitor }
    }

    /// Shows what it does.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Ingests until `stop` holds true, or its sender is gone; then finishes what is in flight (within the drain's bound),
    /// commits what may be committed, leaves the group at once and returns. Whatever fails is tried again; nothing ends it
    /// but `stop`. While `control` says paused the group is left; its first value must have been read from the directory.
    pub async fn run(self, control: watch::Receiver<Control>, stop: watch::Receiver<bool>) {
        run::Run::new(self.source, self.ports, self.options, self.monitor).run(control, stop).await;
    }
}

#[cfg(test)]
mod tests;
