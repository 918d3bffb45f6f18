//! How a replica hands over.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, MINUTE, SECOND};
use crate::rule::{Rule, rule};

const RULES: &[Rule] = &[rule("duration(self.settle) < duration(self.timeout)", "settle must be less than timeout")];

/// How a replica hands over when it is told to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Drain {
    /// How long it may take in all; what is open then is closed at once. Stay below the pod's grace period.
    pub timeout: Duration<SECOND, { 60 * MINUTE }>,
    /// How long open streams are left alone after readiness fails, until load balancers have noticed: before, their clients
    /// would come back to this replica. A kubelet takes up to 4 s. New streams are refused, retryably, at once.
    pub settle: Duration<0, { 5 * MINUTE }>,
    /// How many streams are closed in a second, by all draining replicas together.
    #[schemars(range(min = 1, max = 100_000))]
    pub closes_per_second: i32,
    /// Over how long the clients of closed streams are told to spread their return.
    pub reconnect_spread: Duration<0, { 10 * MINUTE }>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            timeout: Duration::millis(30 * SECOND),
            settle: Duration::millis(5 * SECOND),
            closes_per_second: 500,
            reconnect_spread: Duration::millis(5 * SECOND),
        }
    }
}
