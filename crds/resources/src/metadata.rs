//! Labels and annotations that users add to what the operator makes.

use std::collections::BTreeMap;

use events_gateway_crds::rule::{Rule, rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{AnnotationValue, LabelValue};

const RULES: &[Rule] = &[
    rule(
        "!has(self.labels) || self.labels.all(k, !k.startsWith('app.kubernetes.io/') && !k.startsWith('eventsgateway.dev/'))",
        "labels of app.kubernetes.io/ and eventsgateway.dev/ are the operator's: selectors are made of them",
    ),
    rule(
        "!has(self.annotations) || self.annotations.all(k, !k.startsWith('eventsgateway.dev/'))",
        "annotations of eventsgateway.dev/ are the operator's",
    ),
];

/// Labels and annotations added to an object. The operator's own win.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Metadata {
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub labels: BTreeMap<String, LabelValue>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub annotations: BTreeMap<String, AnnotationValue>,
}
