//! What is to be, for a gateway that was proven: all its objects, without the number of replicas, which is decided apart.

mod admin_secret;
mod autoscaling;
mod config_map;
mod deployment;
mod disruption_budget;
mod horizontal_pod_autoscaler;
mod http_route;
mod ingress;
mod metadata;
mod network_policy;
pub mod pod;
mod prometheus_rule;
mod scaled_object;
mod service;
mod service_account;
mod service_monitor;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kind::Kind;
use crate::validate::Validated;

pub use admin_secret::admin_secret;
pub use deployment::{PRE_STOP, grace_period};

/// Objects by kind and name, in the order in which they are applied.
pub type Objects = BTreeMap<(Kind, String), Value>;

/// All objects of a gateway but the token's Secret, which is made once. Kinds that the cluster doesn't have are left out.
#[must_use]
pub fn build(gateway: &Validated) -> Objects {
    let objects = [
        Some((Kind::ServiceAccount, service_account::service_account(gateway))),
        Some((Kind::ConfigMap, config_map::config_map(gateway))),
        Some((Kind::Service, service::public(gateway))),
        Some((Kind::Service, service::admin(gateway))),
        network_policy::network_policy(gateway).map(|object| (Kind::NetworkPolicy, object)),
        disruption_budget::disruption_budget(gateway).map(|object| (Kind::PodDisruptionBudget, object)),
        Some((Kind::Deployment, deployment::deployment(gateway))),
        ingress::ingress(gateway).map(|object| (Kind::Ingress, object)),
        http_route::http_route(gateway).map(|object| (Kind::HttpRoute, object)),
        horizontal_pod_autoscaler::horizontal_pod_autoscaler(gateway)
            .map(|object| (Kind::HorizontalPodAutoscaler, object)),
        scaled_object::scaled_object(gateway).map(|object| (Kind::ScaledObject, object)),
        service_monitor::service_monitor(gateway).map(|object| (Kind::ServiceMonitor, object)),
        prometheus_rule::prometheus_rule(gateway).map(|object| (Kind::PrometheusRule, object)),
    ];
    let is_missing = |kind: Kind| gateway.missing_kinds.iter().any(|(missing, _)| *missing == kind);
    let present = objects.into_iter().flatten().filter(|(kind, _)| !is_missing(*kind));
    present
        .map(|(kind, object)| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            ((kind, name), object)
        })
        .collect()
}

/// An object of Kubernetes' own types as it is applied.
fn object(kind: Kind, value: &impl serde::Serialize) -> Value {
    // Texts, numbers, lists and maps with text keys: nothing here can fail.
    let mut value = serde_json::to_value(value).expect("an object is plain values");
    value["apiVersion"] = kind.api_version().into();
    value["kind"] = kind.names().2.into();
    value
}
