//! How much a replica does lately: sampled once a second, told to the others in its lease.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Replica;
use crate::backlog::Rates;
use crate::hub::{Hub, LATENCY_BOUNDS_MS};
use crate::publish::counters::{Counters, Outcome};

/// Between two samples.
const EVERY: Duration = Duration::from_secs(1);
/// Over how many samples rates are told, and latencies.
const RATES_OVER: usize = 10;
const LATENCY_OVER: usize = 60;

/// Samples of the last minute.
pub struct Pulse {
    hub: Arc<Hub>,
    published: Arc<Counters>,
    samples: Mutex<VecDeque<Sample>>,
}

/// Totals at one moment.
#[derive(Debug, Clone)]
struct Sample {
    at: Instant,
    delivered: u64,
    published: u64,
    latency: [u64; LATENCY_BOUNDS_MS.len() + 1],
}

/// How long deliveries took, in ms: not longer than this, of half and of 99 % of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Latency {
    /// Half.
    pub p50: u64,
    /// Nearly all.
    pub p99: u64,
}

impl Pulse {
    /// Takes no samples before [`Pulse::beat`] runs.
    #[must_use]
    pub fn new(hub: Arc<Hub>, published: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self { hub, published, samples: Mutex::default() })
    }

    /// Samples for ever, and keeps the replica's rates up.
    pub async fn beat(self: Arc<Self>, replica: Arc<Replica>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let mut samples = self.samples.lock();
            samples.push_back(self.sample());
            if samples.len() > LATENCY_OVER + 1 {
                samples.pop_front();
            }
            drop(samples);
            replica.set_rates(self.rates());
        }
    }

    fn sample(&self) -> Sample {
        let counters = self.hub.counters();
        let published = self.published.outcomes().find(|(outcome, _)| *outcome == Outcome::Taken);
        Sample {
            at: Instant::now(),
            delivered: counters.delivered.load(Ordering::Relaxed),
            published: published.map_or(0, |(_, count)| count),
            latency: std::array::from_fn(|at| counters.latency[at].load(Ordering::Relaxed)),
        }
    }

    /// Over the last 10 s.
    #[must_use]
    pub fn rates(&self) -> Rates {
        let samples = self.samples.lock();
        let Some((first, last)) = ends(&samples, RATES_OVER) else { return Rates::default() };
        let seconds = last.at.duration_since(first.at).as_secs_f64().max(EVERY.as_secs_f64());
        let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / seconds).round() as u64;
        Rates { delivered: rate(last.delivered, first.delivered), published: rate(last.published, first.published) }
    }

    /// Over the last minute; `None`: nothing was delivered.
    #[must_use]
    pub fn latency(&self) -> Option<Latency> {
        let samples = self.samples.lock();
        let (first, last) = ends(&samples, LATENCY_OVER)?;
        let counts: Vec<u64> = last.latency.iter().zip(first.latency).map(|(now, then)| now - then).collect();
        Some(Latency { p50: quantile(&counts, 0.5)?, p99: quantile(&counts, 0.99)? })
    }
}

/// The last sample, and the one so many before it, or the first there is.
fn ends(samples: &VecDeque<Sample>, over: usize) -> Option<(&Sample, &Sample)> {
    let last = samples.back()?;
    let first = samples.get(samples.len().saturating_sub(over + 1))?;
    (samples.len() > 1).then_some((first, last))
}

/// The upper bound of the bucket in which a quantile lies; of the last bucket, which has none, its lower one.
fn quantile(counts: &[u64], quantile: f64) -> Option<u64> {
    let total: u64 = counts.iter().sum();
    let wanted = (total as f64 * quantile).ceil() as u64;
    let mut seen = 0;
    let bucket = counts.iter().position(|count| {
        seen += count;
        total > 0 && seen >= wanted
    })?;
    LATENCY_BOUNDS_MS.get(bucket).or(LATENCY_BOUNDS_MS.last()).copied()
}

impl std::fmt::Debug for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pulse").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let mut counts = [0; LATENCY_BOUNDS_MS.len() + 1];
        assert_eq!(quantile(&counts, 0.5), None);
        counts[0] = 98;
        counts[3] = 1;
        counts[6] = 1;
        assert_eq!(
            (quantile(&counts, 0.5), quantile(&counts, 0.99), quantile(&counts, 1.0)),
            (Some(1), Some(10), Some(100))
        );
        counts[LATENCY_BOUNDS_MS.len()] = 10_000;
        assert_eq!(quantile(&counts, 0.5), Some(600_000));
    }

    #[test]
    fn rates_and_latencies_are_those_of_their_time() {
        let began = Instant::now();
        let sample = |second: u64| {
            let mut latency = [0; LATENCY_BOUNDS_MS.len() + 1];
            latency[1] = second * 100;
            Sample { at: began + EVERY * second as u32, delivered: second * second, published: second, latency }
        };
        let samples: VecDeque<Sample> = (0..=30).map(sample).collect();
        let (first, last) = ends(&samples, RATES_OVER).unwrap();
        assert_eq!((first.delivered, last.delivered), (400, 900));
        assert_eq!(ends(&samples, LATENCY_OVER).unwrap().0.delivered, 0, "as far as there are samples");
        assert!(ends(&samples.iter().take(1).cloned().collect(), RATES_OVER).is_none());
    }
}
