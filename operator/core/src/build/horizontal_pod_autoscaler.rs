//! A HorizontalPodAutoscaler, by the connections of each replica.

use events_gateway_resources::gateway::Autoscaler;
use serde_json::{Value, json};

use super::autoscaling::{CONNECTIONS, behaviour, target};
use super::metadata;
use crate::kind::Kind;
use crate::names;
use crate::validate::Validated;

pub(super) fn horizontal_pod_autoscaler(gateway: &Validated) -> Option<Value> {
    let wanted = &gateway.spec.autoscaling;
    if wanted.kind != Autoscaler::Hpa {
        return None;
    }
    let autoscaler = json!({
        "metadata": metadata::own(gateway, names::main(&gateway.name)),
        "spec": {
            "scaleTargetRef": target(gateway),
            "minReplicas": wanted.min_replicas,
            "maxReplicas": wanted.max_replicas,
            "metrics": [{
                "type": "Pods",
                "pods": {
                    "metric": { "name": CONNECTIONS },
                    "target": { "type": "AverageValue", "averageValue": wanted.connections_per_replica.to_string() },
                },
            }],
            "behavior": behaviour(wanted),
        },
    });
    Some(super::object(Kind::HorizontalPodAutoscaler, &autoscaler))
}
