//! How many replicas may be evicted at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The PodDisruptionBudget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DisruptionBudget {
    /// Whether there is one.
    pub enabled: bool,
    /// How many replicas may be away at a time.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_unavailable: i32,
}

impl Default for DisruptionBudget {
    fn default() -> Self {
        Self { enabled: true, max_unavailable: 1 }
    }
}
