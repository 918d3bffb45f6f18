//! A node that runs pods: containerd, kubelet and kube-proxy, in namespaces of their own.

mod cgroups;
mod files;
mod machine;

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use events_gateway_harness::{Process, tools};

use self::machine::Machine;
use crate::condition;
use crate::control_plane::access::{KUBELET, PROXY};
use crate::control_plane::{ControlPlane, Network};
use crate::image::Image;
use crate::program::{directory, program};
use crate::run::run;

/// How long the node may take to be ready; it takes 5 s on two idle cores.
const BOUND: Duration = Duration::from_secs(120);

/// The node's name.
pub const NAME: &str = "node";

/// A node. Dropping it ends all that runs on it.
#[derive(Debug)]
pub struct Node {
    daemons: Vec<Process>,
    machine: Machine,
}

impl Node {
    /// Makes the machine, whose addresses the control plane needs to know first.
    ///
    /// # Errors
    /// When not root, or a program is missing.
    pub(crate) async fn prepare() -> Result<Self> {
        for needed in ["containerd", "ctr", "runc", "iptables", "nft"] {
            tools::program(needed)?;
        }
        Ok(Self { daemons: Vec::new(), machine: Machine::start().await? })
    }

    /// Starts what makes the machine a node, and waits until it is ready.
    pub(crate) async fn join(&mut self, control_plane: &ControlPlane) -> Result<()> {
        let machine = &self.machine;
        let files = machine.directory();
        let network = files.join("network");
        std::fs::create_dir_all(&network).context("failed to create a directory")?;
        let (pods, address) = (machine.pods(), machine.address());
        files.write("network/pods.conflist", &files::network(&pods).to_string())?;
        let runc = tools::program("runc")?;
        let containerd_file = files.write("containerd.toml", &files::containerd(&directory(), &network, &runc))?;
        let kubelet = files::kubelet(address, machine.cgroup(), &control_plane.authority());
        let kubelet_file = files.write("kubelet.json", &kubelet.to_string())?;
        let proxy = files::proxy(&control_plane.kubeconfig_of(PROXY), &pods);
        let proxy_file = files.write("proxy.json", &proxy.to_string())?;

        let mut containerd = machine.command(&tools::program("containerd")?)?;
        containerd.arg("--config").arg(&containerd_file);
        self.start("containerd", containerd)?;
        self.answering().await?;
        self.import(&Image::pause().await?).await?;

        let mut kubelet = self.machine.command(&program("kubelet")?)?;
        kubelet.arg("--config").arg(&kubelet_file);
        kubelet.arg("--kubeconfig").arg(control_plane.kubeconfig_of(KUBELET));
        kubelet.arg(format!("--hostname-override={NAME}")).arg(format!("--node-ip={address}"));
        self.start("kubelet", kubelet)?;
        let mut proxy = self.machine.command(&program("kube-proxy")?)?;
        proxy.arg("--config").arg(&proxy_file);
        self.start("kube-proxy", proxy)?;

        let api = control_plane.api()?;
        let ready = || async {
            let node = api.get(&format!("/api/v1/nodes/{NAME}")).await?.body;
            Ok(condition::is_true(&node, "Ready").then_some(()))
        };
        let kubelet = self.daemons.iter_mut().find(|daemon| daemon.name() == "kubelet");
        kubelet.context("no kubelet")?.until("a ready node", BOUND, ready).await
    }

    /// Puts an image on the node.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub async fn import(&self, image: &Image) -> Result<()> {
        self.containers(&["images", "import", "--snapshotter", "overlayfs"], Some(&image.file())).await.map(drop)
    }

    /// Where pods reach servers that run on this machine: those must listen on this address too.
    #[must_use]
    pub fn host(&self) -> Ipv4Addr {
        self.machine.host()
    }

    /// The node's own address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.machine.address()
    }

    /// A command on the node, in all its namespaces.
    ///
    /// # Errors
    /// When nsenter is missing.
    pub fn command(&self, program: &Path) -> Result<Command> {
        self.machine.command(program)
    }

    /// The ends of all logs, for a message about what didn't happen.
    #[must_use]
    pub fn logs(&self) -> String {
        self.daemons.iter().map(Process::tail).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn network(&self) -> Network {
        self.machine.network()
    }

    /// Asks containerd, as kubelet's containers are known to it.
    async fn containers(&self, arguments: &[&str], file: Option<&Path>) -> Result<String> {
        let mut command = self.machine.command(&tools::program("ctr")?)?;
        command.args(["--address", files::SOCKET, "--namespace", "k8s.io"]).args(arguments).args(file);
        run(command.into(), None).await
    }

    async fn answering(&mut self) -> Result<()> {
        let mut ctr = self.machine.command(&tools::program("ctr")?)?;
        ctr.args(["--address", files::SOCKET, "version"]);
        let ctr = std::sync::Arc::new(std::sync::Mutex::new(ctr));
        let containerd = self.daemons.last_mut().context("no containerd")?;
        let answers = || {
            let output = ctr.lock().ok().and_then(|mut ctr| ctr.output().ok());
            async move { Ok(output.filter(|output| output.status.success()).map(drop)) }
        };
        containerd.until("answering", BOUND, answers).await
    }

    fn start(&mut self, name: &str, command: Command) -> Result<()> {
        let log = self.machine.directory().join(&format!("{name}.log"));
        self.daemons.push(Process::start(name, command, &log)?);
        Ok(())
    }
}
