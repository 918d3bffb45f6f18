//! etcd and kube-apiserver on loopback, with nothing in them.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use events_gateway_harness::certificates::Certificates;
use events_gateway_harness::directory::Directory;
use events_gateway_harness::{Process, port, tools};

use crate::api::Api;

/// How long the API server may take to be ready; it takes 3 s on two idle cores.
const BOUND: Duration = Duration::from_secs(90);

/// The administrator's bearer token. Loopback only, and gone with the test.
const TOKEN: &str = "administrator";

/// A control plane. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct ControlPlane {
    _api_server: Process,
    _etcd: Process,
    _certificates: Certificates,
    directory: Directory,
}

impl ControlPlane {
    /// Starts one and waits until the API server is ready.
    ///
    /// # Errors
    /// When the programs aren't installed or don't come up; the log's tail is part of the message.
    pub async fn start() -> Result<Self> {
        let directory = Directory::new("control-plane")?;
        let certificates = Certificates::new()?;
        let (store, address) = (port::free(), port::free());
        let etcd = Process::start("etcd", etcd(&directory, store)?, &directory.join("etcd.log"))?;
        directory.write("tokens.csv", &format!("{TOKEN},administrator,1,system:masters\n"))?;
        directory.write("kubeconfig", &kubeconfig(&certificates.authority(), address))?;
        let command = api_server(&directory, &certificates, store, address)?;
        let mut api_server = Process::start("kube-apiserver", command, &directory.join("api-server.log"))?;
        let api = Api::connect(&directory.join("kubeconfig"))?;
        let ready = || {
            let api = api.clone();
            async move { Ok(api.get("/readyz").await.ok().filter(|answer| answer.status == 200)) }
        };
        api_server.until("being ready", BOUND, ready).await?;
        Ok(Self { _api_server: api_server, _etcd: etcd, _certificates: certificates, directory })
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }
}

/// A program that `tests/tools/install` built.
fn program(name: &str) -> Result<PathBuf> {
    let path = tools::checkout().join(".tools/kubernetes").join(name);
    if !path.is_file() {
        bail!("{name} isn't in {}: run tests/tools/install", path.display());
    }
    Ok(path)
}

fn etcd(directory: &Directory, port: u16) -> Result<Command> {
    let (client, peer) = (url(port), url(port::free()));
    let mut command = Command::new(program("etcd")?);
    command
        .args(["--name", "etcd", "--log-level", "warn", "--unsafe-no-fsync", "--data-dir"])
        .arg(directory.join("etcd"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("etcd={peer}")]);
    Ok(command)
}

fn api_server(directory: &Directory, certificates: &Certificates, store: u16, port: u16) -> Result<Command> {
    let file = |flag: &str, path: &Path| format!("--{flag}={}", path.display());
    let mut command = Command::new(program("kube-apiserver")?);
    command
        .current_dir(directory.path())
        .arg(format!("--etcd-servers={}", url(store)))
        .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"])
        .arg(format!("--secure-port={port}"))
        .arg(file("tls-cert-file", &certificates.server()))
        .arg(file("tls-private-key-file", &certificates.server_key()))
        .arg(file("client-ca-file", &certificates.authority()))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(file("service-account-key-file", &certificates.server_key()))
        .arg(file("service-account-signing-key-file", &certificates.server_key()))
        .arg(file("token-auth-file", &directory.join("tokens.csv")))
        .args(["--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16", "--profiling=false"]);
    Ok(command)
}

fn url(port: u16) -> String {
    format!("http://{}:{port}", Ipv4Addr::LOCALHOST)
}

fn kubeconfig(authority: &Path, port: u16) -> String {
    let authority = authority.display();
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: test, cluster: {{server: \"https://127.0.0.1:{port}\", certificate-authority: \"{authority}\"}}}}]\n\
         users: [{{name: test, user: {{token: {TOKEN}}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: test, namespace: default}}}}]\n"
    )
}

/// The kubeconfig of a path, as kube takes it.
pub(crate) fn read_kubeconfig(path: &Path) -> Result<kube::config::Kubeconfig> {
    kube::config::Kubeconfig::read_from(path).with_context(|| format!("failed to read {}", path.display()))
}
