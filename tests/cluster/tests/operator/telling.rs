//! What is told of mistakes, pauses and what is missing.

use anyhow::Result;
use events_gateway_cluster::condition;
use events_gateway_cluster::gateways::gateway;
use serde_json::{Value, json};

use super::lab::{lab, place};

#[tokio::test]
async fn a_mistake_in_the_spec_is_told_and_mended_by_mending_the_spec() -> Result<()> {
    let place = place("mistake").await?;
    place.create("events", json!({ "routes": [{ "name": "r", "rules": [{ "channels": ["{nonsense"] }] }] })).await?;
    let told = place.until_condition("events", "Ready", "InvalidSpec").await?;
    assert!(told["message"].as_str().unwrap().starts_with("spec.routes[0].rules[0].channels[0]"), "{told}");
    assert_eq!(place.api.get(&place.path("apps/v1/deployments", "events")).await?.status, 404);
    let operator = &lab().await?.operator;
    let before = operator.metric("events_gateway_operator_reconciles_total", &["invalid"]).await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let after = operator.metric("events_gateway_operator_reconciles_total", &["invalid"]).await?;
    assert!(after - before < 4.0, "no hot loop: {before} {after}");
    place.merge("events", json!({ "spec": { "routes": null } })).await?;
    place.until_condition("events", "Ready", "NoReadyReplicas").await?;
    Ok(())
}

#[tokio::test]
async fn a_secret_that_is_missing_is_waited_for() -> Result<()> {
    let place = place("secret").await?;
    place
        .create(
            "events",
            json!({
                "redis": { "nodes": ["redis:6379"], "password": { "name": "redis", "key": "password" } },
            }),
        )
        .await?;
    let told = place.until_condition("events", "Ready", "SecretMissing").await?;
    assert!(told["message"].as_str().unwrap().contains("Secret redis"), "{told}");
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "redis" }, "stringData": { "password": "x" } });
    place.api.create(&place.namespace.path("v1", "secrets"), &secret).await?.success()?;
    place.until_condition("events", "Ready", "NoReadyReplicas").await?;
    let deployment = place.path("apps/v1/deployments", "events");
    let annotations =
        |object: &Value| object["spec"]["template"]["metadata"]["annotations"]["eventsgateway.dev/secrets"].clone();
    let before = annotations(&place.until(&deployment, "the Deployment", Value::is_object).await?);
    assert!(before.is_string());
    place.api.merge(&place.path("secrets", "redis"), &json!({ "stringData": { "password": "y" } })).await?.success()?;
    place.until(&deployment, "other pods", |object| annotations(object) != before).await?;
    Ok(())
}

#[tokio::test]
async fn a_config_map_with_authorities_is_waited_for_and_its_change_replaces_the_pods() -> Result<()> {
    let place = place("authorities").await?;
    let authorities = json!({ "configMap": { "name": "authorities", "key": "ca.crt" } });
    place.create("events", json!({ "redis": { "nodes": ["redis:6379"], "tls": { "caFile": authorities } } })).await?;
    let told = place.until_condition("events", "Ready", "ConfigMapMissing").await?;
    assert!(told["message"].as_str().unwrap().contains("the ConfigMap authorities"), "{told}");
    let config_map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "authorities" }, "data": { "ca.crt": "x" } });
    place.api.create(&place.namespace.path("v1", "configmaps"), &config_map).await?.success()?;
    place.until_condition("events", "Ready", "NoReadyReplicas").await?;
    let deployment = place.path("apps/v1/deployments", "events");
    let annotations =
        |object: &Value| object["spec"]["template"]["metadata"]["annotations"]["eventsgateway.dev/config-maps"].clone();
    let before = annotations(&place.until(&deployment, "the Deployment", Value::is_object).await?);
    assert!(before.is_string());
    let other = json!({ "data": { "ca.crt": "y" } });
    place.api.merge(&place.path("configmaps", "authorities"), &other).await?.success()?;
    place.until(&deployment, "other pods", |object| annotations(object) != before).await?;
    Ok(())
}

#[tokio::test]
async fn a_paused_gateway_is_left_as_it_is_and_its_status_is_kept() -> Result<()> {
    let place = place("paused").await?;
    place.create("events", json!({})).await?;
    let deployment = place.path("apps/v1/deployments", "events");
    place.until(&deployment, "the Deployment", |object| object["spec"]["replicas"] == 2).await?;
    place.merge("events", json!({ "metadata": { "annotations": { "eventsgateway.dev/paused": "true" } } })).await?;
    place.until_condition("events", "ReconciliationPaused", "Paused").await?;
    place.merge("events", json!({ "spec": { "replicas": 5, "log": { "level": "debug" } } })).await?;
    let gateway = place
        .until(&place.gateway("events"), "being observed", |gateway| {
            gateway["status"]["observedGeneration"] == gateway["metadata"]["generation"]
        })
        .await?;
    assert_eq!(condition::of(&gateway, "ReconciliationPaused")["status"], "True");
    let found = place.api.get(&deployment).await?.success()?.body;
    assert_eq!((&found["spec"]["replicas"], &found["metadata"]["generation"]), (&json!(2), &json!(1)));
    place.merge("events", json!({ "metadata": { "annotations": { "eventsgateway.dev/paused": null } } })).await?;
    place.until(&deployment, "five", |object| object["spec"]["replicas"] == 5).await?;
    Ok(())
}

#[tokio::test]
async fn a_second_writer_of_the_count_is_told() -> Result<()> {
    let place = place("writer").await?;
    let sections = json!({ "replicas": 40, "autoscaling": { "type": "HPA", "maxReplicas": 4 } });
    let gateway = gateway("events", &sections);
    place.api.apply(&place.gateway("events"), &gateway).await?.success()?;
    let told = place.until_condition("events", "AutoscalingActive", "SecondWriter").await?;
    assert!(told["message"].as_str().unwrap().starts_with("suite writes spec.replicas"), "{told}");
    let deployment = place.path("apps/v1/deployments", "events");
    place.until(&deployment, "what the bounds allow", |object| object["spec"]["replicas"] == 4).await?;
    Ok(())
}

#[tokio::test]
async fn an_autoscaler_without_metrics_is_told_and_the_count_is_held() -> Result<()> {
    let place = place("metrics").await?;
    place.create("events", json!({ "autoscaling": { "type": "HPA", "minReplicas": 3 } })).await?;
    let told = place.until_condition("events", "AutoscalingActive", "NoMetrics").await?;
    assert!(told["message"].as_str().unwrap().ends_with("the count is held"), "{told}");
    place
        .until(&place.path("apps/v1/deployments", "events"), "three", |object| object["spec"]["replicas"] == 3)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_kind_that_the_cluster_lacks_is_told_and_all_else_is_made() -> Result<()> {
    let place = place("lacking").await?;
    place.create("events", json!({ "exposure": { "httpRoute": { "parents": [{ "name": "public" }] } } })).await?;
    let told = place.until_condition("events", "Degraded", "KindMissing").await?;
    assert!(told["message"].as_str().unwrap().contains("gateway.networking.k8s.io"), "{told}");
    place.until_condition("events", "Exposed", "NotExposed").await?;
    place.until(&place.path("apps/v1/deployments", "events"), "the Deployment", Value::is_object).await?;
    Ok(())
}

#[tokio::test]
async fn a_resource_that_can_not_be_read_stops_no_other() -> Result<()> {
    let place = place("unreadable").await?;
    // What another release of the definition may have taken: written past the schema's rules by taking the schema away.
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/eventsgateways.eventsgateway.dev";
    let definition = place.api.get(path).await?.success()?.body;
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    let known = definition.pointer(schema).cloned().unwrap_or_default();
    let patched = |spec: Value| {
        let mut versions = definition["spec"]["versions"].clone();
        versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = spec;
        json!({ "spec": { "versions": versions } })
    };
    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    place.api.merge(path, &patched(open)).await?.success()?;
    let object = json!({
        "apiVersion": "eventsgateway.dev/v1alpha1", "kind": "EventsGateway",
        "metadata": { "name": "unreadable" }, "spec": { "kafka": 7 },
    });
    let collection = place.namespace.path("eventsgateway.dev/v1alpha1", "eventsgateways");
    let created = events_gateway_harness::wait::until("an open schema", super::lab::BOUND, || async {
        Ok(place.api.create(&collection, &object).await?.success().ok())
    })
    .await;
    place.api.merge(path, &patched(known)).await?.success()?;
    created?;
    place.create("readable", json!({})).await?;
    place.until_condition("readable", "Ready", "NoReadyReplicas").await?;
    place.api.delete(&place.gateway("unreadable")).await?.success()?;
    Ok(())
}

#[tokio::test]
async fn every_victim_and_every_number_is_told_in_its_own_words() -> Result<()> {
    let place = place("words").await?;
    place.create("events", json!({ "replicas": 4 })).await?;
    let deployment = place.path("apps/v1/deployments", "events");
    place.until(&deployment, "four pods", |object| object["status"]["replicas"] == 4).await?;
    place.merge("events", json!({ "spec": { "replicas": 2 } })).await?;
    place.until(&deployment, "two pods", |object| object["status"]["replicas"] == 2).await?;
    place.merge("events", json!({ "spec": { "replicas": 3 } })).await?;
    place.until(&deployment, "three pods", |object| object["status"]["replicas"] == 3).await?;
    let notices = place.namespace.path("events.k8s.io/v1", "events");
    let texts = |list: &Value, reason: &str| {
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let told = items.into_iter().filter(|notice| notice["reason"] == reason);
        told.filter_map(|notice| notice["note"].as_str().map(str::to_owned)).collect::<std::collections::BTreeSet<_>>()
    };
    place
        .until(&notices, "two victims and two numbers", |list| {
            texts(list, "DrainStarted").len() == 2 && texts(list, "Scaled").len() >= 2
        })
        .await?;
    Ok(())
}
