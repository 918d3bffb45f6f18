//! What is added to the pods. Security context, host access, service account, grace period and selectors are the operator's.

pub mod affinity;

use std::collections::BTreeMap;

use events_gateway_crds::duration::{Duration, HOUR, SECOND};
use events_gateway_crds::rule::{Rule, rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metadata::Metadata;
use crate::text::{LabelKey, LabelValue, ObjectName, Quantity};
pub use affinity::Affinity;

const TOLERATION_RULES: &[Rule] = &[
    rule("self.operator == 'Exists' || has(self.key)", "key is required with operator Equal"),
    rule("self.operator == 'Equal' || !has(self.value)", "value goes only with operator Equal"),
    rule("!has(self.lasting) || self.effect == 'NoExecute'", "lasting goes only with effect NoExecute"),
];

/// What is added to the pods.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    /// Labels and annotations.
    pub metadata: Metadata,
    /// What a replica is given and may use.
    pub resources: Resources,
    /// Labels of the nodes that it may run on. Empty: all.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub node_selector: BTreeMap<String, LabelValue>,
    /// Taints that it bears.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// Near what replicas run, and away from what.
    pub affinity: Affinity,
    /// What replicas are spread over. Empty: nodes and zones, as far as possible.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["topologyKey"])
    )]
    pub spread: Vec<Spread>,
    /// Its priority class. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<ObjectName>,
    /// Its runtime class. Absent: the nodes' default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<ObjectName>,
}

/// What a replica is given and may use.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// What is set aside for it.
    pub requests: Amounts,
    /// What it may use at most.
    pub limits: Amounts,
}

/// Amounts of what nodes have.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Amounts {
    /// Cores. Absent: nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// Bytes of memory. Absent: nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
    /// Bytes of disk. Absent: nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral_storage: Option<Quantity>,
}

/// Taints that a replica bears.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = TOLERATION_RULES))]
pub struct Toleration {
    /// The taint's key. Absent, with operator `Exists`: every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<LabelKey>,
    /// How `value` is compared.
    #[serde(default)]
    pub operator: TolerationOperator,
    /// The taint's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<LabelValue>,
    /// The taint's effect.
    #[serde(default)]
    pub effect: TaintEffect,
    /// For how long it is borne. Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Duration<SECOND, { 24 * HOUR }>>,
}

/// How a taint's value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// It must be equal.
    #[default]
    Equal,
    /// Any value will do.
    Exists,
}

/// What a taint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// No new pods.
    #[default]
    NoSchedule,
    /// No new pods where others will do.
    PreferNoSchedule,
    /// No pods.
    NoExecute,
}

/// What replicas are spread over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// The label of nodes whose values are kept level.
    pub topology_key: LabelKey,
    /// Greatest difference.
    #[serde(default = "Spread::max_skew")]
    #[schemars(range(min = 1, max = 100))]
    pub max_skew: i32,
    /// What happens where it can't be kept.
    #[serde(default)]
    pub when_unsatisfiable: Unsatisfiable,
}

impl Spread {
    fn max_skew() -> i32 {
        1
    }
}

/// What happens where replicas can't be spread as wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Unsatisfiable {
    /// They run where they can.
    #[default]
    ScheduleAnyway,
    /// They wait.
    DoNotSchedule,
}
