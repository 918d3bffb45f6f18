//! How a change reaches the replicas.

use events_gateway_crds::rule::{Rule, rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const RULES: &[Rule] = &[rule(
    "self.maxSurge + self.maxUnavailable > 0",
    "maxSurge and maxUnavailable can't both be 0: no replica could ever be replaced",
)];

/// How a change reaches the replicas. Each that leaves drains first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Rollout {
    /// How many replicas may be there beyond the wanted number.
    #[schemars(range(min = 0, max = 1_000))]
    pub max_surge: i32,
    /// How many of the wanted number may be away.
    #[schemars(range(min = 0, max = 1_000))]
    pub max_unavailable: i32,
    /// How many seconds a new replica must have been ready before the next one is replaced.
    #[schemars(range(min = 0, max = 3_600))]
    pub min_ready_seconds: i32,
    /// Whether replicas are replaced when a Secret or ConfigMap that they read changes. A listener's certificate is read anew
    /// without.
    pub restart_on_secret_change: bool,
    /// How many replicas may drain at a time in a scale-down. Absent: as many as can close their streams within
    /// `drain.timeout`; never more than these, but one at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000))]
    pub drain_at_once: Option<i32>,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            max_surge: 1,
            max_unavailable: 0,
            min_ready_seconds: 5,
            restart_on_secret_change: true,
            drain_at_once: None,
        }
    }
}
