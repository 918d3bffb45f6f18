//! What the operator sees to in the consumer groups.

use events_gateway_crds::duration::{Duration, MINUTE, SECOND};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator sees to in the consumer groups of `kafka.bindings`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Consumption {
    /// Whether the replicas leave their consumer groups. Streams stay open.
    pub paused: bool,
    /// The group's own setting `consumer.session.timeout.ms`, with the protocol `consumer`. Absent: left as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_timeout: Option<Duration<SECOND, { 30 * MINUTE }>>,
    /// The group's own setting `consumer.heartbeat.interval.ms`, with the protocol `consumer`. Absent: left as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_interval: Option<Duration<SECOND, MINUTE>>,
}
