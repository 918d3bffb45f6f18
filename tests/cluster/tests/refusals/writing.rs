//! Writes that are refused, or never answered.

use std::time::{Duration, Instant};

use anyhow::Result;
use events_gateway_cluster::condition;
use events_gateway_cluster::faulty_api::Fault;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::lab::{BOUND, place, waits};

#[tokio::test]
async fn a_conflict_is_tried_again() -> Result<()> {
    let place = place("conflict").await?;
    let words = "the object has been modified; please apply your changes to the latest version";
    let rule = place.faulty.on_first(2, "patch", "*/services/events", Fault::refused(409, "Conflict", words));
    place.create("events", json!({})).await?;
    place.until(&place.path("services", "events"), "the Service", Value::is_object).await?;
    place.until_well("events").await?;
    assert_eq!(rule.hits(), 2);
    assert!(place.errors("conflict").await? >= 2.0);
    Ok(())
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_again() -> Result<()> {
    let place = place("cut").await?;
    let rule = place.faulty.on_first(3, "patch", "*/services/*", Fault::Cut);
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    assert_eq!(rule.hits(), 3);
    Ok(())
}

#[tokio::test]
async fn a_mark_that_is_refused_is_told_and_nobody_goes_undrained() -> Result<()> {
    let place = place("mark").await?;
    place.create("events", json!({ "replicas": 3 })).await?;
    let deployment = place.path("apps/v1/deployments", "events");
    place.until(&deployment, "three pods", |object| object["status"]["replicas"] == 3).await?;
    let rule = place.faulty.on("patch", "*/pods/*", Fault::refused(403, "Forbidden", "pods are not yours"));
    place.merge("events", json!({ "spec": { "replicas": 1 } })).await?;
    let told = place.until_condition("events", "Degraded", "ReconcileFailed").await?;
    assert!(told.starts_with("failed to mark pod events-") && told.ends_with("pods are not yours"), "{told}");
    sleep(Duration::from_secs(4)).await;
    assert_eq!(place.api.get(&deployment).await?.success()?.body["spec"]["replicas"], 3);
    drop(rule);
    place.until(&deployment, "one pod", |object| object["status"]["replicas"] == 1).await?;
    place.until_well("events").await?;
    Ok(())
}

#[tokio::test]
async fn a_number_of_replicas_that_is_refused_is_told_and_set_later() -> Result<()> {
    let place = place("number").await?;
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    place.at_rest().await?;
    let rule = place.faulty.on("patch", "*/deployments/events", Fault::refused(403, "Forbidden", "exceeded quota"));
    place.merge("events", json!({ "spec": { "replicas": 3 } })).await?;
    let told = place.until_condition("events", "Degraded", "ReconcileFailed").await?;
    assert_eq!(told, "failed to set the number of replicas: exceeded quota");
    drop(rule);
    let deployment = place.path("apps/v1/deployments", "events");
    place.until(&deployment, "three", |object| object["spec"]["replicas"] == 3).await?;
    place.until_well("events").await?;
    Ok(())
}

#[tokio::test]
async fn while_a_namespace_goes_nobody_is_asked_in_a_hot_loop_and_then_it_is_forgotten() -> Result<()> {
    let place = place("going").await?;
    place.create("events", json!({})).await?;
    // It keeps the gateway, and so the namespace, from going.
    place.merge("events", json!({ "metadata": { "finalizers": ["example.org/held"] } })).await?;
    place.until_well("events").await?;
    place.at_rest().await?;
    let began = Instant::now();
    place.api.delete(&format!("/api/v1/namespaces/{}", place.namespace.name())).await?.success()?;
    let config = place.path("configmaps", "events-config");
    place.until(&config, "its content going", Value::is_null).await?;
    sleep(Duration::from_secs(10)).await;
    let asked = place.written(began);
    assert!(asked.len() <= 12, "{:?}", asked.iter().map(|one| &one.path).collect::<Vec<_>>());
    place.merge("events", json!({ "metadata": { "finalizers": null } })).await?;
    place.until(&format!("/api/v1/namespaces/{}", place.namespace.name()), "its end", Value::is_null).await?;
    let name = "events_gateway_operator_last_success_timestamp_seconds";
    let operator = place.operator();
    events_gateway_harness::wait::until("being forgotten", BOUND, || async {
        Ok((operator.metric(name, &["name=\"events\""]).await? < 1.0).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn what_is_not_found_while_it_is_written_is_made_later() -> Result<()> {
    let place = place("absent").await?;
    let words = "namespaces \"absent\" not found";
    let rule = place.faulty.on_first(3, "create patch", "*/absent-*", Fault::refused(404, "NotFound", words));
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    assert_eq!(rule.hits(), 3);
    let gateway = place.api.get(&place.gateway("events")).await?.success()?.body;
    assert!(
        !condition::is_true(&gateway, "Degraded") || condition::of(&gateway, "Degraded")["reason"] != "ReconcileFailed"
    );
    Ok(())
}
