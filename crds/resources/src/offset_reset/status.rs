//! How far an offset reset is, and what it does.

use events_gateway_crds::text::{Label, Topic};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::text::{Sentence, Timestamp};

/// How far an offset reset is, and what it does. Each step stands here before it is done.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EventsGatewayOffsetResetStatus {
    /// The step that is being done, or the end.
    #[serde(skip_serializing_if = "Phase::is_pending")]
    pub phase: Phase,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// How many records come again, over all partitions; less than 0: how many are passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -9_007_199_254_740_991_i64, max = 9_007_199_254_740_991_i64))]
    pub records: Option<i64>,
    /// What is planned for each partition, and what became of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 4_096),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["topic", "partition"])
    )]
    pub partitions: Vec<PartitionPlan>,
    /// Its state, aspect by aspect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// A step of an offset reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// It waits: for the gateway, or for another reset of its groups.
    #[default]
    Pending,
    /// Replicas leave the groups, newcomers are kept out.
    Quiescing,
    /// What is to be set is found out and written down.
    Planning,
    /// Offsets are set.
    Setting,
    /// Replicas come back.
    Resuming,
    /// It is done.
    Succeeded,
    /// It can't be done; the conditions say why. Consumption goes on as before.
    Failed,
}

impl Phase {
    /// Whether nothing has been done yet.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        *self == Self::Pending
    }
}

/// What is planned for a partition, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionPlan {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    #[schemars(range(min = 0, max = 100_000))]
    pub partition: i32,
    /// The binding whose group reads it.
    pub binding: Label,
    /// The offset that was committed before. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub from: Option<i64>,
    /// The offset that is set.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub to: i64,
    /// Whether it is set.
    #[serde(default)]
    pub done: bool,
    /// Why it couldn't be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Sentence>,
}
