//! Configuration files of what runs on a node.

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};

use crate::image::PAUSE;

/// Where containerd listens, inside.
pub(super) const SOCKET: &str = "/run/containerd/containerd.sock";

pub(super) fn containerd(programs: &Path, network: &Path, runc: &Path) -> String {
    let (programs, network, runc) = (programs.display(), network.display(), runc.display());
    format!(
        r#"version = 2
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs",
]

[grpc]
  address = "{SOCKET}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Lowering a score needs a right that containers of a CI don't have.
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      BinaryName = "{runc}"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{programs}"
    conf_dir = "{network}"
"#
    )
}

/// The pods' network: a bridge, whose pods are masked when they talk to what is outside.
pub(super) fn network(pods: &str) -> Value {
    let ipam = json!({
        "type": "host-local",
        "ranges": [[{ "subnet": pods }]],
        "routes": [{ "dst": "0.0.0.0/0" }],
    });
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            { "type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": true, "hairpinMode": true, "ipam": ipam },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    })
}

pub(super) fn kubelet(address: Ipv4Addr, cgroup: &str, authority: &Path) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "failCgroupV1": false,
        "failSwapOn": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{cgroup}"),
        "cgroupsPerQOS": true,
        "enforceNodeAllocatable": [],
        "protectKernelDefaults": false,
        "localStorageCapacityIsolation": true,
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": authority },
        },
        "authorization": { "mode": "Webhook" },
        "evictionHard": { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "nodeStatusUpdateFrequency": "2s",
        "syncFrequency": "10s",
        "maxPods": 200,
        // Starts of pods come in bursts here, and nothing is pulled.
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
    })
}

pub(super) fn proxy(kubeconfig: &Path, pods: &str) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": { "kubeconfig": kubeconfig },
        "clusterCIDR": pods,
        "hostnameOverride": super::NAME,
        "conntrack": { "maxPerCore": 0, "min": 0 },
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    })
}
