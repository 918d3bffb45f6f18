//! A real Kafka broker in KRaft mode.

pub mod admin;
pub mod settings;
pub mod tool;

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use tokio::sync::OnceCell;

pub use settings::Settings;

use crate::certificates::Certificates;
use crate::directory::Directory;
use crate::link::Link;
use crate::process::{Process, Signal};
use crate::{port, tools};

/// How long a broker may take to start on a machine that is busy compiling.
const START: Duration = Duration::from_secs(90);
/// How long it may take to stop in good order.
const STOP: Duration = Duration::from_secs(30);
/// The heap that suffices for the suites.
const HEAP: &str = "-Xmx512m";

static SHARED: OnceCell<Kafka> = OnceCell::const_new();

/// One broker that is its own controller, on ports of its own that it keeps when it is started again.
#[derive(Debug)]
pub struct Kafka {
    process: Option<Process>,
    directory: Directory,
    ports: settings::Ports,
    certificates: Option<Certificates>,
}

impl Kafka {
    /// A broker with default [`Settings`].
    ///
    /// # Errors
    /// When Java or the jars are missing, or the broker doesn't come up.
    pub async fn start() -> Result<Self> {
        Self::with(&Settings::default()).await
    }

    /// The broker that all tests of this process share. Topics and groups in it should have names of their own.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub async fn shared() -> Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    /// A broker with these settings.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub async fn with(settings: &Settings) -> Result<Self> {
        let directory = Directory::new("kafka")?;
        let ports = settings::Ports::free(settings);
        let certificates = if settings.secured { Some(Certificates::new()?) } else { None };
        let properties = settings.render(&ports, &directory.join("data"), certificates.as_ref());
        directory.write("server.properties", &properties)?;
        let mut kafka = Self { process: None, directory, ports, certificates };
        kafka.format(settings)?;
        kafka.resume().await?;
        Ok(kafka)
    }

    /// A broker, and a link to it: who is told of the link's address reaches the broker through it and in no other way.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub async fn linked() -> Result<(Self, Link)> {
        let port = port::free();
        let link = Link::to((std::net::Ipv4Addr::LOCALHOST, port).into()).await?;
        let kafka =
            Self::with(&Settings { linked: Some((port, link.address().port())), ..Settings::default() }).await?;
        Ok((kafka, link))
    }

    /// `host:port` of the listener without encryption and authentication.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports.plain)
    }

    /// `host:port` of the listener at [`Settings::outside`].
    ///
    /// # Panics
    /// When the broker was started without.
    #[must_use]
    pub fn outside(&self) -> String {
        self.ports.outside.expect("a broker started with Settings::outside").to_string()
    }

    /// `host:port` of a secured listener; see [`Settings::secured`].
    ///
    /// # Panics
    /// When the broker was started without.
    #[must_use]
    pub fn secured(&self, listener: settings::Listener) -> String {
        let port = self.ports.secured.get(&listener).expect("a broker started with Settings::secured");
        format!("localhost:{port}")
    }

    /// The certificates of the secured listeners.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// A configuration for clients of the listener without authentication.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap()).set("broker.address.family", "v4");
        config
    }

    /// Stops it in good order. What it stored stays.
    ///
    /// # Errors
    /// When it doesn't stop.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::Terminate);
            process.wait(STOP).await?;
        }
        Ok(())
    }

    /// Kills it (SIGKILL). What it stored stays.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on the same ports, with what it stored, and waits until it answers.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn resume(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the broker runs already");
        let mut command = java()?;
        command.args([HEAP, "kafka.Kafka"]).arg(self.directory.join("server.properties"));
        command.current_dir(self.directory.path());
        let mut process = Process::start("kafka", command, &self.directory.join("kafka.log"))?;
        let client = self.client();
        process
            .until("answering", START, || {
                let client = client.clone();
                async move { Ok(tokio::task::spawn_blocking(move || answers(&client)).await?.then_some(())) }
            })
            .await?;
        self.process = Some(process);
        Ok(())
    }

    /// [`Kafka::stop`] and [`Kafka::resume`].
    ///
    /// # Errors
    /// Theirs.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.resume().await
    }

    /// Freezes it (SIGSTOP).
    pub fn freeze(&mut self) {
        self.signal(Signal::Stop);
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&mut self) {
        self.signal(Signal::Continue);
    }

    fn signal(&mut self, signal: Signal) {
        if let Some(process) = &mut self.process {
            process.signal(signal);
        }
    }

    fn format(&self, settings: &Settings) -> Result<()> {
        let mut command = java()?;
        command.args(["kafka.tools.StorageTool", "format", "-t", &settings::cluster_id(), "-c"]);
        command.arg(self.directory.join("server.properties"));
        for user in settings.scram_users() {
            command.args(["--add-scram", &user]);
        }
        let output = command.stdin(Stdio::null()).output().context("failed to run java")?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "failed to format the log: {}", String::from_utf8_lossy(&said));
        Ok(())
    }
}

/// A JVM that starts fast rather than runs fast: a suite's broker does little.
fn java() -> Result<Command> {
    let mut command = Command::new(tools::program("java")?);
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]);
    command.args(["-Dorg.slf4j.simpleLogger.showDateTime=true", "-cp"]);
    command.arg(format!("{}/*", tools::kafka_jars()?.display()));
    Ok(command)
}

fn answers(client: &ClientConfig) -> bool {
    let mut client = client.clone();
    client.set("log_level", "0");
    let Ok(consumer) = client.create::<BaseConsumer>() else {
        return false;
    };
    let metadata = consumer.fetch_metadata(None, Duration::from_secs(1));
    metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
}

#[cfg(test)]
mod tests;
