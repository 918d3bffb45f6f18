//! A HorizontalPodAutoscaler, by the replicas' own connections.

use anyhow::{Context as _, Result, ensure};
use events_gateway_cluster::{MetricsApi, condition};
use serde_json::{Value, json};

use super::{replacing, scaling};
use crate::e2e::lab::BOUND;
use crate::e2e::manifest::NAME;
use crate::e2e::scene::Scene;

/// As many replicas as the clients need.
const MOST: usize = 5;

/// It is switched on, finds a fifth of the clients to be enough for a replica, and asks for five through `/scale`.
pub(crate) async fn up(scene: &mut Scene) -> Result<String> {
    scene.metrics = Some(MetricsApi::start(&scene.lab.api, "events_gateway_connections").await?);
    let each = scene.load.clients / MOST;
    scene
        .change(&json!({ "spec": { "autoscaling": {
            "type": "HPA", "minReplicas": 2, "maxReplicas": MOST, "connectionsPerReplica": each,
            "scaleUp": { "replicas": 4, "period": "15s" },
        } } }))
        .await?;
    let asked = |gateway: &Value| gateway["spec"]["replicas"] == MOST;
    scene.lab.api.until(&scene.path(), "five to be asked for", BOUND, asked).await?;
    // It knows no other way than `/scale`.
    let wants = |autoscaler: &Value| autoscaler["status"]["desiredReplicas"] == MOST;
    scene.lab.api.until(&autoscaler(scene), "an autoscaler that wants five", BOUND, wants).await?;
    scene.settled(MOST).await?;
    let active = |gateway: &Value| condition::is_true(gateway, "AutoscalingActive");
    let gateway = scene.lab.api.until(&scene.path(), "AutoscalingActive", BOUND, active).await?;
    let told = condition::of(&gateway, "AutoscalingActive")["message"].clone();
    Ok(format!("{}; {told}", scene.spread().await?))
}

/// A rollout under the autoscaler: surge pods and clients on their way don't move the count.
pub(crate) async fn other_image(scene: &mut Scene) -> Result<String> {
    let generation = |gateway: &Value| gateway["metadata"]["generation"].as_i64().context("no generation");
    let before = generation(&scene.gateway().await?)?;
    let told = replacing::other_image(scene).await?;
    let gateway = scene.gateway().await?;
    ensure!(gateway["spec"]["replicas"] == MOST, "{} replicas", gateway["spec"]["replicas"]);
    // Ours was the only change of the spec: nobody set the count to something else and back.
    ensure!(generation(&gateway)? == before + 1, "the spec was changed beside the image");
    Ok(format!("{told}; spec.replicas {MOST} throughout"))
}

/// Switched off, the count stays, and people scale again.
pub(crate) async fn off(scene: &mut Scene) -> Result<String> {
    scene.change(&json!({ "spec": { "autoscaling": null } })).await?;
    scene.lab.api.until(&autoscaler(scene), "no autoscaler", BOUND, Value::is_null).await?;
    if let Some(metrics) = scene.metrics.take() {
        metrics.end().await?;
    }
    scaling::down(scene).await
}

/// Where the autoscaler is.
fn autoscaler(scene: &Scene) -> String {
    format!("{}/{NAME}", scene.lab.home.path("autoscaling/v2", "horizontalpodautoscalers"))
}
