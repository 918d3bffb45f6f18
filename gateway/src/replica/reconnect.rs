//! When clients whose streams are ended are to come back.

use std::time::Duration;

use events_gateway_core::disconnect::{Closing, DisconnectReason};

/// A time, and what is laid over it by chance: those who are ended together don't come back together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reconnect {
    /// At least.
    pub after: Duration,
    /// At most so much later.
    pub jitter: Duration,
}

impl Reconnect {
    /// What a stream is ended with.
    #[must_use]
    pub fn closing(&self, reason: DisconnectReason) -> Closing {
        let wait = self.after + self.jitter.mul_f64(rand::random_range(0.0..=1.0));
        Closing::new(reason, wait.as_millis() as u64)
    }
}
