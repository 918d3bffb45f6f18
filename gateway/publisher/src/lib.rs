#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answer;
mod builder;
mod counters;
mod event;
mod queue;
mod sender;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use builder::{BuildError, Builder};
pub use counters::Counters;
pub use event::{Event, EventError};
use queue::Queue;

/// A queue of events and the thread that sends them. Share it by reference or in an `Arc`; one is enough for a process.
///
/// When it is dropped, what is still queued is given up: [`flush`](Self::flush) first.
#[derive(Debug)]
pub struct Publisher {
    queue: Arc<Queue>,
    max_event_bytes: usize,
    thread: Option<JoinHandle<()>>,
}

/// Why an event wasn't queued. It never will be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The gateway, or the network to it, doesn't keep up.
    #[error("the queue is full: {events} events, {bytes} bytes")]
    Full {
        /// How many events wait.
        events: usize,
        /// How many bytes they have.
        bytes: usize,
    },
    /// It is larger than the gateway could take.
    #[error("the event has {bytes} bytes, at most {most} are taken")]
    TooLarge {
        /// As JSON.
        bytes: usize,
        /// [`Builder::max_event_bytes`].
        most: usize,
    },
}

/// Some events are still queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} events are still queued")]
pub struct Unflushed(pub usize);

impl Publisher {
    /// One with the defaults, to a gateway at this URL, such as `http://events-gateway:8080`.
    ///
    /// # Errors
    /// See [`BuildError`]. Whether there is a gateway is found out with the first event.
    pub fn new(url: &str) -> Result<Self, BuildError> {
        Self::builder(url).build()
    }

    /// One to be set up.
    #[must_use]
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    fn start(sender: sender::Sender, queue: Arc<Queue>, max_event_bytes: usize) -> Result<Self, BuildError> {
        let thread = thread::Builder::new().name("events-gateway-publisher".into()).spawn(move || sender.run());
        Ok(Self { queue, max_event_bytes, thread: Some(thread.map_err(BuildError::Thread)?) })
    }

    /// Queues an event. Returns at once.
    ///
    /// # Errors
    /// When the queue is full, or the event too large. It is counted as given up.
    pub fn publish(&self, event: Event) -> Result<(), PublishError> {
        let text = event.into_json();
        let most = self.max_event_bytes;
        if text.len() > most {
            self.queue.counters.add_given_up(1);
            return Err(PublishError::TooLarge { bytes: text.len(), most });
        }
        self.queue.put(text)
    }

    /// Waits until everything that was queued before is taken or given up.
    ///
    /// # Errors
    /// When that took longer; sending goes on.
    pub fn flush(&self, patience: Duration) -> Result<(), Unflushed> {
        self.queue.flush(patience)
    }

    /// What became of the events so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.queue.counters()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.queue.close();
        // It ends after the request that is on its way, which the request's timeout bounds; nobody waits for it.
        drop(self.thread.take());
    }
}

#[cfg(test)]
mod tests;
