//! What reaches into a stream from elsewhere: a wake-up, and the order to close.

use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;

use events_gateway_core::disconnect::Closing;
use futures_util::task::AtomicWaker;

/// Shared by a stream and everything that wakes it.
#[derive(Debug, Default)]
pub struct Signal {
    waker: AtomicWaker,
    closing: OnceLock<Closing>,
}

impl Signal {
    /// Who is to be woken.
    pub fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// The order to close, once it was given.
    #[must_use]
    pub fn closing(&self) -> Option<Closing> {
        self.closing.get().copied()
    }
}

/// A stream's remote control: closes it from elsewhere (drain, an operator). Cheap to clone; holding it doesn't keep the
/// stream open.
#[derive(Debug, Clone)]
pub struct StreamHandle(Weak<Signal>);

impl StreamHandle {
    /// Of what looks at this signal.
    #[must_use]
    pub fn new(signal: &Arc<Signal>) -> Self {
        Self(Arc::downgrade(signal))
    }

    /// Ends the stream with a `gateway.closing`. The first call counts.
    pub fn close(&self, closing: Closing) {
        if let Some(signal) = self.0.upgrade() {
            let _ = signal.closing.set(closing);
            signal.wake();
        }
    }
}
