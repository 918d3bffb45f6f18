//! How a replica hands over: it takes nothing new, gives its partitions away, and ends its streams at a rate that all
//! draining replicas share.
//!
//! The oldest streams are closed first: they are the nearest to their greatest age, so that a drain takes the least from
//! what streams would have lasted, and the order is the same on every run.

pub mod pace;

use std::sync::Arc;
use std::time::Duration;

use events_gateway_core::disconnect::{Closing, DisconnectReason};
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;
use rand::Rng as _;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use self::pace::Pace;
use super::{Replica, ReplicaState};
use crate::backlog::Directory;

/// How often streams are closed: small enough that a batch is no burst.
const TICK: Duration = Duration::from_millis(50);
/// How often the others' connections are asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the last closings may take to reach their sockets.
const LINGER: Duration = Duration::from_secs(2);

/// Hands the Kafka partitions over (`true`), or takes part in the groups again (`false`). Called in the background; the
/// drain waits for a hand-over, but not longer than its time-out.
pub type HandOver = Arc<dyn Fn(bool) -> BoxFuture<'static, ()> + Send + Sync>;

/// How fast a replica hands over.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long it may take in all; what is open then is closed at once.
    pub timeout: Duration,
    /// How long streams are left alone at first, until load balancers have noticed that this replica isn't ready: their
    /// clients would come back to it. (New ones are refused retryably at once.)
    pub settle: Duration,
    /// How many streams are closed in a second, by all draining replicas together.
    pub closes_per_second: f64,
    /// Over how long the clients of closed streams are told to spread their return.
    pub reconnect_spread: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            settle: Duration::from_secs(5),
            closes_per_second: 500.0,
            reconnect_spread: Duration::from_secs(5),
        }
    }
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// No stream is open, and the partitions are handed over or their time has passed.
    Empty,
    /// The time-out passed; the rest was closed at once.
    TimedOut {
        /// How many that were.
        rest: usize,
    },
    /// The replica was told to serve again.
    Undone,
}

/// A drain of this life. It goes on when whoever carries it out changes, as at a signal: it settles once, and its time
/// doesn't begin again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// When it began.
    pub began: Instant,
    /// Whether it ran to its end.
    pub ended: bool,
}

/// How a process that was told to stop ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// After a drain.
    Drained(Drained),
    /// A second signal came: at once, with [`ABORTED`].
    Aborted,
}

/// The exit code of a process that a second signal aborted (the first drains): neither success nor any other failure.
pub const ABORTED: u8 = 70;

/// Drains a replica.
pub struct Drain {
    replica: Arc<Replica>,
    directory: Arc<dyn Directory>,
    hand_over: HandOver,
    options: Options,
    /// The drain under way, or the one that ended and wasn't undone.
    course: Mutex<Option<Course>>,
    /// Whether the process is to end: from then on whoever waits for the signals drains, and nobody else.
    ending: watch::Sender<bool>,
}

impl std::fmt::Debug for Drain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drain").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Drain {
    /// Nothing happens before [`Self::run`] or [`Self::begin`].
    #[must_use]
    pub fn new(
        replica: Arc<Replica>,
        directory: Arc<dyn Directory>,
        hand_over: HandOver,
        options: Options,
    ) -> Arc<Self> {
        let (course, ending) = (Mutex::default(), watch::Sender::new(false));
        Arc::new(Self { replica, directory, hand_over, options, course, ending })
    }

    /// Says that the replica drains (its lease tells others, it is no longer ready, new streams are refused) and leaves the
    /// rest to whoever watches the state with [`Self::follow`].
    pub fn begin(&self) -> bool {
        let mut course = self.course.lock();
        course.get_or_insert_with(|| Course { began: Instant::now(), ended: false });
        self.replica.set_state(ReplicaState::Draining)
    }

    /// Says that the replica serves again; a drain under way ends as [`Drained::Undone`]. A later one begins anew.
    pub fn undo(&self) -> bool {
        let mut course = self.course.lock();
        *course = None;
        self.replica.set_state(ReplicaState::Serving)
    }

    /// The drain under way, or the one that ended; `None` while the replica serves.
    #[must_use]
    pub fn course(&self) -> Option<Course> {
        *self.course.lock()
    }

    /// Waits for the first of `signals`, drains, and answers how that ended; the second signal aborts it.
    pub async fn on_signals(&self, signals: impl Stream<Item = ()>) -> Ending {
        let mut signals = std::pin::pin!(signals);
        let mut next = async || match signals.next().await {
            Some(()) => {}
            None => std::future::pending().await,
        };
        next().await;
        self.ending.send_replace(true);
        tokio::select! {
            biased;
            () = next() => Ending::Aborted,
            drained = self.drain_for_good() => Ending::Drained(drained),
        }
    }

    /// Like [`Self::run`], but whoever undoes the drain meanwhile only has it start over.
    async fn drain_for_good(&self) -> Drained {
        loop {
            let drained = self.run().await;
            if drained != Drained::Undone {
                return drained;
            }
        }
    }

    /// Carries out every [`Self::begin`], until a signal came: then [`Self::on_signals`] does, and this waits for ever. (Two
    /// at a time would close at twice the rate.)
    pub async fn follow(self: Arc<Self>) {
        let mut ending = self.ending.subscribe();
        tokio::select! {
            biased;
            () = async {
                // The sender lives in the drain, which this task holds.
                let _ = ending.wait_for(|ending| *ending).await;
            } => std::future::pending().await,
            () = self.follow_states() => {}
        }
    }

    async fn follow_states(&self) {
        let mut states = self.replica.states();
        loop {
            // The sender lives in the replica, which this task holds.
            if states.wait_for(|state| *state == ReplicaState::Draining).await.is_err() {
                return;
            }
            let drained = self.run().await;
            tracing::info!(?drained, "drain ended");
            if states.wait_for(|state| *state == ReplicaState::Serving).await.is_err() {
                return;
            }
            if timeout(self.options.timeout, (self.hand_over)(false)).await.is_err() {
                tracing::warn!("failed to take part in the consumer groups again in time");
            }
        }
    }

    /// Drains to the end, or goes on with what was begun: a drain that has ended isn't done a second time. Cancelling it leaves
    /// the replica in state draining with the streams that are open.
    pub async fn run(&self) -> Drained {
        self.begin();
        tracing::info!(streams = self.replica.connections().open(), "draining");
        let mut states = self.replica.states();
        loop {
            let began = self.course().map_or_else(Instant::now, |course| course.began);
            let drained = tokio::select! {
                biased;
                _ = states.wait_for(|state| *state == ReplicaState::Serving) => return Drained::Undone,
                drained = self.drain(began) => drained,
            };
            // Undone and begun again faster than the state was looked at: another drain.
            if let Some(course) = self.course.lock().as_mut().filter(|course| course.began == began) {
                course.ended = true;
                return drained;
            }
        }
    }

    async fn drain(&self, began: Instant) -> Drained {
        let deadline = began + self.options.timeout;
        let hand_over = tokio::time::timeout_at(deadline, (self.hand_over)(true));
        let closing = async {
            sleep_until(began + self.options.settle.min(self.options.timeout)).await;
            tokio::select! {
                () = self.close_paced() => 0,
                () = sleep_until(deadline) => self.close_all(),
            }
        };
        let (handed_over, rest) = tokio::join!(hand_over, closing);
        if handed_over.is_err() {
            tracing::warn!(
                "failed to hand the partitions over in time; they are taken over after the session's time-out"
            );
        }
        // Closings are on their way to the sockets; a peer that doesn't read keeps none of us from ending.
        let _ = timeout(LINGER, self.emptied()).await;
        match rest {
            0 => Drained::Empty,
            rest => Drained::TimedOut { rest },
        }
    }

    /// Closes at this replica's share of the rate until every stream was told.
    async fn close_paced(&self) {
        let connections = self.replica.connections();
        let mut pace = Pace::new(self.options.closes_per_second);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        let mut looked: Option<Instant> = None;
        let mut others = 0;
        while connections.untold() > 0 {
            ticks.tick().await;
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
                // What was known is the best guess when the directory is away.
                others = self.draining_elsewhere().await.unwrap_or(others);
                looked = Some(Instant::now());
            }
            let now = Instant::now();
            let due = pace.due(now - last, connections.untold() as u64, others);
            last = now;
            connections.close_oldest(due, || self.closing());
        }
    }

    fn close_all(&self) -> usize {
        self.replica.connections().close_oldest(usize::MAX, || self.closing())
    }

    fn closing(&self) -> Closing {
        let spread = u64::try_from(self.options.reconnect_spread.as_millis()).unwrap_or(u64::MAX);
        Closing::new(DisconnectReason::Drain, rand::rng().random_range(0..=spread))
    }

    /// Open connections of the other replicas that drain now.
    async fn draining_elsewhere(&self) -> Option<u64> {
        let leases = match timeout(LOOK_EVERY, self.directory.leases()).await {
            Ok(Ok(leases)) => leases,
            failed => {
                tracing::debug!(?failed, "failed to learn who else drains");
                return None;
            }
        };
        let own = self.replica.id();
        Some(
            leases
                .iter()
                .filter(|lease| lease.state == ReplicaState::Draining && *lease.replica != *own)
                .fold(0, |sum: u64, lease| sum.saturating_add(lease.connections)),
        )
    }

    async fn emptied(&self) {
        while self.replica.connections().open() > 0 {
            sleep(TICK).await;
        }
    }
}

#[cfg(test)]
mod tests;
