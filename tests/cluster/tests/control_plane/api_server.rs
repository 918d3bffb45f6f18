//! An API server that goes and comes back.

use anyhow::{Context as _, Result, ensure};
use events_gateway_cluster::{ControlPlane, Namespace};
use serde_json::Value;

use super::lab::{BOUND, deployment};

#[tokio::test]
async fn what_it_held_is_there_after_a_restart_and_controllers_go_on() -> Result<()> {
    let mut control_plane = ControlPlane::with_controllers().await?;
    let api = control_plane.api()?;
    let namespace = Namespace::create(&api, "restart").await?;
    let deployments = namespace.path("apps/v1", "deployments");
    let before = api.create(&deployments, &deployment("before", 1)).await?.success()?.body;

    control_plane.stop_api_server().await?;
    ensure!(api.get("/readyz").await.is_err(), "a stopped server answers");
    control_plane.resume_api_server().await?;
    let after = api.get(&format!("{deployments}/before")).await?.success()?.body;
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);

    control_plane.kill_api_server();
    control_plane.resume_api_server().await?;
    api.create(&deployments, &deployment("after", 1)).await?.success()?;
    // They wait: there is no node.
    let wait = |list: &Value| {
        let pods = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        pods.len() == 2 && pods.iter().all(|pod| pod["status"]["phase"] == "Pending")
    };
    let pods = api.until(&namespace.path("v1", "pods"), "a pod of each", BOUND, wait).await;
    pods.map(drop).with_context(|| control_plane.logs())
}
