//! Who may reach the pods.

use std::collections::BTreeMap;

use events_gateway_crds::rule::{Rule, rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::LabelValue;

const RULES: &[Rule] = &[rule(
    "has(self.namespaceLabels) || has(self.podLabels)",
    "name namespaceLabels, podLabels or both: an empty peer would be everybody",
)];

/// The NetworkPolicy. Connections that the pods make are not restricted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicy {
    /// Whether there is one.
    pub enabled: bool,
    /// Who may reach the public port. Empty: everybody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub clients: Vec<Peer>,
    /// Who may reach the admin port, beside the operator. Empty: nobody else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub monitors: Vec<Peer>,
}

/// Pods, by labels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Peer {
    /// Labels of their namespaces. Absent: the resource's own namespace.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub namespace_labels: BTreeMap<String, LabelValue>,
    /// Labels of the pods. Absent: all pods there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub pod_labels: BTreeMap<String, LabelValue>,
}
