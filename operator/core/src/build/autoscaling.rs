//! What both autoscalers are told: whom to scale, by what, how fast.

use events_gateway_resources::gateway::Autoscaling;
use events_gateway_resources::gateway::autoscaling::Pace;
use serde_json::{Value, json};

use crate::validate::Validated;

/// The gateway's metric of a replica's open streams.
pub(super) const CONNECTIONS: &str = "events_gateway_connections";

/// What autoscalers scale: the resource, through its scale subresource.
pub(super) fn target(gateway: &Validated) -> Value {
    json!({ "apiVersion": "eventsgateway.dev/v1alpha1", "kind": "EventsGateway", "name": gateway.name })
}

/// How fast an autoscaler goes.
pub(super) fn behaviour(wanted: &Autoscaling) -> Value {
    let rules = |pace: &Pace| {
        json!({
            "stabilizationWindowSeconds": pace.stabilization.get().as_secs(),
            "selectPolicy": "Max",
            "policies": [{ "type": "Pods", "value": pace.replicas, "periodSeconds": pace.period.get().as_secs() }],
        })
    };
    json!({ "scaleUp": rules(&wanted.scale_up), "scaleDown": rules(&wanted.scale_down) })
}
