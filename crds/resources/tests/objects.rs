//! Resources as Rust values: what is read, filled in, written back and left out.

use events_gateway_crds::{Gateway, OnDisk};
use events_gateway_resources::gateway::Autoscaler;
use events_gateway_resources::offset_reset::Position;
use events_gateway_resources::offset_reset::status::Phase;
use events_gateway_resources::{
    Condition, EventsGateway, EventsGatewayOffsetReset, EventsGatewaySpec, EventsGatewayStatus,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn minimal() -> Value {
    json!({
        "apiVersion": "eventsgateway.dev/v1alpha1",
        "kind": "EventsGateway",
        "metadata": { "name": "events" },
        "spec": {
            "redis": { "nodes": ["redis:6379"] },
            "kafka": { "bootstrap": ["kafka:9092"], "bindings": [{ "name": "events", "topics": ["events"] }] },
        },
    })
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

#[test]
fn the_least_resource_is_read_with_its_defaults() {
    let gateway: EventsGateway = serde_json::from_value(minimal()).unwrap();
    assert_eq!(gateway.spec.replicas, 2);
    assert_eq!(gateway.spec.autoscaling.kind, Autoscaler::None);
    assert_eq!(gateway.spec.rollout.max_surge, 1);
    assert!(gateway.spec.disruption_budget.enabled && !gateway.spec.network_policy.enabled);
    assert_eq!(gateway.status, None);
}

#[test]
fn what_is_absent_is_not_written_as_null() {
    let gateway: EventsGateway = serde_json::from_value(minimal()).unwrap();
    let written = serde_json::to_value(&gateway).unwrap();
    assert!(!has_null(&written["spec"]), "{written:#}");
    assert_eq!(serde_json::to_value(EventsGatewayStatus::default()).unwrap(), json!({}));
    let reset = json!({
        "apiVersion": "eventsgateway.dev/v1alpha1", "kind": "EventsGatewayOffsetReset", "metadata": { "name": "r" },
        "spec": { "gateway": "events", "to": { "position": "Earliest" } },
        "status": { "partitions": [{ "topic": "t", "partition": 0, "binding": "b", "to": 1 }] },
    });
    let reset: EventsGatewayOffsetReset = serde_json::from_value(reset).unwrap();
    assert_eq!((reset.spec.to.position, reset.status.clone().unwrap().phase), (Position::Earliest, Phase::Pending));
    let written = serde_json::to_value(&reset).unwrap();
    assert!(!has_null(&written["spec"]) && !has_null(&written["status"]), "{written:#}");
}

#[test]
fn the_configuration_of_a_resource_has_every_section_of_the_file() {
    let mut object = minimal();
    for (section, value) in [
        ("routes", json!([{ "name": "orders", "rules": [{ "channels": ["orders:{key}"] }] }])),
        ("views", json!([{ "name": "public", "keep": ["/id"] }])),
        ("filters", json!([{ "name": "urgent", "when": "data.urgent" }])),
        ("aliases", json!([{ "path": "/api/orders/stream", "channels": ["orders"] }])),
    ] {
        object["spec"][section] = value;
    }
    let gateway: EventsGateway = serde_json::from_value(object).unwrap();
    let resource = serde_json::to_value(gateway.spec.configuration()).unwrap();
    let file = serde_json::to_value(Gateway::<OnDisk>::default()).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&resource), keys(&file));
    let spec = serde_json::to_value(&gateway.spec).unwrap();
    for section in keys(&file) {
        assert_eq!(spec[&section], resource[&section], "{section}");
    }
}

#[test]
fn a_secret_written_into_a_resource_is_refused() {
    let inline = json!({ "value": "hunter2" });
    let key = json!({ "name": "s", "key": "k" });
    for (section, value) in [
        ("admin", json!({ "token": inline })),
        ("redis", json!({ "nodes": ["redis:6379"], "password": inline })),
        ("listen", json!({ "tls": { "certFile": key, "keyFile": inline } })),
    ] {
        let mut object = minimal();
        object["spec"][section] = value;
        let error = serde_json::from_value::<EventsGateway>(object).unwrap_err().to_string();
        assert!(error.contains("unknown field `value`") && !error.contains("hunter2"), "{error}");
    }
}

proptest! {
    #[test]
    fn a_status_reads_back_as_written_without_nulls(
        replicas in proptest::option::of(0_i32..1_000),
        lag in proptest::option::of(0_i64..1 << 50),
        generation in proptest::option::of(0_i64..1 << 50),
        names in proptest::collection::vec("[A-Z][a-z]{1,8}", 0..4),
    ) {
        let conditions = names.iter().map(|name| Condition {
            kind: name.as_str().into(),
            status: events_gateway_resources::condition::ConditionStatus::Unknown,
            reason: "Testing".into(),
            message: "".into(),
            last_transition_time: "2026-11-21T10:00:00Z".into(),
            observed_generation: generation,
        });
        let status = EventsGatewayStatus {
            replicas, lag, observed_generation: generation, conditions: conditions.collect(),
            ..EventsGatewayStatus::default()
        };
        let written = serde_json::to_value(&status).unwrap();
        prop_assert!(!has_null(&written));
        prop_assert_eq!(serde_json::from_value::<EventsGatewayStatus>(written).unwrap(), status);
    }

    #[test]
    fn a_spec_reads_back_as_written(replicas in 0_i32..1_000, paused: bool, port in 1_024_i32..65_536) {
        let mut object = minimal();
        object["spec"]["replicas"] = json!(replicas);
        object["spec"]["paused"] = json!(paused);
        object["spec"]["listen"] = json!({ "port": port });
        let spec: EventsGatewaySpec = serde_json::from_value(object["spec"].clone()).unwrap();
        let written = serde_json::to_value(&spec).unwrap();
        prop_assert_eq!(&written["listen"]["port"], &json!(port));
        prop_assert_eq!(serde_json::from_value::<EventsGatewaySpec>(written).unwrap(), spec);
    }
}
