//! Resources that suites apply.

use serde_json::{Value, json};

/// Group and version of our resources.
pub const VERSION: &str = "eventsgateway.dev/v1alpha1";

/// The least gateway, with further sections, or others in place of its own.
#[must_use]
pub fn gateway(name: &str, sections: &Value) -> Value {
    let mut object = json!({
        "apiVersion": VERSION,
        "kind": "EventsGateway",
        "metadata": { "name": name },
        "spec": {
            "redis": { "nodes": ["redis:6379"] },
            "kafka": { "bootstrap": ["kafka:9092"], "bindings": [{ "name": "events", "topics": ["events"] }] },
        },
    });
    for (key, value) in sections.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

/// An offset reset.
#[must_use]
pub fn reset(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": VERSION,
        "kind": "EventsGatewayOffsetReset",
        "metadata": { "name": name },
        "spec": spec,
    })
}
