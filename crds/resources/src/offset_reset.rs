//! `EventsGatewayOffsetReset`: consumer groups of a gateway begin elsewhere, once.

pub mod status;

use events_gateway_crds::duration::Duration;
use events_gateway_crds::duration::HOUR;
use events_gateway_crds::rule::{Rule, rule};
use events_gateway_crds::text::{Label, Topic};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{ObjectName, Timestamp};
pub use status::EventsGatewayOffsetResetStatus;

const SPEC_RULES: &[Rule] =
    &[rule("self == oldSelf", "an offset reset can't be changed: delete it and create another one")];

/// Which groups begin where.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "eventsgateway.dev",
    version = "v1alpha1",
    kind = "EventsGatewayOffsetReset",
    singular = "eventsgatewayoffsetreset",
    plural = "eventsgatewayoffsetresets",
    shortname = "egwreset",
    namespaced,
    status = "EventsGatewayOffsetResetStatus",
    derive = "PartialEq",
    schema = "disabled",
    printcolumn(
        name = "Gateway",
        type_ = "string",
        description = "The gateway whose groups are reset.",
        json_path = ".spec.gateway"
    ),
    printcolumn(
        name = "To",
        type_ = "string",
        description = "Where the groups begin.",
        json_path = ".spec.to.position"
    ),
    printcolumn(name = "Phase", type_ = "string", description = "How far it is.", json_path = ".status.phase"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "DryRun",
        type_ = "boolean",
        description = "Whether it only tells what it would do.",
        json_path = ".spec.dryRun",
        priority = 1
    ),
    printcolumn(
        name = "Records",
        type_ = "integer",
        description = "How many records come again; less than 0: how many are passed over.",
        json_path = ".status.records",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = SPEC_RULES))]
pub struct EventsGatewayOffsetResetSpec {
    /// Name of the EventsGateway, in the same namespace.
    pub gateway: ObjectName,
    /// Which of its bindings. Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub bindings: Vec<Label>,
    /// Where their groups begin.
    pub to: Target,
    /// Whether it only tells in its status what it would do.
    #[serde(default)]
    pub dry_run: bool,
}

const TARGET_RULES: &[Rule] = &[
    rule("(self.position == 'Time') == has(self.time)", "time is required with position Time, and goes only with it"),
    rule("(self.position == 'Ago') == has(self.ago)", "ago is required with position Ago, and goes only with it"),
    rule(
        "(self.position == 'Offsets') == has(self.offsets)",
        "offsets are required with position Offsets, and go only with it",
    ),
];

/// Where groups begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = TARGET_RULES))]
pub struct Target {
    /// How the place is named.
    pub position: Position,
    /// At the first record that isn't older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// At the first record younger than this, counted from when the reset is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ago: Option<Duration<1, { 24 * 365 * HOUR }>>,
    /// At these. Partitions that aren't named stay where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 4_096),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["topic", "partition"])
    )]
    pub offsets: Option<Vec<PartitionOffset>>,
}

/// How a place is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Position {
    /// The oldest record.
    Earliest,
    /// After the newest record.
    Latest,
    /// By `time`.
    Time,
    /// By `ago`.
    Ago,
    /// By `offsets`.
    Offsets,
}

/// A place in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionOffset {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    #[schemars(range(min = 0, max = 100_000))]
    pub partition: i32,
    /// The offset of the record that is read first.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    pub offset: i64,
}
