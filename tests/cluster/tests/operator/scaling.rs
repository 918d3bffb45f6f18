//! The number of replicas: no pod runs here, so nobody drains.

use anyhow::Result;
use serde_json::json;

use super::lab::place;

#[tokio::test]
async fn a_count_that_is_raised_is_passed_on_and_the_templates_generation_stays() -> Result<()> {
    let place = place("raising").await?;
    place.create("events", json!({})).await?;
    let deployment = place.path("apps/v1/deployments", "events");
    place.until(&deployment, "two", |object| object["spec"]["replicas"] == 2).await?;
    // A patch and no replacement: the status may be written meanwhile.
    let scale = format!("{}/scale", place.gateway("events"));
    place.api.merge(&scale, &json!({ "spec": { "replicas": 4 } })).await?.success()?;
    place.until(&deployment, "four", |object| object["spec"]["replicas"] == 4).await?;
    place.until(&place.gateway("events"), "four told", |gateway| gateway["status"]["replicas"] == 4).await?;
    let found = place.api.get(&deployment).await?.success()?.body;
    assert_eq!(found["metadata"]["generation"], 2, "one write");
    // Pods that never ran have nobody to hand over.
    place.merge("events", json!({ "spec": { "replicas": 1 } })).await?;
    place
        .until(&deployment, "one", |object| object["spec"]["replicas"] == 1 && object["status"]["replicas"] == 1)
        .await?;
    let gateway =
        place.until(&place.gateway("events"), "one told", |gateway| gateway["status"]["replicas"] == 1).await?;
    assert_eq!(gateway["status"]["replicas"], 1);
    place.until_condition("events", "Draining", "NoneDraining").await?;
    Ok(())
}

#[tokio::test]
async fn a_scale_down_waits_for_a_rollout_until_kubernetes_gives_that_up() -> Result<()> {
    let place = place("stuck").await?;
    place.create("events", json!({ "replicas": 3 })).await?;
    let deployment = place.path("apps/v1/deployments", "events");
    let has = |replicas: i64| move |object: &serde_json::Value| object["status"]["replicas"] == replicas;
    place.until(&deployment, "three", has(3)).await?;
    place.merge("events", json!({ "spec": { "log": { "level": "debug" } } })).await?;
    // No pod ever gets ready: the first of the new template stays the only one.
    place.until(&deployment, "one more", has(4)).await?;
    place.merge("events", json!({ "spec": { "replicas": 1 } })).await?;
    place.until_condition("events", "Draining", "AwaitingRollout").await?;
    assert_eq!(place.api.get(&deployment).await?.success()?.body["spec"]["replicas"], 3);
    // What Kubernetes says after 10 minutes.
    let given_up = json!({ "status": { "conditions": [{
        "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
        "message": "the ReplicaSet has timed out progressing",
    }] } });
    place.api.merge(&format!("{deployment}/status"), &given_up).await?.success()?;
    place.until(&deployment, "one", |object| object["spec"]["replicas"] == 1).await?;
    place.until_condition("events", "Draining", "NoneDraining").await?;
    Ok(())
}
