//! Fan-out inside a replica: from the channels that it owns to the streams that it holds.
//!
//! A [`Stream`] is what a client subscribed to, whatever carries it. It pulls from the channels' feeds when it is polled and
//! holds no queue of its own, so an idle stream is a few hundred bytes and a slow one costs nobody else anything.

mod counters;
mod feed;
mod filters;
mod interest;
mod owner;
mod pages;
mod quiet;
pub mod secret;
mod signal;
mod stream;
mod subscribers;
mod verify;

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use events_gateway_core::cursor::ChannelSet;
use events_gateway_core::cursor::seal::{Seal, Secret};
use events_gateway_core::disconnect::DisconnectReason;
use events_gateway_core::filter::Filter;
use events_gateway_core::join::{Bounds, Pending, ReplayPage};
use events_gateway_core::sse::Format;
use events_gateway_core::view::View;
use events_gateway_core::{Channel, Position, Timestamp};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};

pub use counters::{HubCounters, LATENCY_BOUNDS_MS};
use feed::Feed;
use filters::Filters;
use interest::Interest;
pub use signal::{Signal, StreamHandle};
pub use stream::Stream;
pub use stream::wire::Wire;
use subscribers::Key;

use crate::backlog::{Announcement, Backlog, Breaks, Listener, Token};
use crate::clock;

/// Where a new stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// With what comes from now on.
    Live,
    /// With the first event that is retained.
    Earliest,
    /// After this cursor, unread: if it is none of these channels, a gap says so and the stream is live.
    Cursor(String),
}

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct Subscribe {
    /// Which channels.
    pub channels: ChannelSet,
    /// From where.
    pub resume: Resume,
    /// Whose the cursors are. Where it is given, the stream's cursors are sealed for this holder, and no other cursor is resumed
    /// from; absent: the client may read the past.
    pub own: Option<Arc<str>>,
    /// How events are written.
    pub format: Format,
    /// Whether they bear their types in an event stream.
    pub named: bool,
    /// The view of each channel, in the channels' order; what is missing is raw.
    pub views: Vec<Option<Arc<View>>>,
    /// Which events are wanted; absent: all.
    pub filter: Option<Filter>,
    /// What carries it.
    pub wire: Wire,
    /// When the connection was opened.
    pub opened: Timestamp,
    /// When its right to be open ends, if it does.
    pub ends: Option<Timestamp>,
    /// The connection's id, as `gateway.open` tells it: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub connection: Arc<str>,
}

impl Subscribe {
    /// To these channels, live, from now on.
    #[must_use]
    pub fn to(channels: ChannelSet, connection: Arc<str>) -> Self {
        Self {
            channels,
            resume: Resume::Live,
            own: None,
            format: Format::default(),
            named: true,
            views: Vec::new(),
            filter: None,
            wire: Wire::EventStream,
            opened: clock::now(),
            ends: None,
            connection,
        }
    }
}

/// How much may wait for a subscriber of a channel, and what happens beyond.
pub type PendingOf = Arc<dyn Fn(&Channel) -> Pending + Send + Sync>;

/// How the hub works.
#[derive(Clone)]
pub struct Options {
    /// Recent events kept per channel.
    pub ring: Bounds,
    /// Recent events older than this are forgotten at the next verify.
    pub ring_age: Duration,
    /// Bytes of recent events in all channels together, as measured at each verify: above it, younger ones are forgotten.
    pub ring_total_bytes: u64,
    /// By channel.
    pub pending: PendingOf,
    /// A silent stream gets a comment after so long.
    pub heartbeat: Duration,
    /// `retry:` of a new stream is this and up to `retry_jitter` more, so that clients don't come back in step.
    pub retry: Duration,
    /// See `retry`.
    pub retry_jitter: Duration,
    /// A stream ends at this age and up to `max_age_jitter` later. `None`: never.
    pub max_age: Option<Duration>,
    /// See `max_age`.
    pub max_age_jitter: Duration,
    /// How long before the end of its right to be open a stream says so.
    pub expiring: Duration,
    /// How long a stream waits for its channels to be registered before it opens without those that are away.
    pub open_wait: Duration,
    /// How long a client may come back with a cursor of its own ([`Subscribe::own`]), at least; twice as long at most.
    pub resume_within: Duration,
    /// Channels held at once; a stream that needs more is refused.
    pub max_channels: usize,
    /// Distinct filters at once; a stream that needs more is refused.
    pub max_filters: usize,
    /// How long a channel stays owned after its last subscriber left.
    pub linger: Duration,
    /// Every owned channel is compared with the backlog once in this time.
    pub verify: Duration,
    /// Entries read at once for a repair or replay, at most 1,000; fewer where a channel's events are large.
    pub page_events: usize,
    /// Replays' reads under way at once, over all channels.
    pub page_reads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring: Bounds::default(),
            ring_age: Duration::from_secs(60),
            ring_total_bytes: 256 << 20,
            pending: Arc::new(|_| Pending::default()),
            heartbeat: Duration::from_secs(15),
            retry: Duration::from_secs(2),
            retry_jitter: Duration::from_secs(1),
            max_age: None,
            max_age_jitter: Duration::from_secs(60),
            expiring: Duration::from_secs(30),
            open_wait: Duration::from_secs(2),
            resume_within: Duration::from_secs(300),
            max_channels: 100_000,
            max_filters: 1_000,
            linger: Duration::from_secs(5),
            verify: Duration::from_secs(15),
            page_events: 512,
            page_reads: 32,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("ring", &self.ring).field("heartbeat", &self.heartbeat).finish_non_exhaustive()
    }
}

const SHARDS: usize = 64;

/// How long a replay rests that found nothing to go on with.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// One per replica.
pub struct Hub {
    backlog: Arc<dyn Backlog>,
    options: Options,
    /// Feeds are owned by tasks of this runtime, whichever thread a stream is opened on.
    runtime: Handle,
    shards: [Mutex<HashMap<Channel, Arc<Feed>>>; SHARDS],
    /// How many feeds the shards hold together.
    held: AtomicUsize,
    hasher: RandomState,
    replica: ArcSwap<String>,
    tokens: AtomicU64,
    breaks: Mutex<Breaks>,
    secret: ArcSwapOption<Secret>,
    counters: HubCounters,
    filters: Arc<Filters>,
    reads: Semaphore,
    verify: verify::Queue,
    verify_now: Notify,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("feeds", &self.feeds()).finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub of the replica with this id. Must be called within a multi-threaded runtime, on which its tasks run.
    #[must_use]
    pub fn new(backlog: Arc<dyn Backlog>, options: Options, replica: &str) -> Arc<Self> {
        Arc::new(Self {
            backlog,
            reads: Semaphore::new(options.page_reads),
            filters: Filters::new(options.max_filters),
            options,
            runtime: Handle::current(),
            shards: std::array::from_fn(|_| Mutex::default()),
            held: AtomicUsize::new(0),
            hasher: RandomState::new(),
            replica: ArcSwap::from_pointee(replica.to_owned()),
            tokens: AtomicU64::new(0),
            breaks: Mutex::default(),
            secret: ArcSwapOption::empty(),
            counters: HubCounters::default(),
            verify: verify::Queue::default(),
            verify_now: Notify::new(),
        })
    }

    /// Whether the channels that nobody here subscribes to yet may still be held. Streams that are opened at the same moment
    /// may together exceed the bound by what they need.
    #[must_use]
    pub fn has_room(&self, channels: &ChannelSet) -> bool {
        let channels = channels.as_slice();
        self.feeds() + channels.len() <= self.options.max_channels || {
            let fresh = channels.iter().filter(|channel| self.feed(channel).is_none()).count();
            fresh == 0 || self.feeds() + fresh <= self.options.max_channels
        }
    }

    /// Opens a stream. Never blocks: what has to be waited for is waited for inside the stream.
    ///
    /// # Errors
    /// When the replica holds as many channels, or as many distinct filters, as it may.
    pub fn subscribe(self: &Arc<Self>, request: Subscribe) -> Result<Stream, DisconnectReason> {
        if !self.has_room(&request.channels) {
            return Err(DisconnectReason::ChannelLimit);
        }
        let filter = request.filter.as_ref().filter(|filter| !filter.is_empty());
        let interests = (0..request.channels.as_slice().len()).map(|index| {
            let view = request.views.get(index).cloned().flatten();
            let seat = |filter| {
                self.filters.seat(view.as_ref().map(|view| view.index()), filter).ok_or(DisconnectReason::FilterLimit)
            };
            let filter = filter.map(seat).transpose()?;
            Ok(Interest { view, filter })
        });
        let interests = interests.collect::<Result<Vec<_>, _>>()?;
        Ok(Stream::new(Arc::clone(self), request, interests))
    }

    /// What it has counted.
    #[must_use]
    pub fn counters(&self) -> &HubCounters {
        &self.counters
    }

    /// How many channels it holds.
    #[must_use]
    pub fn feeds(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How many distinct filters there are.
    #[must_use]
    pub fn filters(&self) -> usize {
        self.filters.len()
    }

    /// The replica's id.
    #[must_use]
    pub fn replica(&self) -> Arc<String> {
        self.replica.load_full()
    }

    /// Takes another id after the lease was lost: every channel is registered anew with the next verify, which is at once.
    pub fn rename(&self, replica: &str) {
        self.replica.store(Arc::new(replica.to_owned()));
        for feed in self.all_feeds() {
            if feed.token().is_some() {
                feed.rename(self.new_token());
            }
        }
        self.verify.ask_all();
        self.verify_now.notify_one();
    }

    /// Notes the groups' break numbers; a channel that holds a lower one is torn when it is verified, which is at once.
    pub fn set_breaks(&self, breaks: Breaks) {
        let mut known = self.breaks.lock();
        if *known != breaks {
            *known = breaks;
            drop(known);
            self.verify.ask_all();
            self.verify_now.notify_one();
        }
    }

    /// Notes the secret that replicas share: from now on cursors are sealed with it.
    pub fn set_secret(&self, secret: Secret) {
        if self.secret.load().as_deref() != Some(&secret) {
            self.secret.store(Some(Arc::new(secret)));
        }
    }

    fn seal(&self, holder: &str, channels: &ChannelSet) -> Option<Seal> {
        let secret = **self.secret.load().as_ref()?;
        Some(Seal::new(secret, self.options.resume_within.as_millis() as u64, holder, channels))
    }

    /// Compares every owned channel with the backlog, in turn and at once after anything that may have lost an
    /// announcement. Runs until dropped.
    pub async fn verify(self: Arc<Self>) {
        verify::run(&self).await;
    }

    fn breaks(&self) -> Breaks {
        self.breaks.lock().clone()
    }

    fn new_token(&self) -> Token {
        let number = self.tokens.fetch_add(1, Ordering::Relaxed);
        Token { replica: self.replica.load().as_str().into(), number }
    }

    fn shard(&self, channel: &Channel) -> &Mutex<HashMap<Channel, Arc<Feed>>> {
        &self.shards[self.hasher.hash_one(channel) as usize % SHARDS]
    }

    fn feed(&self, channel: &Channel) -> Option<Arc<Feed>> {
        self.shard(channel).lock().get(channel).cloned()
    }

    /// Channels with subscribers, and how many they have.
    #[must_use]
    pub fn subscribers(&self) -> Vec<(Channel, usize)> {
        let feeds = self.all_feeds();
        let counted = feeds.iter().map(|feed| (feed.channel.clone(), feed.subscribers()));
        counted.filter(|(_, subscribers)| *subscribers > 0).collect()
    }

    fn all_feeds(&self) -> Vec<Arc<Feed>> {
        self.shards.iter().flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// Joins the feed of a channel, and sees to it that somebody owns it.
    fn join(self: &Arc<Self>, channel: &Channel, signal: &Arc<Signal>, interest: &Interest) -> (Arc<Feed>, Key) {
        let mut shard = self.shard(channel).lock();
        match shard.entry(channel.clone()) {
            Entry::Occupied(occupied) => {
                let feed = Arc::clone(occupied.get());
                let key = feed.join(Arc::clone(signal), interest);
                (feed, key)
            }
            Entry::Vacant(vacant) => {
                let feed = Arc::clone(vacant.insert(Arc::new(Feed::new(channel.clone()))));
                let key = feed.join(Arc::clone(signal), interest);
                self.held.fetch_add(1, Ordering::Relaxed);
                drop(shard);
                self.runtime.spawn(owner::own(Arc::clone(self), Arc::clone(&feed)));
                (feed, key)
            }
        }
    }

    fn remove_if_unused(&self, feed: &Feed) -> bool {
        let mut shard = self.shard(&feed.channel).lock();
        let unused = !feed.has_subscribers();
        if unused && shard.remove(&feed.channel).is_some() {
            self.held.fetch_sub(1, Ordering::Relaxed);
        }
        unused
    }

    fn count_released(&self, events: usize) {
        self.counters.released.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// Has a stream look again in a moment.
    fn wake_later(&self, signal: &Arc<Signal>) {
        let signal = Arc::downgrade(signal);
        self.runtime.spawn(async move {
            tokio::time::sleep(LOOK_AGAIN).await;
            if let Some(signal) = signal.upgrade() {
                signal.wake();
            }
        });
    }

    /// Reads a page and hands it to all who wait for it.
    fn load_page(self: &Arc<Self>, feed: &Arc<Feed>, after: Position, limit: usize) {
        let (hub, feed) = (Arc::clone(self), Arc::clone(feed));
        self.runtime.spawn(async move {
            let permit = hub.reads.acquire().await;
            let page = hub.backlog.read(&feed.channel, after, limit).await;
            drop(permit);
            counters::count(&hub.counters.page_reads);
            let page = match page {
                Ok(page) => {
                    feed.weigh(page.entries.iter().map(|(_, event)| event));
                    Some(Arc::new(ReplayPage::new(&feed.channel, after, page)))
                }
                Err(error) => {
                    tracing::debug!(channel = %feed.channel, %error, "failed to read a page; trying again");
                    tokio::time::sleep(Duration::from_millis(rand::random_range(200..600))).await;
                    None
                }
            };
            let waiting = feed.pages.lock().loaded(after, page);
            for signal in waiting {
                signal.wake();
            }
            // Nobody may ever ask again: what was read must not stay for that.
            tokio::time::sleep(pages::KEEP).await;
            feed.pages.lock().forget(tokio::time::Instant::now());
        });
    }
}

/// Hands a backlog's announcements to the hub, which is made after it. Until then there is nothing to announce.
#[derive(Debug, Default)]
pub struct HubListener(OnceLock<Arc<Hub>>);

impl HubListener {
    /// Connects the hub; once.
    pub fn connect(&self, hub: Arc<Hub>) {
        let _ = self.0.set(hub);
    }
}

impl Listener for HubListener {
    fn announced(&self, announcement: Announcement) {
        let Some(hub) = self.0.get() else { return };
        if let Some(feed) = hub.feed(&announcement.channel) {
            hub.count_released(feed.announced(&announcement, clock::now(), &hub.counters));
        }
    }

    fn closed(&self, channel: &Channel, before: Timestamp) {
        if let Some(feed) = self.0.get().and_then(|hub| hub.feed(channel)) {
            feed.close_before(before);
        }
    }

    fn resumed(&self, channels: Vec<Channel>) {
        if let Some(hub) = self.0.get() {
            hub.verify.ask(channels);
            hub.verify_now.notify_one();
        }
    }
}
