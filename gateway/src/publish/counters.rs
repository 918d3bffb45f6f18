//! What publishing counts; the metrics module exports it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets of how long Kafka took, in ms; one more bucket holds what is slower.
pub const TOOK_BOUNDS_MS: [u64; 11] = [1, 2, 5, 10, 25, 50, 100, 250, 1_000, 5_000, 30_000];

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Kafka has it.
    Taken,
    /// It could not be delivered.
    Invalid,
    /// Its publisher has no right to.
    Denied,
    /// Its key was used for another one.
    KeyReused,
    /// Its publisher was too fast.
    Limited,
    /// Kafka didn't say that it has it.
    Unavailable,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Taken, Self::Invalid, Self::Denied, Self::KeyReused, Self::Limited, Self::Unavailable];

    /// The metrics' label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::KeyReused => "key-reused",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Totals since the start of this replica.
#[derive(Debug, Default)]
pub struct Counters {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    took: [AtomicU64; TOOK_BOUNDS_MS.len() + 1],
    took_sum_micros: AtomicU64,
}

impl Counters {
    pub(super) fn add(&self, outcome: Outcome, events: usize) {
        self.outcomes[outcome as usize].fetch_add(events as u64, Ordering::Relaxed);
    }

    pub(super) fn took(&self, time: Duration) {
        let bucket = TOOK_BOUNDS_MS.partition_point(|bound| u128::from(*bound) * 1_000 < time.as_micros());
        self.took[bucket].fetch_add(1, Ordering::Relaxed);
        self.took_sum_micros.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }

    /// Events by what became of them.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(&self.outcomes).map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }

    /// Requests that Kafka took something of by how long all of it took, in the order of [`TOOK_BOUNDS_MS`], not cumulative;
    /// and the sum of these times in seconds.
    #[must_use]
    pub fn times(&self) -> (Vec<u64>, f64) {
        let sum = self.took_sum_micros.load(Ordering::Relaxed) as f64 / 1e6;
        (self.took.iter().map(|count| count.load(Ordering::Relaxed)).collect(), sum)
    }
}
