//! What the operator tells of a gateway.

use events_gateway_crds::text::{Identifier, Label, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::text::{ImageReference, ObjectName, Reason, Sentence, Timestamp};

/// What the operator tells of a gateway.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EventsGatewayStatus {
    /// The generation of the spec that all this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub observed_generation: Option<i64>,
    /// How many replicas are wanted now: neither surge nor those that end count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000))]
    pub replicas: Option<i32>,
    /// How many replicas are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub ready_replicas: Option<i32>,
    /// How many replicas run what is wanted now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub updated_replicas: Option<i32>,
    /// Selector of the pods, for autoscalers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Sentence>,
    /// The image that the replicas run where the spec names none: it doesn't change with the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReference>,
    /// Open connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Connections>,
    /// Records that wait in Kafka, over all bindings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub lag: Option<i64>,
    /// The protocol that the consumer groups speak: `consumer` or `classic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Label>,
    /// The consumer groups, one for each binding.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["binding"])
    )]
    pub groups: Vec<Group>,
    /// Replicas that drain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 100),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["pod"])
    )]
    pub draining: Vec<Draining>,
    /// Where clients reach it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub endpoints: Vec<Url>,
    /// Its state, aspect by aspect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// Open connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connections {
    /// Of all replicas.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub total: i64,
    /// Of the replica that has most.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_per_replica: i32,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// The binding that it reads for.
    pub binding: Label,
    /// Its id.
    pub group_id: Identifier,
    /// Kafka's word for its state. Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Reason>,
    /// How many members it has. Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub members: Option<i32>,
    /// How many partitions its topics have: more members than that have nothing to do. Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub partitions: Option<i32>,
    /// How many records wait for it: what the replicas have not appended yet, or, while they don't have all partitions, what
    /// isn't committed. Absent: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub lag: Option<i64>,
    /// What of its settings and topics isn't as the spec wants it, and couldn't be or isn't to be put right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub drift: Vec<Sentence>,
}

/// A replica that drains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Draining {
    /// Its pod.
    pub pod: ObjectName,
    /// Connections that are still open.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub connections: i32,
    /// When it began.
    pub since: Timestamp,
}
