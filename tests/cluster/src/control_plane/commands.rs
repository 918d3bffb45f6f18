//! How the programs are called.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use events_gateway_harness::directory::Directory;
use events_gateway_harness::port;

use super::access::{Access, CONTROLLER_MANAGER, SCHEDULER, kubeconfig_name};
use super::settings::Settings;
use crate::program::program;

/// What the commands need to know.
pub(super) struct Plan<'a> {
    pub(super) directory: &'a Directory,
    pub(super) access: &'a Access,
    pub(super) settings: &'a Settings,
    /// Where etcd listens.
    pub(super) store: u16,
    /// Where the API server listens.
    pub(super) port: u16,
}

impl Plan<'_> {
    pub(super) fn etcd(&self) -> Result<Command> {
        let (client, peer) = (url(self.store), url(port::free()));
        let mut command = Command::new(program("etcd")?);
        command
            .args(["--name", "etcd", "--log-level", "warn", "--unsafe-no-fsync", "--data-dir"])
            .arg(self.directory.join("etcd"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("etcd={peer}")]);
        Ok(command)
    }

    pub(super) fn api_server(&self) -> Result<Command> {
        let (access, network) = (self.access, &self.settings.network);
        let reconciler = if network.address.is_loopback() { "none" } else { "lease" };
        let mut command = Command::new(program("kube-apiserver")?);
        command
            .current_dir(self.directory.path())
            .arg(format!("--etcd-servers={}", url(self.store)))
            .arg(format!("--bind-address={}", network.address))
            .arg(format!("--advertise-address={}", network.address))
            .arg(format!("--secure-port={}", self.port))
            // Pods reach the API server through the Service `kubernetes`, unless it is on loopback.
            .arg(format!("--endpoint-reconciler-type={reconciler}"))
            .arg(format!("--service-cluster-ip-range={}", network.service_range()))
            .arg(file("tls-cert-file", &access.server.certificate))
            .arg(file("tls-private-key-file", &access.server.key))
            .arg(file("client-ca-file", &access.authority.authority()))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(file("service-account-key-file", &access.authority.server_key()))
            .arg(file("service-account-signing-key-file", &access.authority.server_key()))
            .arg(file("token-auth-file", &self.directory.join("tokens.csv")))
            .args(["--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"])
            .args(["--allow-privileged=true", "--profiling=false"])
            // Without, a stop waits a minute for watches, which don't end by themselves.
            .arg("--shutdown-watch-termination-grace-period=2s")
            // Kubelets serve with certificates that they sign themselves.
            .arg(file("kubelet-client-certificate", &access.kubelet_client.certificate))
            .arg(file("kubelet-client-key", &access.kubelet_client.key))
            .arg("--kubelet-preferred-address-types=InternalIP")
            // For aggregated APIs, such as that of metrics.
            .arg(file("requestheader-client-ca-file", &access.authority.authority()))
            .arg("--requestheader-allowed-names=front-proxy")
            .args(["--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group"])
            .arg("--requestheader-extra-headers-prefix=X-Remote-Extra-")
            .arg(file("proxy-client-cert-file", &access.front_proxy.certificate))
            .arg(file("proxy-client-key-file", &access.front_proxy.key));
        Ok(command)
    }

    pub(super) fn controller_manager(&self) -> Result<Command> {
        let authority = &self.access.authority;
        let mut command = self.controller("kube-controller-manager", CONTROLLER_MANAGER)?;
        command
            // Without, its controllers act with its own rights, which don't suffice, and do nothing.
            .arg("--use-service-account-credentials=true")
            .arg(file("service-account-private-key-file", &authority.server_key()))
            .arg(file("root-ca-file", &authority.authority()))
            .arg(file("cluster-signing-cert-file", &authority.authority()))
            .arg(file("cluster-signing-key-file", &authority.authority_key()))
            .args(["--kube-api-qps=200", "--kube-api-burst=400"])
            .args(&self.settings.controller_arguments);
        Ok(command)
    }

    pub(super) fn scheduler(&self) -> Result<Command> {
        let mut command = self.controller("kube-scheduler", SCHEDULER)?;
        command.args(["--kube-api-qps=200", "--kube-api-burst=400"]);
        Ok(command)
    }

    fn controller(&self, name: &str, user: &str) -> Result<Command> {
        let kubeconfig = self.directory.join(&kubeconfig_name(user));
        let mut command = Command::new(program(name)?);
        command
            .current_dir(self.directory.path())
            .arg(file("kubeconfig", &kubeconfig))
            .arg(file("authentication-kubeconfig", &kubeconfig))
            .arg(file("authorization-kubeconfig", &kubeconfig))
            .args(["--bind-address=127.0.0.1", "--leader-elect=false"])
            .arg(format!("--secure-port={}", port::free()));
        Ok(command)
    }
}

fn file(flag: &str, path: &Path) -> String {
    format!("--{flag}={}", path.display())
}

fn url(port: u16) -> String {
    format!("http://{}:{port}", Ipv4Addr::LOCALHOST)
}
