//! Nodes that run nothing: kwok says of their pods what a kubelet would.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use events_gateway_harness::directory::Directory;
use events_gateway_harness::{Process, port};
use serde_json::json;

use crate::control_plane::ControlPlane;
use crate::program;

/// How long kwok may take to make a node ready; it takes a second.
const BOUND: Duration = Duration::from_secs(60);

/// The label of the nodes that are simulated.
const LABEL: &str = "simulated";

/// The addresses of pods. They are on loopback, so that one listener on all addresses answers for every pod.
const PODS: &str = "127.64.0.0/10";

/// Simulated nodes: what is scheduled to them is ready at once, and gone as soon as it is deleted.
#[derive(Debug)]
pub struct SimulatedNodes {
    _process: Process,
    _directory: Directory,
}

impl SimulatedNodes {
    /// Adds `count` of them to a cluster, named `simulated-0` and so on, each with room for `pods` pods.
    ///
    /// # Errors
    /// When kwok isn't installed or doesn't make the nodes ready.
    pub async fn start(control_plane: &ControlPlane, count: usize, pods: usize) -> Result<Self> {
        let directory = Directory::new("kwok")?;
        let mut command = Command::new(program::program("kwok")?);
        command.env("HOME", directory.path()).current_dir(directory.path());
        command.arg("--kubeconfig").arg(control_plane.kubeconfig());
        for file in program::files("kwok-stages")? {
            command.arg("--config").arg(file);
        }
        command
            .args(["--cidr", PODS, "--node-ip=127.0.0.1", "--node-lease-duration-seconds=40"])
            .arg(format!("--manage-nodes-with-label-selector={LABEL}=true"))
            .arg(format!("--server-address=127.0.0.1:{}", port::free()));
        let mut process = Process::start("kwok", command, &directory.join("kwok.log"))?;

        let api = control_plane.api()?;
        let names: Vec<String> = (0..count).map(|number| format!("simulated-{number}")).collect();
        for name in &names {
            let room = json!({ "cpu": "1000", "memory": "1Ti", "pods": pods.to_string() });
            let node = json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": { "name": name, "labels": { LABEL: "true", "kubernetes.io/hostname": name } },
                "status": { "allocatable": room, "capacity": room },
            });
            api.create("/api/v1/nodes", &node).await?.success()?;
        }
        for name in &names {
            let ready = || async {
                let node = api.get(&format!("/api/v1/nodes/{name}")).await?.success()?.body;
                Ok(crate::condition::is_true(&node, "Ready").then_some(()))
            };
            process.until("ready nodes", BOUND, ready).await?;
        }
        Ok(Self { _process: process, _directory: directory })
    }
}
