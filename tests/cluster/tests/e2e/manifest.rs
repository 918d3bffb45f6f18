//! The gateway that the suite applies.

use serde_json::{Value, json};

use super::lab::Servers;

/// Its name.
pub(crate) const NAME: &str = "events";
/// Where its records come from.
pub(crate) const TOPIC: &str = "events";
/// The host of its Ingress.
pub(crate) const INGRESS: &str = "ingress.example.com";
/// The host of its HTTPRoute.
pub(crate) const ROUTE: &str = "route.example.com";
/// The passwords of Redis' user: both are good at any time.
pub(crate) const PASSWORDS: [&str; 2] = ["first-password", "second-password"];

/// The image of gateways, under one tag or another.
pub(crate) fn image(tag: &str) -> String {
    format!("example.com/events-gateway:{tag}")
}

/// A Secret with one key.
pub(crate) fn secret(name: &str, key: &str, value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": { key: value } })
}

/// The gateway. `closes_per_second`: of all draining replicas together. Without a number of replicas, as people apply what an
/// autoscaler may scale.
pub(crate) fn gateway(servers: &Servers, closes_per_second: usize) -> Value {
    json!({
        "apiVersion": "eventsgateway.dev/v1alpha1",
        "kind": "EventsGateway",
        "metadata": { "name": NAME },
        "spec": {
            "image": { "reference": image("one") },
            "admin": { "token": { "name": "admin", "key": "token" } },
            "kafka": {
                "bootstrap": [servers.kafka.outside()],
                "bindings": [{ "name": "events", "topics": [TOPIC], "start": "earliest" }],
            },
            "redis": {
                "nodes": [servers.redis_for_pods()],
                "username": { "name": "redis", "key": "username" },
                "password": { "name": "redis", "key": "password" },
            },
            "streams": { "heartbeat": "5s", "retry": "200ms", "retryJitter": "300ms", "maxAge": "12h" },
            "drain": {
                "timeout": "20s", "settle": "5s", "closesPerSecond": closes_per_second, "reconnectSpread": "1s",
            },
            "rollout": { "minReadySeconds": 1 },
            "networkPolicy": { "enabled": true },
            "exposure": {
                "ingress": { "controller": "traefik", "className": "traefik", "hosts": [INGRESS] },
                "httpRoute": { "parents": [{ "name": "edge", "namespace": "default" }], "hosts": [ROUTE] },
            },
        },
    })
}
