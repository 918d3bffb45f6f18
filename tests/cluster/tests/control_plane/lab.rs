//! One control plane with simulated nodes for all tests that don't harm it.

use std::time::Duration;

use anyhow::{Result, anyhow};
use events_gateway_cluster::control_plane::{Settings, User};
use events_gateway_cluster::{Api, ControlPlane, SimulatedNodes};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// How long the controllers may take for anything on a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// A user who may do what its test allows it.
pub(crate) const VISITOR: &str = "visitor";

/// A cluster whose nodes are simulated.
pub(crate) struct Lab {
    pub(crate) control_plane: ControlPlane,
    pub(crate) api: Api,
    _nodes: SimulatedNodes,
}

/// The lab, or why there is none: it isn't tried again for every test.
static LAB: OnceCell<Result<Lab, String>> = OnceCell::const_new();

pub(crate) async fn lab() -> Result<&'static Lab> {
    let lab = LAB.get_or_init(|| async { start().await.map_err(|error| format!("{error:#}")) }).await;
    lab.as_ref().map_err(|error| anyhow!("{error}"))
}

async fn start() -> Result<Lab> {
    let users = vec![User::new(VISITOR, &["visitors"])];
    let control_plane = ControlPlane::with(&Settings { controllers: true, users, ..Settings::default() }).await?;
    let nodes = SimulatedNodes::start(&control_plane, 2, 100).await?;
    Ok(Lab { api: control_plane.api()?, control_plane, _nodes: nodes })
}

/// The containers of a pod that the strictest admission takes.
pub(crate) fn pod_template(app: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": app } },
        "spec": {
            "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "main",
                "image": "example.com/nothing:1",
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            }],
        },
    })
}

/// A Deployment.
pub(crate) fn deployment(name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": pod_template(name),
        },
    })
}
