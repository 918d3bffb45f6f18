//! What waits to be sent.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::counters::Counts;
use crate::{Counters, PublishError, Unflushed};

/// How long the first event of a batch waits for others.
const LINGER: Duration = Duration::from_millis(5);

/// How much may wait, and go at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    pub(crate) batch_events: usize,
    pub(crate) batch_bytes: usize,
}

/// An event as JSON, and since when it is to be sent.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) text: String,
    pub(crate) since: Instant,
}

/// Events in the order of the calls.
#[derive(Debug)]
pub(crate) struct Queue {
    bounds: Bounds,
    waiting: Mutex<Waiting>,
    /// Something was put in, or it was closed.
    filled: Condvar,
    /// Something was taken by the gateway or given up.
    settled: Condvar,
    pub(crate) counters: Counts,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Queued>,
    /// Of all that isn't settled, what is on its way included.
    bytes: usize,
    count: usize,
    /// How many were ever put in, and how many of them settled: in the same order.
    put: u64,
    settled: u64,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            waiting: Mutex::default(),
            filled: Condvar::new(),
            settled: Condvar::new(),
            counters: Counts::default(),
        }
    }

    /// Nothing in a critical section panics; if something did, the queue would still be consistent.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, text: String) -> Result<(), PublishError> {
        let mut waiting = self.lock();
        let is_full = waiting.count >= self.bounds.events
            || (waiting.count > 0 && waiting.bytes + text.len() > self.bounds.bytes);
        if is_full {
            self.counters.add_given_up(1);
            return Err(PublishError::Full { events: waiting.count, bytes: waiting.bytes });
        }
        waiting.bytes += text.len();
        waiting.count += 1;
        waiting.put += 1;
        waiting.events.push_back(Queued { text, since: Instant::now() });
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// The next batch, as soon as there is one: at least an event, unless the queue was closed.
    pub(crate) fn take(&self) -> Option<Vec<Queued>> {
        let mut waiting = self.lock();
        while waiting.events.is_empty() && !waiting.closed {
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.events.len() < self.bounds.batch_events && !waiting.closed {
            let more = |waiting: &mut Waiting| waiting.events.len() < self.bounds.batch_events && !waiting.closed;
            let waited = self.filled.wait_timeout_while(waiting, LINGER, more);
            waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if waiting.closed {
            return None;
        }
        let (mut count, mut bytes) = (0, 0);
        for event in &waiting.events {
            bytes += event.text.len() + 1;
            if count == self.bounds.batch_events || (count > 0 && bytes > self.bounds.batch_bytes) {
                break;
            }
            count += 1;
        }
        Some(waiting.events.drain(..count).collect())
    }

    /// These are taken, or given up.
    pub(crate) fn settle(&self, events: usize, bytes: usize) {
        let mut waiting = self.lock();
        waiting.count -= events;
        waiting.bytes -= bytes;
        waiting.settled += events as u64;
        drop(waiting);
        self.settled.notify_all();
    }

    pub(crate) fn flush(&self, patience: Duration) -> Result<(), Unflushed> {
        let waiting = self.lock();
        let until = waiting.put;
        let unsettled = |waiting: &mut Waiting| waiting.settled < until && !waiting.closed;
        let waited = self.settled.wait_timeout_while(waiting, patience, unsettled);
        let waiting = waited.unwrap_or_else(PoisonError::into_inner).0;
        match usize::try_from(until.saturating_sub(waiting.settled)) {
            Ok(0) => Ok(()),
            left => Err(Unflushed(left.unwrap_or(usize::MAX))),
        }
    }

    /// Waits, or ends at once when the queue is closed, and says whether it is.
    pub(crate) fn sleep(&self, time: Duration) -> bool {
        let waited = self.filled.wait_timeout_while(self.lock(), time, |waiting| !waiting.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.settled.notify_all();
    }

    pub(crate) fn counters(&self) -> Counters {
        let queued = self.lock().count as u64;
        self.counters.read(queued)
    }
}
