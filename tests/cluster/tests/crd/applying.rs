//! Server-side apply: who owns which fields.

use anyhow::{Context as _, Result};
use events_gateway_resources::condition::ConditionStatus;
use events_gateway_resources::{Condition, EventsGateway, EventsGatewayStatus};
use serde_json::{Value, json};

use super::lab::{self, GATEWAYS, gateway, with};

/// The fields that a manager owns, of the object itself or of a subresource.
fn owned(object: &Value, manager: &str, subresource: Option<&str>) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut entries =
        entries.filter(|entry| entry["manager"] == manager && entry["subresource"].as_str() == subresource);
    entries.next().map(|entry| entry["fieldsV1"].clone()).unwrap_or_default()
}

fn condition(kind: &str, status: ConditionStatus) -> Condition {
    Condition {
        kind: kind.into(),
        status,
        reason: "Testing".into(),
        message: "".into(),
        last_transition_time: "2026-11-21T10:00:00Z".into(),
        observed_generation: None,
    }
}

#[tokio::test]
async fn who_applies_owns_what_it_said_and_no_default() -> Result<()> {
    let api = lab::api().await?;
    let path = format!("{GATEWAYS}/applied");
    let applied = api.apply(&path, &gateway("applied")).await?.success()?;
    assert!(applied.warnings.is_empty(), "{:?}", applied.warnings);
    let spec = owned(&applied.body, "suite", None)["f:spec"].clone();
    let keys: Vec<&String> = spec.as_object().context("nothing is owned")?.keys().collect();
    assert_eq!(keys, ["f:kafka", "f:redis"], "{spec:#}");
    Ok(())
}

#[tokio::test]
async fn a_typed_gateway_applied_owns_no_absent_field() -> Result<()> {
    let api = lab::api().await?;
    let path = format!("{GATEWAYS}/applied-typed");
    let typed: EventsGateway = serde_json::from_value(gateway("applied-typed"))?;
    let mut object = serde_json::to_value(&typed)?;
    object.as_object_mut().context("an object")?.remove("status");
    let applied = api.apply(&path, &object).await?.success()?;
    let spec = owned(&applied.body, "suite", None)["f:spec"].clone();
    for absent in
        ["/f:redis/f:password", "/f:listen/f:tls", "/f:admin/f:token", "/f:replica/f:name", "/f:image/f:reference"]
    {
        assert_eq!(spec.pointer(absent), None, "{absent} is owned: {spec:#}");
    }
    Ok(())
}

#[tokio::test]
async fn conditions_are_merged_by_type_and_status_has_no_nulls() -> Result<()> {
    let api = lab::api().await?;
    let path = format!("{GATEWAYS}/conditions");
    api.create(GATEWAYS, &gateway("conditions")).await?.success()?;
    let other = json!({ "status": { "conditions": [condition("Degraded", ConditionStatus::False)] } });
    api.merge(&format!("{path}/status"), &other).await?.success()?;

    let status = EventsGatewayStatus {
        observed_generation: Some(1),
        replicas: Some(2),
        conditions: vec![condition("Ready", ConditionStatus::True)],
        ..EventsGatewayStatus::default()
    };
    let head = with(gateway("conditions"), &[("/spec", Value::Null), ("/status", serde_json::to_value(&status)?)]);
    let applied = api.apply(&format!("{path}/status"), &head).await?.success()?;
    assert!(applied.warnings.is_empty(), "{:?}", applied.warnings);
    let conditions = applied.body["status"]["conditions"].as_array().context("conditions")?;
    let kinds: Vec<&Value> = conditions.iter().map(|condition| &condition["type"]).collect();
    assert_eq!(kinds, ["Degraded", "Ready"]);
    let fields = owned(&applied.body, "suite", Some("status"))["f:status"].clone();
    let keys: Vec<&String> = fields.as_object().context("nothing is owned")?.keys().collect();
    assert_eq!(keys, ["f:conditions", "f:observedGeneration", "f:replicas"], "{fields:#}");

    let generation = applied.body["metadata"]["generation"].clone();
    let again = api.apply(&format!("{path}/status"), &head).await?.success()?;
    assert_eq!(again.body["metadata"]["resourceVersion"], applied.body["metadata"]["resourceVersion"]);
    assert_eq!(again.body["metadata"]["generation"], generation);
    Ok(())
}
