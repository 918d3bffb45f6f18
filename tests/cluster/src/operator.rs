//! The operator as a process, as somebody would run it from a shell.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use events_gateway_harness::directory::Directory;
use events_gateway_harness::process::Signal;
use events_gateway_harness::{Process, http, metrics, port};

/// How long it may take to be ready.
const BOUND: Duration = Duration::from_secs(60);

/// How it is started.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The image of gateways that name none.
    pub image: String,
    /// Whether it talks to brokers.
    pub kafka: bool,
    /// Whether it leads by a Lease.
    pub leader_election: bool,
    /// The namespaces that it looks after; none: all.
    pub namespaces: Vec<String>,
    /// The Lease, by name and namespace; none: the operator's defaults.
    pub lease: Option<(String, String)>,
    /// Who it is.
    pub identity: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            image: "example.com/events-gateway:test".into(),
            kafka: true,
            leader_election: false,
            namespaces: Vec::new(),
            lease: None,
            identity: "operator-0".into(),
        }
    }
}

/// A running operator. Dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    admin: u16,
    _directory: Directory,
}

impl Operator {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When it isn't built or doesn't come up; the log's tail is part of the message.
    pub async fn start(kubeconfig: &Path, settings: &Settings) -> Result<Self> {
        let directory = Directory::new("operator")?;
        let admin = port::free();
        let mut command = Command::new(binary()?);
        command
            .env("KUBECONFIG", kubeconfig)
            .env("NO_COLOR", "1")
            .args(["run", "--log-format", "text", "--log-level", "info,events_gateway_operator=debug"])
            .args(["--gateway-image", &settings.image])
            .args(["--kafka", &settings.kafka.to_string()])
            .args(["--leader-election", &settings.leader_election.to_string()])
            .args(["--identity", &settings.identity])
            .args(["--admin-address", &format!("127.0.0.1:{admin}")]);
        if !settings.namespaces.is_empty() {
            command.args(["--namespaces", &settings.namespaces.join(",")]);
        }
        if let Some((name, namespace)) = &settings.lease {
            command.args(["--lease-name", name, "--lease-namespace", namespace]);
        }
        let mut process = Process::start("operator", command, &directory.join("operator.log"))?;
        let ready = || async move {
            let answer = http::get(([127, 0, 0, 1], admin).into(), "/ready").await;
            Ok(answer.is_ok_and(|answer| answer.status() == 200).then_some(()))
        };
        process.until("being ready", BOUND, ready).await?;
        Ok(Self { process, admin, _directory: directory })
    }

    /// What a metric says, summed over the series whose labels contain all of these.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let answer = http::get(([127, 0, 0, 1], self.admin).into(), "/metrics").await?;
        Ok(metrics::sum(&answer.text(), name, labels))
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Tells it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it doesn't in time.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.process.signal(Signal::Terminate);
        self.process.wait(Duration::from_secs(15)).await
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it hasn't in time.
    pub async fn ended(&mut self, bound: Duration) -> Result<ExitStatus> {
        self.process.wait(bound).await
    }

    /// Its process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// All of its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.process.log()).unwrap_or_default()
    }
}

/// The operator that was built beside the running test.
///
/// # Errors
/// When there is none, with the command that builds it.
pub fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe().context("failed to ask for the running test")?;
    let built = test.ancestors().skip(1).take(2).map(|directory| directory.join("events-gateway-operator"));
    match built.into_iter().find(|binary| binary.is_file()) {
        Some(binary) => Ok(binary),
        None => bail!("no operator beside {}: run make build", test.display()),
    }
}
