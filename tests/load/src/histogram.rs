//! Counts durations so finely that a percentile is right within 1.6 %, in a fixed 15 kB.

use serde::Serialize;

/// Buckets of one power of two.
const STEPS: usize = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Up to 2^35 µs, nine hours; longer counts as that.
const POWERS: usize = 30;

/// Durations in microseconds, by how often they occurred.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    greatest: u64,
}

/// What a histogram says, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// 999 of 1,000 are at most this.
    pub p999: f64,
    /// None is longer.
    pub greatest: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; STEPS * POWERS], total: 0, greatest: 0 }
    }
}

impl Histogram {
    /// Counts one duration, in microseconds.
    pub fn record(&mut self, micros: u64) {
        let bucket = bucket(micros).min(self.counts.len() - 1);
        self.counts[bucket] += 1;
        self.total += 1;
        self.greatest = self.greatest.max(micros);
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The duration in microseconds that `share` (0 to 1) of all don't exceed; 0 when nothing was counted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = (share * self.total as f64).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return upper_end(bucket).min(self.greatest);
            }
        }
        self.greatest
    }

    /// The usual ones.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        let millis = |micros: u64| micros as f64 / 1_000.0;
        Percentiles {
            p50: millis(self.quantile(0.5)),
            p99: millis(self.quantile(0.99)),
            p999: millis(self.quantile(0.999)),
            greatest: millis(self.greatest),
        }
    }
}

/// Values below [`STEPS`] have a bucket each; above, each power of two is cut into [`STEPS`] buckets of equal width.
fn bucket(value: u64) -> usize {
    if value < STEPS as u64 {
        return value as usize;
    }
    let power = 63 - value.leading_zeros();
    let shift = power - STEP_BITS;
    let step = (value >> shift) as usize - STEPS;
    (shift as usize + 1) * STEPS + step
}

fn upper_end(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    let step = (bucket % STEPS + STEPS) as u64;
    ((step + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_within_the_promised_error() {
        for value in (0..2_000).chain((0..30).map(|power| (1 << power) + 12_345)) {
            let end = upper_end(bucket(value));
            assert!(end >= value, "{value} is above {end}");
            assert!((end - value) as f64 <= value as f64 * 0.016, "{value} is far from {end}");
        }
    }

    #[test]
    fn quantiles_of_a_known_series_are_found() {
        let mut histogram = Histogram::default();
        for value in 1..=10_000 {
            histogram.record(value);
        }
        for (share, exact) in [(0.5, 5_000_f64), (0.99, 9_900.0), (0.999, 9_990.0), (1.0, 10_000.0)] {
            let found = histogram.quantile(share) as f64;
            assert!((found - exact).abs() <= exact * 0.016, "{share}: {found}");
        }
        assert_eq!(Histogram::default().quantile(0.5), 0);
    }

    #[test]
    fn a_duration_beyond_the_range_counts_as_the_longest() {
        let mut histogram = Histogram::default();
        histogram.record(u64::MAX);
        assert_eq!(histogram.total(), 1);
        assert!(histogram.quantile(0.5) > 1 << 34);
    }
}
