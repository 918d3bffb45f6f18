//! One stream: what its client subscribed to, pulled from the feeds when it is polled.
//!
//! A stream is opening (its channels are being registered), replaying, live, and in the end closed; each of its
//! subscriptions is in the first three by itself. Whatever carries the stream polls it for chunks and drops it when the
//! client is gone.

mod cursors;
mod subscription;
pub(super) mod wire;
mod writer;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use events_gateway_core::Timestamp;
use events_gateway_core::cursor::Marks;
use events_gateway_core::disconnect::{Closing, DisconnectReason};
use events_gateway_core::sse::Format;
use smallvec::SmallVec;
use tokio::time::{Instant, Sleep};

use super::interest::Interest;
use super::signal::{Signal, StreamHandle};
use super::{Hub, Resume, Subscribe};
use crate::clock;
use cursors::Cursors;
use subscription::{Pull, Subscription};
use wire::{Opening, Wire};
use writer::Writer;

/// Bytes handed out at once: enough to fill a socket's buffer, little enough that a slow client holds little.
const CHUNK: usize = 64 << 10;
/// How often a subscription is read on within one poll while nothing of it is wanted: then others have their turn.
const ROUNDS: usize = 8;

/// A stream of chunks, each ready to be written as it is; an empty one says that there was something, and nothing of it is
/// wanted. Ends after `gateway.closing`.
pub struct Stream {
    hub: Arc<Hub>,
    cursors: Cursors,
    subscriptions: SmallVec<[Subscription; 1]>,
    /// Which subscription is read first.
    first: usize,
    signal: Arc<Signal>,
    connection: Arc<str>,
    format: Format,
    named: bool,
    wire: Wire,
    opened: Timestamp,
    state: State,
    /// What the client's cursor says; where a mark has moved on without an event, the next heartbeat tells.
    told: Marks,
    /// Whichever is next of opening's end, heartbeat, greatest age.
    timer: Pin<Box<Sleep>>,
    started: Instant,
    last_write: Instant,
    ends: Option<Instant>,
    expiry: Expiry,
}

/// Whether, and when, the right to be open ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiry {
    Never,
    At(Instant),
    /// The client has been told.
    Told(Instant),
}

impl Expiry {
    fn at(self) -> Option<Instant> {
        match self {
            Self::Never => None,
            Self::At(at) | Self::Told(at) => Some(at),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing written yet.
    Opening,
    /// Told where it stands.
    Open,
    /// Told why it ends.
    Closed,
}

/// What a pull gave.
enum Pulled {
    /// Something to write.
    Chunk(Bytes),
    /// Nothing yet; there is more to look at.
    More,
    /// Nothing that is wanted.
    PassedOver,
    /// Nothing.
    Nothing,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("connection", &self.connection)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Stream {
    pub(super) fn new(hub: Arc<Hub>, request: Subscribe, interests: Vec<Interest>) -> Self {
        let signal = Arc::new(Signal::default());
        let seal = request.own.as_ref().and_then(|own| hub.seal(own, &request.channels));
        let cursors = Cursors::new(request.channels, request.own.is_some(), seal);
        let cursor = match &request.resume {
            Resume::Cursor(text) => Some(cursors.parse(text, clock::now())),
            Resume::Live | Resume::Earliest => None,
        };
        let subscriptions = cursors
            .set()
            .as_slice()
            .iter()
            .zip(interests)
            .enumerate()
            .map(|(index, (channel, interest))| {
                Subscription::new(&hub, channel, &signal, &request.resume, cursor.as_ref(), index, interest)
            })
            .collect();
        let now = Instant::now();
        // A WebSocket has an age of its own, for all its subscriptions.
        let is_alone = matches!(request.wire, Wire::EventStream);
        let ends = hub.options.max_age.filter(|_| is_alone).map(|age| now + age + jitter(hub.options.max_age_jitter));
        Self {
            timer: Box::pin(tokio::time::sleep_until(now + hub.options.open_wait)),
            hub,
            cursors,
            subscriptions,
            first: 0,
            signal,
            connection: request.connection,
            format: request.format,
            named: request.named,
            wire: request.wire,
            opened: request.opened,
            state: State::Opening,
            told: Marks::new(),
            started: now,
            last_write: now,
            ends,
            expiry: request.ends.map_or(Expiry::Never, |ends| {
                Expiry::At(now + Duration::from_millis(ends.millis_since(request.opened)))
            }),
        }
    }

    /// Its remote control.
    #[must_use]
    pub fn handle(&self) -> StreamHandle {
        StreamHandle::new(&self.signal)
    }

    /// Why it has to end, if it has to.
    fn closing(&self) -> Option<Closing> {
        if let Some(closing) = self.signal.closing() {
            return Some(closing);
        }
        let disconnected = self.subscriptions.iter().any(|subscription| self.opened < subscription.closed_before());
        if disconnected {
            return Some(Closing::new(DisconnectReason::Disconnected, self.reconnect_after_ms()));
        }
        if self.expiry.at().is_some_and(|at| at <= Instant::now()) {
            return Some(Closing::new(DisconnectReason::TokenExpired, self.reconnect_after_ms()));
        }
        let aged = self.ends.is_some_and(|ends| ends <= Instant::now());
        aged.then(|| Closing::new(DisconnectReason::MaxAge, self.reconnect_after_ms()))
    }

    fn reconnect_after_ms(&self) -> u64 {
        (self.hub.options.retry + jitter(self.hub.options.retry_jitter)).as_millis() as u64
    }

    fn close(&mut self, closing: Closing) -> Bytes {
        self.state = State::Closed;
        self.hub.counters.disconnected(closing.reason);
        self.wire.closing(&closing)
    }

    fn marks(&self) -> Marks {
        self.subscriptions.iter().map(|subscription| subscription.mark(self.opened)).collect()
    }

    /// The preamble, once every channel has a place to stand or has been waited for.
    fn open(&mut self) -> Option<Bytes> {
        for subscription in &mut self.subscriptions {
            subscription.open();
        }
        let waited = self.started + self.hub.options.open_wait <= Instant::now();
        if !waited && self.subscriptions.iter().any(Subscription::is_opening) {
            return None;
        }
        self.state = State::Open;
        self.told = self.marks();
        for subscription in &mut self.subscriptions {
            subscription.stand_since(self.opened);
        }
        let cursor = self.cursors.text(&self.told, clock::now);
        Some(self.wire.opened(&Opening {
            connection: &self.connection,
            replica: &self.hub.replica.load(),
            set: self.cursors.set(),
            cursor: &cursor,
            retry_ms: self.reconnect_after_ms(),
        }))
    }

    /// What there is to write now, up to a chunk: an empty one where there was something and nothing of it is wanted.
    fn pull(&mut self) -> Result<Pulled, Closing> {
        let mut overflowed = false;
        let mut more = false;
        let mut writer =
            Writer::new(&self.hub.counters, &mut self.cursors, &self.wire, (self.format, self.named), &mut self.told);
        let (first, count) = (self.first, self.subscriptions.len());
        'subscriptions: for index in (first..count).chain(0..first) {
            for round in 1.. {
                let room = CHUNK.saturating_sub(writer.len());
                if room == 0 {
                    // More than a chunk: the rest waits for the next poll, which follows as soon as this one is written, and is
                    // first in it. A busy channel keeps no other from a slow client.
                    self.first = index;
                    break 'subscriptions;
                }
                let written = writer.len();
                let subscription = &mut self.subscriptions[index];
                let pulled = subscription.pull(&self.hub, &self.signal, room, &mut writer);
                if pulled == Pull::Overflowed {
                    overflowed = true;
                    break 'subscriptions;
                }
                writer.write(index, &subscription.interest);
                // What was written has the next poll follow by itself.
                if pulled == Pull::Done || writer.len() > written {
                    break;
                }
                if round == ROUNDS {
                    more = true;
                    break;
                }
            }
        }
        let passed_over = writer.passed_over;
        let chunk = writer.finish();
        if overflowed {
            return Err(Closing::new(DisconnectReason::Overflow, self.reconnect_after_ms()));
        }
        Ok(match chunk {
            Some(chunk) => Pulled::Chunk(chunk),
            None if more => Pulled::More,
            None if passed_over => Pulled::PassedOver,
            None => Pulled::Nothing,
        })
    }

    /// A sign of life, and where marks have moved on without an event, the cursor that says so.
    fn heartbeat(&mut self) -> Bytes {
        self.last_write = Instant::now();
        let marks = self.marks();
        if marks == self.told && !self.cursors.are_stale(clock::now) {
            return self.wire.heartbeat();
        }
        self.told = marks;
        self.wire.cursor(&self.cursors.text(&self.told, clock::now), (self.format, self.named))
    }

    /// When the client is to be told that its right to be open ends, if it hasn't been.
    fn tells_expiry(&self) -> Option<Instant> {
        match self.expiry {
            Expiry::At(at) if !self.hub.options.expiring.is_zero() => {
                Some(at.checked_sub(self.hub.options.expiring).unwrap_or(self.started))
            }
            _ => None,
        }
    }

    fn expiring(&mut self, at: Instant) -> Bytes {
        self.expiry = Expiry::Told(at);
        let expires_in_ms = at.saturating_duration_since(Instant::now()).as_millis() as u64;
        self.wire.expiring(expires_in_ms)
    }

    /// Arms the timer for whatever is due next; ready at once if something already is.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = match self.state {
            State::Opening => self.started + self.hub.options.open_wait,
            _ => self.last_write + self.hub.options.heartbeat,
        };
        let told = if self.state == State::Open { self.tells_expiry() } else { None };
        let due = [self.ends, self.expiry.at(), told].into_iter().flatten().fold(due, Instant::min);
        // Re-arming costs more than a poll: a timer that is early is only looked at again.
        if self.timer.deadline() > due {
            self.timer.as_mut().reset(due);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.state == State::Closed {
            return Poll::Ready(None);
        }
        self.signal.register(cx.waker());
        loop {
            if let Some(closing) = self.closing() {
                return Poll::Ready(Some(self.close(closing)));
            }
            if self.state == State::Opening {
                if let Some(preamble) = self.open() {
                    return Poll::Ready(Some(preamble));
                }
            } else {
                match self.pull() {
                    Ok(Pulled::Chunk(chunk)) => return Poll::Ready(Some(chunk)),
                    // Whoever carries the stream is to know that it wasn't woken for nothing.
                    Ok(Pulled::PassedOver) => return Poll::Ready(Some(Bytes::new())),
                    Ok(Pulled::More) => cx.waker().wake_by_ref(),
                    Ok(Pulled::Nothing) => {}
                    Err(closing) => return Poll::Ready(Some(self.close(closing))),
                }
            }
            if self.state == State::Open
                && let Expiry::At(at) = self.expiry
                && self.tells_expiry().is_some_and(|tells| tells <= Instant::now())
            {
                return Poll::Ready(Some(self.expiring(at)));
            }
            ready!(self.poll_timer(cx));
            if self.state == State::Open && self.last_write + self.hub.options.heartbeat <= Instant::now() {
                return Poll::Ready(Some(self.heartbeat()));
            }
        }
    }
}

fn jitter(most: Duration) -> Duration {
    most.mul_f64(rand::random_range(0.0..=1.0))
}

impl futures_util::Stream for Stream {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        let chunk = ready!(this.poll_chunk(cx));
        if let Some(chunk) = chunk.as_ref().filter(|chunk| !chunk.is_empty()) {
            this.last_write = Instant::now();
            this.hub.counters.delivered_bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(chunk)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        for subscription in &mut self.subscriptions {
            subscription.leave();
        }
    }
}
