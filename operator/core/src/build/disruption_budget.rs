//! How many replicas may be evicted at a time.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::metadata;
use crate::kind::Kind;
use crate::validate::Validated;
use crate::{labels, names};

pub(super) fn disruption_budget(gateway: &Validated) -> Option<Value> {
    let wanted = &gateway.spec.disruption_budget;
    if !wanted.enabled {
        return None;
    }
    let budget = PodDisruptionBudget {
        metadata: metadata::own(gateway, names::main(&gateway.name)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(wanted.max_unavailable)),
            selector: Some(LabelSelector {
                match_labels: Some(labels::selector(&gateway.name)),
                ..LabelSelector::default()
            }),
            // A replica that isn't ready serves nobody: it never keeps a node from being emptied.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    };
    Some(super::object(Kind::PodDisruptionBudget, &budget))
}
