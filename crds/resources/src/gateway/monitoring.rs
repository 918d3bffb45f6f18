//! What the Prometheus operator is told.

use events_gateway_crds::duration::{Duration, HOUR, SECOND};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metadata::Metadata;

/// What the Prometheus operator is told, where it is installed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Monitoring {
    /// Which endpoints have metrics.
    pub service_monitor: ServiceMonitor,
    /// What is worth an alert.
    pub prometheus_rule: PrometheusRule,
}

/// A ServiceMonitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceMonitor {
    /// Whether there is one.
    pub enabled: bool,
    /// How often metrics are fetched.
    pub interval: Duration<SECOND, HOUR>,
    /// Labels and annotations: Prometheus selects by them.
    pub metadata: Metadata,
}

impl Default for ServiceMonitor {
    fn default() -> Self {
        Self { enabled: false, interval: Duration::millis(30 * SECOND), metadata: Metadata::default() }
    }
}

/// A PrometheusRule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PrometheusRule {
    /// Whether there is one.
    pub enabled: bool,
    /// Waiting records above which an alert is raised.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_i64))]
    pub lag: i64,
    /// Labels and annotations: Prometheus selects by them.
    pub metadata: Metadata,
}

impl Default for PrometheusRule {
    fn default() -> Self {
        Self { enabled: false, lag: 10_000, metadata: Metadata::default() }
    }
}
