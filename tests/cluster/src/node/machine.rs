//! What a node runs in: namespaces of its own, a link to them, and cgroups.
//!
//! Its processes are in a PID namespace whose first process dies with the test, and the kernel kills the others with it:
//! kubelet, containerd, and all containers. Its file systems are in memory and go with the mount namespace, its link and
//! routes with the network namespace. Cgroups alone stay behind; they are removed when the machine is dropped, or by the
//! next one after a test that was killed.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use events_gateway_harness::directory::Directory;
use events_gateway_harness::{Process, tools, wait};

use crate::control_plane::Network;
use crate::node::cgroups::Cgroups;

/// How long the kernel may take for a namespace.
const BOUND: Duration = Duration::from_secs(20);

/// How many nodes there can be on this machine.
const NODES: u8 = 200;

/// What every process of the node would share with this machine, and must not: a kubelet removes what it doesn't know.
const PRIVATE: &[&str] =
    &["/run", "/var/log", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/lib/kube-proxy"];

/// The first process: it waits, and reaps what has lost its parent.
const INIT: &str = "sleep infinity & wait";

/// Namespaces and addresses of one node.
#[derive(Debug)]
pub(super) struct Machine {
    init: Process,
    number: u8,
    cgroups: Cgroups,
    directory: Directory,
}

impl Machine {
    pub(super) async fn start() -> Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "a node needs root: network interfaces, mounts and cgroups");
        let directory = Directory::new("node")?;
        let mut unshare = Command::new(tools::program("unshare")?);
        unshare.args(["--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--mount", "--net", "--ipc", "--uts"]);
        unshare.args(["--propagation=private", "/bin/sh", "-c", INIT]);
        let mut init = Process::start("init of the node", unshare, &directory.join("init.log"))?;
        let ours = std::fs::read_link("/proc/self/ns/pid").context("failed to read a namespace")?;
        let theirs = format!("/proc/{}/ns/pid_for_children", init.id());
        let entered = || {
            let other = std::fs::read_link(&theirs).is_ok_and(|theirs| theirs != ours);
            async move { Ok(other.then_some(())) }
        };
        init.until("namespaces of its own", BOUND, entered).await?;
        let cgroups = Cgroups::create()?;
        let number = connect(init.id())?;
        let machine = Self { init, number, cgroups, directory };
        machine.configure().await?;
        Ok(machine)
    }

    /// The near end of its link: where its pods reach servers on this machine.
    pub(super) fn host(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.number, 1)
    }

    /// The node's address.
    pub(super) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.number, 2)
    }

    /// The range of its pods.
    pub(super) fn pods(&self) -> String {
        format!("10.89.{}.0/24", self.number)
    }

    pub(super) fn network(&self) -> Network {
        Network { address: self.host(), services: [10, 97, self.number], services_prefix: 24 }
    }

    /// The cgroup that all pods are below.
    pub(super) fn cgroup(&self) -> &str {
        self.cgroups.name()
    }

    /// For configuration files and logs. It is seen from inside.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// A command inside.
    pub(super) fn command(&self, program: &std::path::Path) -> Result<Command> {
        let namespaces = PathBuf::from(format!("/proc/{}/ns", self.init.id()));
        // Not `ip netns exec`, which mounts /sys anew and so hides the cgroups.
        let mut command = Command::new(tools::program("nsenter")?);
        for (flag, file) in
            [("pid", "pid_for_children"), ("mount", "mnt"), ("net", "net"), ("ipc", "ipc"), ("uts", "uts")]
        {
            command.arg(format!("--{flag}={}", namespaces.join(file).display()));
        }
        command.arg("--").arg(program).current_dir("/");
        Ok(command)
    }

    /// Runs a script of shell inside.
    async fn inside(&self, script: &str) -> Result<()> {
        let mut command = self.command(std::path::Path::new("/bin/sh"))?;
        command.args(["-euc", script]);
        crate::run::run(command.into(), None).await.map(drop)
    }

    async fn configure(&self) -> Result<()> {
        let (host, address) = (self.host(), self.address());
        let ip = tools::program("ip")?;
        let ip = ip.display();
        // The mount of /proc comes last of what unshare does.
        let proc = || async { Ok(self.inside("test -d /proc/1 && test ! -e /proc/1/ns/missing").await.ok()) };
        wait::until("/proc of the node", BOUND, proc).await?;
        for place in PRIVATE {
            self.inside(&format!("test -d {place} || mkdir -p {place}; mount -t tmpfs -o mode=755 tmpfs {place}"))
                .await?;
        }
        self.inside(&format!(
            "{ip} link set lo up; {ip} addr add {address}/24 dev eth0; {ip} link set eth0 up
             {ip} route add default via {host}
             echo 1 >/proc/sys/net/ipv4/ip_forward; mkdir -p /run/netns /run/lock"
        ))
        .await?;
        let link = link(self.number);
        self::ip(&format!("addr add {host}/24 dev {link}"))?;
        self::ip(&format!("link set {link} up"))?;
        self::ip(&format!("route add {} via {address}", self.pods()))?;
        self::ip(&format!("route add {} via {address}", self.network().service_range()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The unshare that we kill takes the first process with it, and that one all others.
        self.init.kill();
        self.cgroups.remove(Instant::now() + BOUND);
    }
}

fn link(number: u8) -> String {
    format!("egw-node-{number}")
}

/// Links this machine with the network namespace of a process, over addresses that no other node has.
fn connect(process: u32) -> Result<u8> {
    let first = rand::random_range(0..NODES);
    for step in 0..NODES {
        // u8 would overflow: both are below 200.
        let number = u8::try_from((u16::from(first) + u16::from(step)) % u16::from(NODES)).unwrap_or(0);
        // The name is the claim: it can't be given twice.
        if ip(&format!("link add {} type veth peer name eth0 netns {process}", link(number))).is_ok() {
            return Ok(number);
        }
    }
    bail!("no link can be added: all {NODES} nodes run, or the kernel has no veth")
}

fn ip(arguments: &str) -> Result<()> {
    let mut command = Command::new(tools::program("ip")?);
    let output = command.args(arguments.split(' ')).stdin(Stdio::null()).output().context("failed to run ip")?;
    ensure!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
