//! What sets the number of replicas.

use events_gateway_crds::duration::{Duration, HOUR, MINUTE, SECOND};
use events_gateway_crds::rule::{Rule, rule};
use events_gateway_crds::text::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const RULES: &[Rule] = &[
    rule("self.minReplicas <= self.maxReplicas", "minReplicas must be at most maxReplicas"),
    rule(
        "self.type != 'KEDA' || has(self.keda)",
        "keda.prometheus is required with type KEDA: where it asks for numbers",
    ),
    rule("self.type == 'KEDA' || !has(self.keda)", "keda goes only with type KEDA"),
    rule("self.type == 'KEDA' || !has(self.lagPerReplica)", "lagPerReplica goes only with type KEDA"),
];

/// What sets the number of replicas. An autoscaler writes `spec.replicas` through the scale subresource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Autoscaling {
    /// Which autoscaler.
    #[serde(rename = "type")]
    pub kind: Autoscaler,
    /// Fewest replicas.
    #[schemars(range(min = 1, max = 1_000))]
    pub min_replicas: i32,
    /// Most replicas.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_replicas: i32,
    /// Open connections that a replica should have on average.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections_per_replica: i32,
    /// Waiting records that a replica should have on average; only with KEDA. Absent: lag doesn't scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub lag_per_replica: Option<i32>,
    /// How fast replicas are added.
    pub scale_up: Pace,
    /// How fast they are taken away; each is drained first.
    pub scale_down: Pace,
    /// What only KEDA needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keda: Option<Keda>,
}

impl Default for Autoscaling {
    fn default() -> Self {
        Self {
            kind: Autoscaler::None,
            min_replicas: 2,
            max_replicas: 10,
            connections_per_replica: 5_000,
            lag_per_replica: None,
            scale_up: Pace::default(),
            scale_down: Pace { stabilization: Duration::millis(5 * MINUTE), replicas: 1, ..Pace::default() },
            keda: None,
        }
    }
}

/// Which autoscaler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Autoscaler {
    /// None: people set `replicas`.
    #[default]
    None,
    /// A HorizontalPodAutoscaler, with a metric of the pods.
    #[serde(rename = "HPA")]
    Hpa,
    /// A ScaledObject of KEDA, with metrics from Prometheus.
    #[serde(rename = "KEDA")]
    Keda,
}

/// How fast the number of replicas changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Pace {
    /// For how long the numbers must have asked for it.
    pub stabilization: Duration<0, HOUR>,
    /// Most replicas changed in a period.
    #[schemars(range(min = 1, max = 1_000))]
    pub replicas: i32,
    /// The period.
    pub period: Duration<SECOND, { 30 * MINUTE }>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { stabilization: Duration::millis(0), replicas: 4, period: Duration::millis(MINUTE) }
    }
}

/// What only KEDA needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Keda {
    /// Where Prometheus answers queries.
    pub prometheus: Url,
    /// How often it is asked.
    #[serde(default = "Keda::polling")]
    pub polling: Duration<SECOND, HOUR>,
    /// Whether the count is held while a metric is missing, rather than taken for 0.
    #[serde(default = "Keda::hold")]
    pub hold_on_missing_metrics: bool,
}

impl Keda {
    fn polling() -> Duration<SECOND, HOUR> {
        Duration::millis(30 * SECOND)
    }

    fn hold() -> bool {
        true
    }
}
