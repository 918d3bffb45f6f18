//! An API server that can't tell which kinds there are.

use std::time::Duration;

use anyhow::Result;
use events_gateway_cluster::Family;
use events_gateway_cluster::faulty_api::Fault;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::lab::{empty, lab};

#[tokio::test]
async fn a_group_that_can_not_be_asked_for_keeps_nothing_else_from_being_done_and_is_found_soon() -> Result<()> {
    let api = lab().await?.api()?;
    Family::GatewayApi.install(&api).await?;
    let mut place = empty("group").await?;
    let words = "the server is currently unable to handle the request";
    let rule =
        place.faulty.on("get list", "/apis/gateway.networking.k8s.io/v1", Fault::refused(503, "Unavailable", words));
    place.start().await?;
    let route = json!({ "exposure": { "httpRoute": { "parents": [{ "name": "public" }] } } });
    place.create("events", route).await?;
    place.until(&place.path("apps/v1/deployments", "events"), "the Deployment", Value::is_object).await?;
    drop(rule);
    let path = place.path("gateway.networking.k8s.io/v1/httproutes", "events");
    place.until(&path, "the route", Value::is_object).await?;
    // What was there is still there while nobody can say so.
    let rule =
        place.faulty.on("get list", "/apis/gateway.networking.k8s.io/v1", Fault::refused(503, "Unavailable", words));
    let began = std::time::Instant::now();
    while rule.hits() < 2 && began.elapsed() < Duration::from_secs(120) {
        sleep(Duration::from_millis(200)).await;
    }
    assert!(rule.hits() >= 2, "it is asked again soon");
    place.merge("events", json!({ "spec": { "replicas": 3 } })).await?;
    let gateway = place.until(&place.gateway("events"), "three", |gateway| gateway["status"]["replicas"] == 3).await?;
    assert_ne!(events_gateway_cluster::condition::of(&gateway, "Degraded")["reason"], "KindMissing");
    Ok(())
}
