//! Defaults, which the API server fills in.

use anyhow::Result;
use events_gateway_resources::EventsGateway;
use serde_json::json;

use super::lab::{self, GATEWAYS, gateway};

#[tokio::test]
async fn the_least_gateway_is_filled_in() -> Result<()> {
    let api = lab::api().await?;
    let spec = api.create(GATEWAYS, &gateway("filled-in")).await?.success()?.body["spec"].clone();
    for (pointer, expected) in [
        ("/replicas", json!(2)),
        ("/paused", json!(false)),
        ("/listen/port", json!(8080)),
        ("/listen/cors/maxAge", json!("1h")),
        ("/admin/port", json!(9090)),
        ("/redis/mode", json!("standalone")),
        ("/kafka/security/protocol", json!("plaintext")),
        ("/kafka/bindings/0/start", json!("latest")),
        ("/channels/retention/age", json!("4h")),
        ("/streams/heartbeat", json!("15s")),
        ("/drain/timeout", json!("30s")),
        ("/autoscaling/type", json!("None")),
        ("/autoscaling/scaleDown/stabilization", json!("5m")),
        ("/exposure/service/type", json!("ClusterIP")),
        ("/disruptionBudget/enabled", json!(true)),
        ("/rollout/restartOnSecretChange", json!(true)),
        ("/image/pullPolicy", json!("IfNotPresent")),
    ] {
        assert_eq!(spec.pointer(pointer), Some(&expected), "{pointer}");
    }
    Ok(())
}

#[tokio::test]
async fn the_server_fills_in_what_the_types_do() -> Result<()> {
    let api = lab::api().await?;
    let object = gateway("filled-in-alike");
    let ours: EventsGateway = serde_json::from_value(object.clone())?;
    let theirs: EventsGateway = serde_json::from_value(api.create(GATEWAYS, &object).await?.success()?.body)?;
    assert_eq!(theirs.spec, ours.spec);
    Ok(())
}

#[tokio::test]
async fn every_key_that_the_types_write_is_known_to_the_server() -> Result<()> {
    let api = lab::api().await?;
    let typed: EventsGateway = serde_json::from_value(gateway("written-whole"))?;
    let path = format!("{GATEWAYS}?dryRun=All&fieldValidation=Strict");
    let answer = api.create(&path, &serde_json::to_value(&typed)?).await?.success()?;
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    Ok(())
}
