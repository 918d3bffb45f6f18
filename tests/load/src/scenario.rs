//! The measurements. Each starts what it needs, is bounded in time, and gives figures.

#[cfg(feature = "gateway")]
pub mod beside;
pub mod fan_out;
#[cfg(feature = "gateway")]
pub mod filters;
#[cfg(feature = "gateway")]
pub mod identity;
#[cfg(feature = "gateway")]
pub mod idle;
#[cfg(feature = "gateway")]
pub mod ingest;
#[cfg(feature = "gateway")]
pub mod latency;
#[cfg(feature = "gateway")]
pub mod outage;
#[cfg(feature = "gateway")]
pub mod resume;
#[cfg(feature = "gateway")]
pub mod run;
pub mod turn;

use std::time::Duration;

/// How long all clients of a scenario may take to be connected.
pub(crate) const OPENING_BOUND: Duration = Duration::from_secs(60);

/// How long and how often to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Turns of each server in comparisons, and repetitions elsewhere.
    pub rounds: u32,
    /// How long each turn measures.
    pub window: Duration,
}

/// Tells the one who waits how far it is.
pub(crate) fn progress(text: &str) {
    eprintln!("load: {text}");
}
