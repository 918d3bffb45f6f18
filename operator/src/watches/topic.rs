//! By what gateways are looked for.

use events_gateway_operator_core::{configuration, names};
use events_gateway_resources::EventsGateway;
use events_gateway_resources::condition::ConditionStatus;
use events_gateway_resources::gateway::image::ImageUpdates;
use kube::ResourceExt as _;

use super::Guarded;
use crate::context::Key;

/// What gateways have to do with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// They read this Secret.
    Secret(Key),
    /// They read this ConfigMap.
    ConfigMap(Key),
    /// They move to the operator's image.
    Following,
    /// Whether they are ready, as their statuses say.
    Ready(bool),
}

pub(super) fn topics(gateway: &Guarded) -> Vec<Topic> {
    let Ok(gateway) = &gateway.0 else { return vec![Topic::Ready(false)] };
    let namespace = gateway.namespace().unwrap_or_default();
    let of = |name: String| (namespace.clone(), name);
    let refers = configuration::references(&gateway.spec.configuration());
    // The operator's own, where the spec names no other.
    let secrets = refers.secrets.into_keys().chain([names::admin(&gateway.name_any())]);
    let mut topics: Vec<Topic> = secrets.map(|name| Topic::Secret(of(name))).collect();
    topics.extend(refers.config_maps.into_keys().map(|name| Topic::ConfigMap(of(name))));
    topics.extend(follows(gateway).then_some(Topic::Following));
    topics.push(Topic::Ready(is_ready(gateway)));
    topics
}

/// Whether it moves to the operator's image.
pub(crate) fn follows(gateway: &EventsGateway) -> bool {
    gateway.spec.image.reference.is_none() && gateway.spec.image.updates == ImageUpdates::Automatic
}

fn is_ready(gateway: &EventsGateway) -> bool {
    let mut conditions = gateway.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| condition.kind.0 == "Ready" && condition.status == ConditionStatus::True)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::DeserializeGuard;
    use serde_json::json;

    fn gateway(spec: &serde_json::Value, ready: &str) -> Guarded {
        let condition = json!({ "type": "Ready", "status": ready, "reason": "R", "message": "",
            "lastTransitionTime": "2026-11-25T10:00:00Z" });
        let gateway = json!({
            "apiVersion": "eventsgateway.dev/v1alpha1", "kind": "EventsGateway",
            "metadata": { "name": "events", "namespace": "shop" },
            "spec": spec, "status": { "conditions": [condition] },
        });
        DeserializeGuard(Ok(serde_json::from_value(gateway).unwrap()))
    }

    #[test]
    fn a_gateway_is_found_by_what_it_reads_and_how_it_is() {
        let of = |name: &str| ("shop".to_owned(), name.to_owned());
        let mut spec = json!({
            "kafka": { "bootstrap": ["kafka:9092"], "bindings": [{ "name": "events", "topics": ["events"] }] },
            "redis": { "nodes": ["redis:6379"] },
        });
        assert_eq!(topics(&gateway(&spec, "False")), [Topic::Secret(of("events-admin")), Topic::Ready(false)]);
        spec["image"] = json!({ "updates": "Automatic" });
        spec["redis"]["password"] = json!({ "name": "redis", "key": "password" });
        spec["redis"]["tls"] = json!({ "caFile": { "configMap": { "name": "authorities", "key": "ca.crt" } } });
        let topics = topics(&gateway(&spec, "True"));
        for expected in
            [Topic::Secret(of("redis")), Topic::ConfigMap(of("authorities")), Topic::Following, Topic::Ready(true)]
        {
            assert!(topics.contains(&expected), "{expected:?} of {topics:?}");
        }
    }
}
