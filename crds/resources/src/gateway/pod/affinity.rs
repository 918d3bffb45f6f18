//! Near what replicas run, and away from what. Kubernetes' words, as far as they make sense for a gateway: by labels, and pods
//! of the resource's own namespace only.

use std::collections::BTreeMap;

use events_gateway_crds::rule::{Rule, rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{LabelKey, LabelValue};

const VALUES: Rule = rule(
    "!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",
    "values are required with operator In or NotIn",
);
const NO_VALUES: Rule = rule(
    "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || size(self.values) == 0",
    "values don't go with operator Exists or DoesNotExist: leave them out",
);
const NODE_RULES: &[Rule] = &[
    VALUES,
    NO_VALUES,
    rule(
        "!(self.operator in ['Gt', 'Lt']) || (has(self.values) && size(self.values) == 1 && self.values[0].matches('^[0-9]{1,18}$'))",
        "values must be one whole number with operator Gt or Lt",
    ),
];
const POD_RULES: &[Rule] = &[VALUES, NO_VALUES];
const TERM_RULES: &[Rule] = &[rule(
    "has(self.matchLabels) && size(self.matchLabels) > 0 || has(self.matchExpressions) && size(self.matchExpressions) > 0",
    "matchLabels or matchExpressions is required: nothing would be every pod of the namespace",
)];

/// Near what replicas run, and away from what.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Affinity {
    /// On which nodes, by their labels.
    pub node_affinity: NodeAffinity,
    /// Where pods of this namespace are, in the same zone or on the same node.
    pub pod_affinity: PodAffinity,
    /// Where they aren't. Replicas are kept from each other by `spread`.
    pub pod_anti_affinity: PodAffinity,
}

/// On which nodes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeAffinity {
    /// One of these must hold. Empty: every node will do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub required: Vec<NodeTerm>,
    /// The more of these hold, the better.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub preferred: Vec<PreferredNodeTerm>,
}

/// What holds for a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeTerm {
    /// All of these.
    #[schemars(length(min = 1, max = 16))]
    pub match_expressions: Vec<NodeExpression>,
}

/// What holds for a better node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreferredNodeTerm {
    /// How much it counts.
    #[schemars(range(min = 1, max = 100))]
    pub weight: i32,
    /// All of these.
    #[schemars(length(min = 1, max = 16))]
    pub match_expressions: Vec<NodeExpression>,
}

/// What holds for a label of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = NODE_RULES))]
pub struct NodeExpression {
    /// The label.
    pub key: LabelKey,
    /// How its value is compared.
    pub operator: NodeOperator,
    /// With what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub values: Vec<LabelValue>,
}

/// How a node's label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NodeOperator {
    /// It is one of the values.
    In,
    /// It is none of the values, or there is no such label.
    NotIn,
    /// There is such a label.
    Exists,
    /// There is none.
    DoesNotExist,
    /// It is a number above the value.
    Gt,
    /// It is a number below the value.
    Lt,
}

/// Where pods are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodAffinity {
    /// All of these must hold, or a replica waits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub required: Vec<PodTerm>,
    /// The more of these hold, the better.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub preferred: Vec<PreferredPodTerm>,
}

/// Pods of the resource's own namespace, and how near.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = TERM_RULES))]
pub struct PodTerm {
    /// The label of nodes whose value says what is near: `kubernetes.io/hostname`, `topology.kubernetes.io/zone`.
    pub topology_key: LabelKey,
    /// Labels that the pods have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub match_labels: BTreeMap<String, LabelValue>,
    /// What else holds for their labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<PodExpression>,
}

/// Pods of the resource's own namespace, how near, and how much it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreferredPodTerm {
    /// How much it counts.
    #[schemars(range(min = 1, max = 100))]
    pub weight: i32,
    /// Which pods, and how near.
    pub term: PodTerm,
}

/// What holds for a label of a pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = POD_RULES))]
pub struct PodExpression {
    /// The label.
    pub key: LabelKey,
    /// How its value is compared.
    pub operator: PodOperator,
    /// With what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub values: Vec<LabelValue>,
}

/// How a pod's label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PodOperator {
    /// It is one of the values.
    In,
    /// It is none of the values, or there is no such label.
    NotIn,
    /// There is such a label.
    Exists,
    /// There is none.
    DoesNotExist,
}
