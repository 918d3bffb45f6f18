//! One Redis server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue};

use crate::certificates::Certificates;
use crate::directory::Directory;
use crate::process::{Process, Signal, Usage};
use crate::{port, tools, wait};

/// How long a server may take to start or stop.
const BOUND: Duration = Duration::from_secs(30);

/// What a suite may want of its server.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Also listen with TLS on a port of its own; clients need a certificate of the same authority.
    pub tls: bool,
    /// Further users, as rules of an ACL file (`alice on >secret ~egw:* +@all`). The default user stays as it is.
    pub users: Vec<String>,
    /// Further settings, name and value; they win.
    pub settings: Vec<(String, String)>,
}

impl Settings {
    /// With one more setting.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A server that keeps its ports, and by its append-only file its data, when it is started again.
///
/// What it acknowledged is in the file even when it is killed: it writes before it answers.
#[derive(Debug)]
pub struct Server {
    program: Program,
    process: Option<Process>,
    directory: Directory,
    port: u16,
    tls_port: Option<u16>,
    certificates: Option<Certificates>,
}

/// What `redis-server` runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Server,
    Sentinel,
}

/// A copy of a server's files.
#[derive(Debug)]
pub struct Snapshot(Directory);

impl Server {
    /// A server with default [`Settings`].
    ///
    /// # Errors
    /// When Redis isn't installed or doesn't come up.
    pub async fn start() -> Result<Self> {
        Self::with(&Settings::default()).await
    }

    /// A server with these settings.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn with(settings: &Settings) -> Result<Self> {
        Self::at(port::free(), settings).await
    }

    pub(super) async fn at(port: u16, settings: &Settings) -> Result<Self> {
        let directory = Directory::new("redis")?;
        let data = directory.join("data");
        let mut lines = vec![
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", data.display()),
            "appendonly yes".to_owned(),
            "appendfsync everysec".to_owned(),
            "save \"\"".to_owned(),
            "maxmemory-policy noeviction".to_owned(),
            "repl-diskless-sync-delay 0".to_owned(),
            // A rewrite in the middle of a measured run would be noise.
            "auto-aof-rewrite-percentage 0".to_owned(),
        ];
        let mut tls_port = None;
        let certificates = if settings.tls { Some(Certificates::new()?) } else { None };
        if let Some(certificates) = &certificates {
            let port = port::free();
            tls_port = Some(port);
            lines.push(format!("tls-port {port}"));
            lines.push(format!("tls-ca-cert-file {}", certificates.authority().display()));
            lines.push(format!("tls-cert-file {}", certificates.server().display()));
            lines.push(format!("tls-key-file {}", certificates.server_key().display()));
        }
        lines.extend(settings.users.iter().map(|rules| format!("user {rules}")));
        lines.extend(settings.settings.iter().map(|(name, value)| format!("{name} {value}")));
        Self::of(Program::Server, directory, port, tls_port, certificates, &lines).await
    }

    pub(super) async fn of(
        program: Program,
        directory: Directory,
        port: u16,
        tls_port: Option<u16>,
        certificates: Option<Certificates>,
        lines: &[String],
    ) -> Result<Self> {
        std::fs::create_dir_all(directory.join("data")).context("failed to create the data directory")?;
        directory.write("redis.conf", &(lines.join("\n") + "\n"))?;
        let mut server = Self { program, process: None, directory, port, tls_port, certificates };
        server.resume().await?;
        Ok(server)
    }

    /// Its port without encryption.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address without encryption.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// `redis://…`, as client libraries take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `rediss://…`, when started with [`Settings::tls`].
    #[must_use]
    pub fn tls_url(&self) -> Option<String> {
        self.tls_port.map(|port| format!("rediss://localhost:{port}"))
    }

    /// The certificates of the TLS port.
    #[must_use]
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Memory, descriptors and CPU time of the process, while it runs.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.process.as_ref().and_then(Process::usage)
    }

    /// A new connection as the default user.
    ///
    /// # Errors
    /// When the server is away.
    pub async fn connection(&self) -> Result<MultiplexedConnection> {
        connect(self.port).await
    }

    /// Runs one command and gives its answer.
    ///
    /// # Errors
    /// When the server is away or answers with an error.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> Result<T> {
        let mut connection = self.connection().await?;
        run(&mut connection, words).await
    }

    /// Deletes everything, as an administrator's FLUSHALL does.
    ///
    /// # Errors
    /// When the server is away.
    pub async fn flush(&self) -> Result<()> {
        self.command(&["FLUSHALL"]).await
    }

    /// Stops it in good order.
    ///
    /// # Errors
    /// When it doesn't stop.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::Terminate);
            process.wait(BOUND).await?;
        }
        Ok(())
    }

    /// Kills it (SIGKILL). Its files stay.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Whether it was started and not stopped or killed since.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Starts it again with its files and waits until it answers and has loaded them.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn resume(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the server runs already");
        let mut command = Command::new(tools::program("redis-server")?);
        command.arg(self.directory.join("redis.conf")).current_dir(self.directory.path());
        if self.program == Program::Sentinel {
            command.arg("--sentinel");
        }
        let name = format!("redis {}", self.port);
        let mut process = Process::start(&name, command, &self.directory.join("redis.log"))?;
        let port = self.port;
        process.until("answering", BOUND, || async move { Ok(answers(port).await.ok()) }).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Kills it, deletes its files and starts it again: all data is lost.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn restart_empty(&mut self) -> Result<()> {
        self.kill();
        let data = self.directory.join("data");
        std::fs::remove_dir_all(&data).context("failed to delete the data")?;
        std::fs::create_dir_all(&data).context("failed to create the data directory")?;
        self.resume().await
    }

    /// Copies its files as they are at one moment.
    ///
    /// # Errors
    /// When they can't be copied.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        let snapshot = Directory::new("redis-snapshot")?;
        self.freeze();
        let copied = copy_tree(&self.directory.join("data"), &snapshot.join("data"));
        self.thaw();
        copied.map(|()| Snapshot(snapshot))
    }

    /// Kills it and starts it again from a snapshot: what came later is lost.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn restart_from(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.kill();
        let data = self.directory.join("data");
        std::fs::remove_dir_all(&data).context("failed to delete the data")?;
        copy_tree(&snapshot.0.join("data"), &data)?;
        self.resume().await
    }

    /// Freezes it (SIGSTOP): connections stay open and nothing answers.
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

    /// Waits until one line of INFO reads as wanted.
    ///
    /// # Errors
    /// When it doesn't within `bound`.
    pub async fn wait_for_info(&self, section: &str, line: &str, bound: Duration) -> Result<()> {
        wait::until(&format!("{line} at port {}", self.port), bound, || async {
            let info: Result<String> = self.command(&["INFO", section]).await;
            Ok(info.is_ok_and(|info| info.lines().any(|other| other.trim_end() == line)).then_some(()))
        })
        .await
    }
}

async fn connect(port: u16) -> Result<MultiplexedConnection> {
    let client = redis::Client::open(("127.0.0.1", port)).context("failed to name the server")?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(5)))
        .set_response_timeout(Some(Duration::from_secs(30)));
    client.get_multiplexed_async_connection_with_config(&config).await.context("failed to connect to Redis")
}

pub(super) async fn run<T: FromRedisValue>(connection: &mut MultiplexedConnection, words: &[&str]) -> Result<T> {
    let (name, arguments) = words.split_first().context("no command")?;
    let mut command = redis::cmd(name);
    for argument in arguments {
        command.arg(*argument);
    }
    command.query_async(connection).await.with_context(|| format!("{words:?} failed"))
}

async fn answers(port: u16) -> Result<()> {
    let mut connection = connect(port).await?;
    let _: String = run(&mut connection, &["PING"]).await?;
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("failed to create {}", to.display()))?;
    for entry in std::fs::read_dir(from).with_context(|| format!("failed to list {}", from.display()))? {
        let entry = entry.context("failed to list a directory")?;
        let target = to.join(entry.file_name());
        if entry.file_type().context("failed to ask for a file's type")?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).with_context(|| format!("failed to copy to {}", target.display()))?;
        }
    }
    Ok(())
}
