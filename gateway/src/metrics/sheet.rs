//! The samples of one scrape.

use std::collections::BTreeMap;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::table::{Description, Type};

/// Collects samples by family.
#[derive(Debug, Default)]
pub struct Sheet(BTreeMap<&'static str, MetricFamily>);

impl Sheet {
    /// Adds the value of a counter or gauge; `labels` are the values of the description's labels, in its order.
    pub fn put(&mut self, what: &'static Description, labels: &[&str], value: f64) {
        let mut metric = labelled(what, labels);
        match what.kind {
            Type::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Type::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
            Type::Histogram => {
                debug_assert!(false, "{} is a histogram", what.name);
                return;
            }
        }
        self.family(what).mut_metric().push(metric);
    }

    /// Adds a whole number.
    pub fn count(&mut self, what: &'static Description, labels: &[&str], value: u64) {
        // Exact up to 2^53; beyond, a counter of events needs 285 years at a million a second.
        self.put(what, labels, value as f64);
    }

    /// Adds a histogram: (upper bound, how many lie in this bucket alone), ascending, the last bound infinite; `sum` in the
    /// unit of the bounds.
    pub fn histogram(&mut self, what: &'static Description, buckets: impl Iterator<Item = (f64, u64)>, sum: f64) {
        let mut histogram = Histogram::default();
        let mut total = 0;
        let buckets = buckets
            .filter_map(|(bound, count)| {
                total += count;
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(bound);
                bucket.set_cumulative_count(total);
                // The encoder writes the last one itself, from the sample count.
                bound.is_finite().then_some(bucket)
            })
            .collect();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(total);
        histogram.set_sample_sum(sum);
        let mut metric = labelled(what, &[]);
        metric.set_histogram(histogram);
        self.family(what).mut_metric().push(metric);
    }

    pub(super) fn families(self) -> Vec<MetricFamily> {
        self.0.into_values().collect()
    }

    fn family(&mut self, what: &'static Description) -> &mut MetricFamily {
        self.0.entry(what.name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(what.name.to_owned());
            family.set_help(what.help.to_owned());
            family.set_field_type(match what.kind {
                Type::Counter => MetricType::COUNTER,
                Type::Gauge => MetricType::GAUGE,
                Type::Histogram => MetricType::HISTOGRAM,
            });
            family
        })
    }
}

fn labelled(what: &Description, labels: &[&str]) -> Metric {
    debug_assert_eq!(what.labels.len(), labels.len(), "{}", what.name);
    let pairs = what
        .labels
        .iter()
        .zip(labels)
        .map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        })
        .collect();
    Metric::from_label(pairs)
}
