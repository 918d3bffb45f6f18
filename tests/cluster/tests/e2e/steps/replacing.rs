//! Changes that replace every pod.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use events_gateway_harness::wait;
use serde_json::{Value, json};

use crate::e2e::lab::BOUND;
use crate::e2e::manifest::{PASSWORDS, image};
use crate::e2e::scene::Scene;

/// The same program by another name.
pub(crate) async fn other_image(scene: &mut Scene) -> Result<String> {
    let before = identities(scene).await?;
    scene.change(&json!({ "spec": { "image": { "reference": image("two") } } })).await?;
    replaced(scene, &before).await?;
    for pod in scene.pods().await? {
        ensure!(pod["spec"]["containers"][0]["image"] == image("two"), "{}", pod["spec"]["containers"]);
    }
    scene.spread().await
}

/// A Secret that pods read.
pub(crate) async fn password(scene: &mut Scene) -> Result<String> {
    change_secret(scene, "redis", &json!({ "password": PASSWORDS[1] })).await
}

/// The Secret that the operator reads too: replicas of either token are there for a while.
pub(crate) async fn token(scene: &mut Scene) -> Result<String> {
    scene.token = "another token of the suite".into();
    let data = json!({ "token": scene.token });
    change_secret(scene, "admin", &data).await
}

async fn change_secret(scene: &Scene, name: &str, data: &Value) -> Result<String> {
    let before = identities(scene).await?;
    let path = format!("{}/{name}", scene.lab.home.path("v1", "secrets"));
    scene.lab.api.merge(&path, &json!({ "stringData": data })).await?.success()?;
    replaced(scene, &before).await?;
    scene.spread().await
}

/// Waits until no pod is one of those before, and all is quiet.
async fn replaced(scene: &Scene, before: &BTreeSet<String>) -> Result<()> {
    wait::until("other pods", BOUND, || async {
        let now = identities(scene).await?;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        Ok(now.is_disjoint(before).then_some(()))
    })
    .await?;
    scene.settled(before.len()).await
}

/// The identities of all pods.
pub(crate) async fn identities(scene: &Scene) -> Result<BTreeSet<String>> {
    let pods = scene.pods().await?;
    Ok(pods.iter().filter_map(|pod| pod["metadata"]["uid"].as_str().map(str::to_owned)).collect())
}
