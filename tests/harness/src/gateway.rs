//! A gateway process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::directory::Directory;
use crate::http::{self, Request, Response};
use crate::load_balancer::Backend;
use crate::process::{Process, Signal, Usage};
use crate::{metrics, port, wait};

/// Names the binary to test, instead of the one that cargo has built.
pub const BINARY: &str = "EVENTS_GATEWAY_BINARY";

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(60);

/// One replica: the program, run with a configuration file of its own.
#[derive(Debug)]
pub struct Gateway {
    name: String,
    process: Option<Process>,
    directory: Directory,
    ports: Ports,
    environment: Vec<(String, String)>,
}

/// The ports that a configuration must name.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Of the public listener.
    pub public: u16,
    /// Of the admin listener.
    pub admin: u16,
}

impl Ports {
    /// Two that are free.
    #[must_use]
    pub fn free() -> Self {
        Self { public: port::free(), admin: port::free() }
    }
}

impl Gateway {
    /// Starts one with the configuration that `config` writes for its ports, and waits until it is ready.
    ///
    /// # Errors
    /// When there is no binary, or the gateway ends or isn't ready in time; its log's end is part of the message.
    pub async fn start(name: &str, config: impl FnOnce(Ports) -> String) -> Result<Self> {
        Self::start_with(name, Vec::new(), config).await
    }

    /// [`Gateway::start`] with environment variables.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub async fn start_with(
        name: &str,
        environment: Vec<(String, String)>,
        config: impl FnOnce(Ports) -> String,
    ) -> Result<Self> {
        let directory = Directory::new(name)?;
        let ports = Ports::free();
        directory.write("config.yaml", &config(ports))?;
        let mut gateway = Self { name: name.to_owned(), process: None, directory, ports, environment };
        gateway.resume().await?;
        Ok(gateway)
    }

    /// What it was called in [`Gateway::start`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients connect.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.public).into()
    }

    /// Where its state is asked for.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.admin).into()
    }

    /// As a balancer knows it.
    #[must_use]
    pub fn backend(&self) -> Backend {
        Backend { public: self.public(), admin: self.admin() }
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.directory.join("config.yaml")
    }

    /// Writes another configuration, for the next start.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn configure(&self, config: impl FnOnce(Ports) -> String) -> Result<()> {
        self.directory.write("config.yaml", &config(self.ports)).map(drop)
    }

    /// Starts it again on the same ports and waits until it is ready.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub async fn resume(&mut self) -> Result<()> {
        self.launch()?;
        self.wait_until_ready().await
    }

    /// Starts it again without waiting.
    ///
    /// # Errors
    /// When there is no binary, or it runs already.
    pub fn launch(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            ensure!(process.exited().is_some(), "{} runs already", self.name);
        }
        let mut command = Command::new(binary()?);
        command.args(["run", "--config"]).arg(self.config()).current_dir(self.directory.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.process = Some(Process::start(&self.name, command, &self.directory.join("gateway.log"))?);
        Ok(())
    }

    /// Waits until `/ready` says 200.
    ///
    /// # Errors
    /// When the process ends, or isn't ready in time.
    pub async fn wait_until_ready(&mut self) -> Result<()> {
        let admin = self.admin();
        let process = self.process.as_mut().context("the gateway isn't running")?;
        process
            .until("ready", START, || async move {
                let answer = http::get(admin, "/ready").await;
                Ok(answer.is_ok_and(|answer| answer.status() == 200).then_some(()))
            })
            .await
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Sends SIGTERM and doesn't wait: it drains.
    pub fn terminate(&mut self) {
        self.signal(Signal::Terminate);
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// When it still runs after `bound`.
    pub async fn stop(&mut self, bound: Duration) -> Result<ExitStatus> {
        self.terminate();
        self.wait_for_end(bound).await
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it still runs after `bound`, or wasn't started.
    pub async fn wait_for_end(&mut self, bound: Duration) -> Result<ExitStatus> {
        let Some(mut process) = self.process.take() else { bail!("{} isn't running", self.name) };
        let waited = process.wait(bound).await;
        if waited.is_err() {
            self.process = Some(process);
        }
        waited
    }

    /// Freezes it (SIGSTOP).
    pub fn freeze(&mut self) {
        self.signal(Signal::Stop);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&mut self) {
        self.signal(Signal::Continue);
    }

    /// Sends a signal, if it runs.
    pub fn signal(&mut self, signal: Signal) {
        if let Some(process) = &mut self.process {
            process.signal(signal);
        }
    }

    /// Whether its process runs.
    pub fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.exited().is_none())
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Memory, descriptors and CPU time, while it runs.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.process.as_ref().and_then(Process::usage)
    }

    /// Everything it has logged, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.directory.join("gateway.log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Asks the admin listener.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn ask(&self, request: &Request) -> Result<Response> {
        http::send(self.admin(), request).await
    }

    /// The sum of all series of a metric whose labels contain every one of `labels` (`reason="epoch"`), 0 when there is
    /// none.
    ///
    /// # Errors
    /// When the admin listener doesn't answer.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let text = self.ask(&Request::get("/metrics")).await?.text();
        Ok(metrics::sum(&text, name, labels))
    }

    /// Waits until a metric is at least `least`.
    ///
    /// # Errors
    /// When it isn't within `bound`.
    pub async fn wait_for_metric(&self, name: &str, labels: &[&str], least: f64, bound: Duration) -> Result<()> {
        wait::until(&format!("{name} >= {least}"), bound, || async {
            Ok((self.metric(name, labels).await? >= least).then_some(()))
        })
        .await
    }
}

/// The gateway's binary: the one named by [`BINARY`], or the one that cargo built beside the running test.
///
/// # Errors
/// When there is none, with the command that builds it.
pub fn binary() -> Result<PathBuf> {
    let names = [BINARY, "CARGO_BIN_EXE_events-gateway"];
    if let Some(named) = names.iter().find_map(std::env::var_os) {
        return Ok(named.into());
    }
    let test = std::env::current_exe().context("failed to ask for the running test")?;
    // target/debug/deps/test -> target/debug/events-gateway
    let built = test.ancestors().skip(1).take(2).map(|directory| directory.join("events-gateway"));
    match built.into_iter().find(|binary| binary.is_file()) {
        Some(binary) => Ok(binary),
        None => bail!("no gateway beside {}: run cargo build -p events-gateway", test.display()),
    }
}
