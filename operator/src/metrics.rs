//! What the operator counts. `docs/operator-metrics.md` is made of the table here.

use std::time::Duration;

use prometheus::{
    Encoder as _, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// All metrics: name, kind, labels, meaning.
pub(crate) const TABLE: [(&str, &str, &[&str], &str); 9] = [
    (
        "reconciles_total",
        "counter",
        &["kind", "result"],
        "Passes over a resource, by how they ended: ok, invalid, failed.",
    ),
    ("reconcile_duration_seconds", "histogram", &["kind"], "How long a pass took."),
    ("errors_total", "counter", &["category"], "Failures, by category."),
    ("queue", "gauge", &["kind"], "Resources that wait for a pass."),
    ("leader", "gauge", &[], "1 while this operator acts, 0 while another does."),
    (
        "last_success_timestamp_seconds",
        "gauge",
        &["namespace", "name"],
        "When the last pass over a gateway succeeded, in seconds since 1970.",
    ),
    (
        "resources",
        "gauge",
        &["ready"],
        "Gateways that are ready (`true`), and that are not (`false`), as their statuses said last.",
    ),
    ("writes_total", "counter", &["kind"], "Objects of gateways that were written."),
    ("start_time_seconds", "gauge", &[], "When the operator started, in seconds since 1970."),
];

const PREFIX: &str = "events_gateway_operator";

/// What the operator counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) reconciles: IntCounterVec,
    pub(crate) duration: HistogramVec,
    pub(crate) errors: IntCounterVec,
    pub(crate) queue: IntGaugeVec,
    pub(crate) leader: IntGauge,
    pub(crate) last_success: GaugeVec,
    pub(crate) resources: IntGaugeVec,
    pub(crate) writes: IntCounterVec,
}

fn row(name: &str) -> (Opts, &'static [&'static str]) {
    // Every name below is in the table: the first test that makes one finds it missing.
    let (name, _, labels, help) = TABLE.iter().find(|row| row.0 == name).expect("the metric is in the table");
    (Opts::new(*name, *help).namespace(PREFIX), labels)
}

impl Metrics {
    /// All at nought.
    ///
    /// # Errors
    /// Only with a name that is no metric's: the first test finds it.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name| {
            let (options, labels) = row(name);
            let vector = IntCounterVec::new(options, labels)?;
            registry.register(Box::new(vector.clone()))?;
            prometheus::Result::Ok(vector)
        };
        let gauge = |name| {
            let (options, labels) = row(name);
            let vector = IntGaugeVec::new(options, labels)?;
            registry.register(Box::new(vector.clone()))?;
            prometheus::Result::Ok(vector)
        };
        let (options, labels) = row("reconcile_duration_seconds");
        let options =
            HistogramOpts::from(options).buckets(vec![0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
        let duration = HistogramVec::new(options, labels)?;
        registry.register(Box::new(duration.clone()))?;
        let (options, labels) = row("last_success_timestamp_seconds");
        let last_success = GaugeVec::new(options, labels)?;
        registry.register(Box::new(last_success.clone()))?;
        let leader = IntGauge::with_opts(row("leader").0)?;
        registry.register(Box::new(leader.clone()))?;
        let started = Gauge::with_opts(row("start_time_seconds").0)?;
        started.set(now());
        registry.register(Box::new(started))?;
        Ok(Self {
            reconciles: counter("reconciles_total")?,
            duration,
            errors: counter("errors_total")?,
            queue: gauge("queue")?,
            leader,
            last_success,
            resources: gauge("resources")?,
            writes: counter("writes_total")?,
            registry,
        })
    }

    /// Notes how a pass over a resource ended.
    pub(crate) fn passed(&self, kind: &str, result: &str, took: Duration) {
        self.reconciles.with_label_values(&[kind, result]).inc();
        self.duration.with_label_values(&[kind]).observe(took.as_secs_f64());
    }

    /// Prometheus' text format.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Into memory, of metrics whose names were checked: nothing here can fail.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        text
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64()
}

/// The page that lists them.
pub(crate) fn page() -> String {
    let mut text = String::from(
        "# Metrics of the operator\n\nWhat `GET /metrics` of the operator's admin port tells, in Prometheus' text format. \
         Generated from\n`operator/src/metrics.rs`.\n\n| name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for (name, kind, labels, meaning) in TABLE {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        text.push_str(&format!("| `{PREFIX}_{name}` | {kind} | {} | {meaning} |\n", labels.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_table_is_told() {
        let metrics = Metrics::new().unwrap();
        metrics.passed("EventsGateway", "ok", Duration::from_millis(3));
        metrics.errors.with_label_values(&["api"]).inc();
        metrics.queue.with_label_values(&["EventsGateway"]).set(0);
        metrics.last_success.with_label_values(&["shop", "events"]).set(1.0);
        metrics.resources.with_label_values(&["True"]).set(1);
        metrics.writes.with_label_values(&["Service"]).inc();
        let text = String::from_utf8(metrics.text()).unwrap();
        for (name, kind, ..) in TABLE {
            assert!(text.contains(&format!("# TYPE {PREFIX}_{name} {kind}\n")), "{name}: {text}");
        }
    }

    #[test]
    fn the_page_in_the_repository_is_made_from_the_table() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operator-metrics.md");
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page(), "docs/operator-metrics.md differs from the code: run make generate");
    }
}
