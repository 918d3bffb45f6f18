//! What a node leaves behind: nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use events_gateway_cluster::Cluster;
use events_gateway_harness::wait;

use super::turn::turn;

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The cgroups of this process's nodes, in all hierarchies.
fn cgroups() -> Vec<PathBuf> {
    let name = format!("events-gateway-tests-{}-", std::process::id());
    let all = entries(Path::new("/sys/fs/cgroup"));
    let below = all.iter().flat_map(|hierarchy| entries(hierarchy)).chain(all.clone());
    below.filter(|path| path.to_string_lossy().contains(&name)).collect()
}

/// Mounts of a node that are seen outside of it.
fn mounts() -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let node = ["/var/lib/kubelet", "/run/containerd", "/var/lib/containerd"];
    mounts.lines().filter(|line| node.iter().any(|place| line.contains(place))).map(str::to_owned).collect()
}

#[tokio::test]
async fn nothing_of_a_dropped_node_stays() -> Result<()> {
    let _turn = turn().await;
    let before = mounts();
    let cluster = Cluster::start().await?;
    let link = PathBuf::from(format!("/sys/class/net/egw-node-{}", cluster.node.host().octets()[2]));
    ensure!(link.exists() && !cgroups().is_empty(), "it runs without a link or cgroups");
    assert_eq!(mounts(), before, "its mounts are seen outside");

    drop(cluster);
    assert_eq!(cgroups(), Vec::<PathBuf>::new());
    // The kernel takes a network namespace down a moment after its last process.
    wait::until_true("the end of the link", Duration::from_secs(60), || !link.exists()).await
}
