//! What the operator sees to in the topics.

use events_gateway_crds::rule::{Rule, rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const RULES: &[Rule] = &[rule(
    "self.mode != 'Manage' || (has(self.partitions) && has(self.replicationFactor))",
    "partitions and replicationFactor are required with mode Manage",
)];

/// What the operator sees to in the topics of `kafka.bindings`, `kafka.deadLetters` and `identity.revocation`. It never deletes
/// one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Topics {
    /// How far it goes.
    pub mode: TopicMode,
    /// How many partitions a topic has at least; with mode `Manage` they are added, and never taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: Option<i32>,
    /// How many copies a topic that is created has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub replication_factor: Option<i32>,
}

/// How far the operator goes with topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum TopicMode {
    /// It looks whether they are there and have enough partitions, and tells.
    #[default]
    Verify,
    /// It creates those that are missing and adds partitions.
    Manage,
    /// It doesn't look.
    Ignore,
}
