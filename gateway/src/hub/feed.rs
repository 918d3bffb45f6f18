//! One channel as this replica holds it: its reel, its subscribers, and the task that owns it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use events_gateway_core::join::{Heard, Reel};
use events_gateway_core::{Channel, Event, Position, Standing, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::HubCounters;
use super::interest::Interest;
use super::pages::Pages;
use super::signal::Signal;
use super::subscribers::{Key, Subscribers};
use crate::backlog::{Announcement, MAX_PAGE_BYTES, Page, Token};

/// Of events that were never seen: a first page of 64.
const FIRST_WEIGHT: usize = 64 << 10;

/// A channel that somebody here subscribes to, or did a moment ago.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) channel: Channel,
    ownership: Mutex<Ownership>,
    subscribers: Mutex<Subscribers>,
    pub(super) pages: Mutex<Pages>,
    closed_before: AtomicU64,
    /// How large this channel's events have been lately, in bytes.
    weight: AtomicUsize,
    /// What came before may be forgotten: everybody has been woken since.
    forgettable: AtomicU64,
    /// Wakes the feed's task: something to repair, or the subscribers changed.
    pub(super) work: Notify,
}

/// Whether this replica owns the channel. Streams see a reel exactly while it is registered.
#[derive(Debug)]
pub(super) enum Ownership {
    /// Not yet, or not any more: registering and unregistering look alike to subscribers, who wait.
    Waiting {
        /// The highest position announced meanwhile: the subscription is confirmed before the registration answers.
        heard: Position,
    },
    /// Every append is announced to us.
    Registered {
        /// Ours.
        token: Token,
        /// What was announced.
        reel: Box<Reel>,
        /// Set when a verify found that the backlog holds more than the reel.
        lags: bool,
    },
}

impl Ownership {
    pub(super) fn reel(&self) -> Option<&Reel> {
        match self {
            Self::Waiting { .. } => None,
            Self::Registered { reel, .. } => Some(reel),
        }
    }
}

impl Feed {
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            channel,
            ownership: Mutex::new(Ownership::Waiting { heard: Position(0) }),
            subscribers: Mutex::default(),
            pages: Mutex::default(),
            closed_before: AtomicU64::new(0),
            weight: AtomicUsize::new(FIRST_WEIGHT),
            forgettable: AtomicU64::new(0),
            work: Notify::new(),
        }
    }

    pub(super) fn ownership(&self) -> MutexGuard<'_, Ownership> {
        self.ownership.lock()
    }

    pub(super) fn join(&self, signal: Arc<Signal>, interest: &Interest) -> Key {
        let key = self.subscribers.lock().join(signal, interest);
        self.work.notify_one();
        key
    }

    pub(super) fn leave(&self, key: &Key) {
        let mut subscribers = self.subscribers.lock();
        subscribers.leave(key);
        if subscribers.len() == 0 {
            drop(subscribers);
            self.work.notify_one();
        }
    }

    pub(super) fn subscribers(&self) -> usize {
        self.subscribers.lock().len()
    }

    pub(super) fn has_subscribers(&self) -> bool {
        self.subscribers() > 0
    }

    pub(super) fn wake_subscribers(&self) {
        self.subscribers.lock().wake_all();
    }

    /// Wakes those whom the newest events are for.
    fn wake_for(&self, released: usize, counters: &HubCounters) {
        let subscribers = self.subscribers.lock();
        if !subscribers.have_filters() {
            subscribers.wake_all();
            return;
        }
        drop(subscribers);
        // Whoever is registered anew wakes all.
        let Some((newest, base)) = self.ownership.lock().reel().map(|reel| (reel.newest(released), reel.base())) else {
            return;
        };
        self.subscribers.lock().wake_for(&newest, base, counters);
    }

    pub(super) fn token(&self) -> Option<Token> {
        match &*self.ownership.lock() {
            Ownership::Waiting { .. } => None,
            Ownership::Registered { token, .. } => Some(token.clone()),
        }
    }

    /// Notes a new token after the replica took another id.
    pub(super) fn rename(&self, renamed: Token) {
        if let Ownership::Registered { token, .. } = &mut *self.ownership.lock() {
            *token = renamed;
        }
    }

    pub(super) fn registered(&self, token: Token, mut reel: Reel) {
        let mut ownership = self.ownership.lock();
        if let Ownership::Waiting { heard } = &*ownership {
            reel.hear_of(*heard);
        }
        *ownership = Ownership::Registered { token, reel: Box::new(reel), lags: false };
        drop(ownership);
        self.wake_subscribers();
    }

    /// Ends the ownership unless somebody subscribes after all: who joined before sees the reel go on, who joins later
    /// waits for the next registration.
    pub(super) fn unregistered(&self) -> Option<Token> {
        let mut ownership = self.ownership.lock();
        if self.has_subscribers() {
            return None;
        }
        match std::mem::replace(&mut *ownership, Ownership::Waiting { heard: Position(0) }) {
            Ownership::Waiting { .. } => None,
            Ownership::Registered { token, .. } => Some(token),
        }
    }

    pub(super) fn is_registered(&self) -> bool {
        self.ownership.lock().reel().is_some()
    }

    /// Returns how many events were released.
    pub(super) fn announced(&self, announcement: &Announcement, now: Timestamp, counters: &HubCounters) -> usize {
        self.weigh(announcement.events.iter());
        let heard = match &mut *self.ownership.lock() {
            Ownership::Waiting { heard } => {
                *heard = (*heard).max(Position(announcement.first.0 + announcement.events.len() as u64 - 1));
                return 0;
            }
            Ownership::Registered { reel, .. } => reel.announce(announcement, now),
        };
        match heard {
            Heard::Released(count) => {
                self.wake_for(count, counters);
                count
            }
            Heard::Known => 0,
            Heard::Hole => {
                self.work.notify_one();
                0
            }
        }
    }

    /// Notes how large events are.
    pub(super) fn weigh<'a>(&self, events: impl ExactSizeIterator<Item = &'a Arc<Event>>) {
        let count = events.len();
        if let Some(mean) = events.map(|event| event.data.len()).sum::<usize>().checked_div(count) {
            self.weight.store((self.weight.load(Ordering::Relaxed) + mean).div_ceil(2), Ordering::Relaxed);
        }
    }

    /// How many entries to read at once: about as many as [`MAX_PAGE_BYTES`] let through. Of very large ones a page holds one,
    /// and no read starts before the position that is wanted.
    pub(super) fn page_limit(&self, most: usize) -> usize {
        (MAX_PAGE_BYTES / self.weight.load(Ordering::Relaxed).max(1)).clamp(1, most)
    }

    /// Compares where the backlog stands with where the reel does.
    pub(super) fn verified(&self, standing: &Standing) {
        if let Some(before) = standing.closed_before {
            self.close_before(before);
        }
        if let Ownership::Registered { reel, lags, .. } = &mut *self.ownership.lock()
            && reel.lags(standing)
        {
            *lags = true;
            self.work.notify_one();
        }
    }

    /// Somebody read this position from the backlog: if the reel hasn't got there, it has missed something.
    pub(super) fn hear_of(&self, position: Position) {
        if let Ownership::Registered { reel, .. } = &mut *self.ownership.lock() {
            reel.hear_of(position);
            if reel.has_hole() {
                self.work.notify_one();
            }
        }
    }

    /// What to read for a repair, if one is due: (after this position, the highest position heard of).
    pub(super) fn repair_due(&self) -> Option<(Position, Position)> {
        match &*self.ownership.lock() {
            Ownership::Registered { reel, lags, .. } if *lags || reel.has_hole() => Some((reel.head(), reel.heard())),
            _ => None,
        }
    }

    /// Returns how many events were released.
    pub(super) fn repair(&self, page: &Page, heard: Position, now: Timestamp) -> usize {
        let mut ownership = self.ownership.lock();
        let Ownership::Registered { reel, lags, .. } = &mut *ownership else {
            return 0;
        };
        let (released, gap) = reel.repair(page, heard, now);
        *lags = reel.lags(&page.standing);
        if gap.is_some() {
            tracing::warn!(channel = %self.channel, reason = gap.map(events_gateway_core::sse::GapReason::as_str), "a gap was told");
        }
        drop(ownership);
        if released > 0 || gap.is_some() {
            self.wake_subscribers();
        }
        released
    }

    /// Forgets events that came before `time`. Subscribers whom the last ones passed by are woken first, and have until the next
    /// call to go on.
    pub(super) fn forget_before(&self, time: Timestamp) {
        let subscribers = self.subscribers.lock();
        let time = if subscribers.have_filters() {
            subscribers.wake_all();
            Timestamp(self.forgettable.swap(time.0, Ordering::Relaxed))
        } else {
            time
        };
        drop(subscribers);
        if let Ownership::Registered { reel, .. } = &mut *self.ownership.lock() {
            reel.forget_before(time);
        }
    }

    pub(super) fn ring_bytes(&self) -> u64 {
        self.ownership.lock().reel().map_or(0, Reel::bytes)
    }

    pub(super) fn close_before(&self, before: Timestamp) {
        if self.closed_before.fetch_max(before.0, Ordering::Relaxed) < before.0 {
            self.wake_subscribers();
        }
    }

    pub(super) fn closed_before(&self) -> Timestamp {
        Timestamp(self.closed_before.load(Ordering::Relaxed))
    }
}
