//! A primary and its replica, watched by three Sentinels.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::server::{Program, Server, Settings};
use crate::directory::Directory;
use crate::{port, wait};

/// The name by which Sentinels know the primary.
pub const PRIMARY: &str = "primary";
/// How long a failover may take.
const FAILOVER: Duration = Duration::from_secs(60);
/// How long Sentinels are left to turn an old primary round.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two servers, one of them the primary, and three Sentinels, two of which must agree.
#[derive(Debug)]
pub struct Sentinel {
    servers: [Server; 2],
    sentinels: Vec<Server>,
}

impl Sentinel {
    /// Starts them and waits until everyone knows everyone. A primary is taken as down after one second.
    ///
    /// # Errors
    /// When one doesn't come up.
    pub async fn start() -> Result<Self> {
        let primary = Server::start().await?;
        let follows = Settings::default().set("replicaof", &format!("127.0.0.1 {}", primary.port()));
        let replica = Server::with(&follows).await?;
        replica.wait_for_info("replication", "master_link_status:up", FAILOVER).await?;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let port = port::free();
            let lines = [
                format!("port {port}"),
                "bind 127.0.0.1".to_owned(),
                format!("sentinel monitor {PRIMARY} 127.0.0.1 {} 2", primary.port()),
                format!("sentinel down-after-milliseconds {PRIMARY} 1000"),
                format!("sentinel failover-timeout {PRIMARY} 5000"),
            ];
            let directory = Directory::new("sentinel")?;
            sentinels.push(Server::of(Program::Sentinel, directory, port, None, None, &lines).await?);
        }
        let this = Self { servers: [primary, replica], sentinels };
        for sentinel in &this.sentinels {
            sentinel.wait_for_sentinel("num-other-sentinels", "2").await?;
            sentinel.wait_for_sentinel("num-slaves", "1").await?;
        }
        Ok(this)
    }

    /// Addresses of the Sentinels.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(Server::address).collect()
    }

    /// The port of the primary that Sentinels name now.
    ///
    /// # Errors
    /// When no Sentinel answers.
    pub async fn primary_port(&self) -> Result<u16> {
        let sentinel = self.sentinels.first().context("no Sentinel")?;
        let named: Vec<String> = sentinel.command(&["SENTINEL", "get-master-addr-by-name", PRIMARY]).await?;
        named.get(1).context("no port")?.parse().context("no port")
    }

    /// The primary that Sentinels name now.
    ///
    /// # Errors
    /// When no Sentinel answers.
    pub async fn primary(&mut self) -> Result<&mut Server> {
        let port = self.primary_port().await?;
        self.servers.iter_mut().find(|server| server.port() == port).context("an unknown primary")
    }

    /// The other one.
    ///
    /// # Errors
    /// When no Sentinel answers.
    pub async fn replica(&mut self) -> Result<&mut Server> {
        let port = self.primary_port().await?;
        self.servers.iter_mut().find(|server| server.port() != port).context("an unknown primary")
    }

    /// Kills the primary and waits until the replica is promoted; what hadn't reached the replica is lost.
    ///
    /// The old primary stays down: see [`Sentinel::revive`].
    ///
    /// # Errors
    /// When nobody is promoted in a minute.
    pub async fn fail_over(&mut self) -> Result<()> {
        let old = self.primary_port().await?;
        self.primary().await?.kill();
        self.wait_for_promotion(old).await
    }

    /// [`Sentinel::fail_over`] with a tail that is certainly lost: the replica is down while `write` runs.
    ///
    /// To freeze it wouldn't do: what the kernel has taken for it is read when it goes on.
    ///
    /// # Errors
    /// When nobody is promoted in a minute.
    pub async fn fail_over_losing<Fut: Future<Output = ()>>(&mut self, write: Fut) -> Result<()> {
        let old = self.primary_port().await?;
        self.replica().await?.kill();
        write.await;
        self.primary().await?.kill();
        self.replica().await?.resume().await?;
        self.wait_for_promotion(old).await
    }

    /// Freezes the primary until the replica was promoted, then lets it go on: it takes writes, which are lost, until
    /// Sentinels make it a replica. `meanwhile` passes between the two.
    ///
    /// # Errors
    /// When nobody is promoted in a minute, or the old primary doesn't follow in another.
    pub async fn fail_over_frozen<Fut: Future<Output = ()>>(&mut self, meanwhile: Fut) -> Result<()> {
        let old = self.primary_port().await?;
        self.primary().await?.freeze();
        self.wait_for_promotion(old).await?;
        meanwhile.await;
        let frozen = self.servers.iter_mut().find(|server| server.port() == old);
        let frozen = frozen.context("an unknown primary")?;
        frozen.thaw();
        let primary = self.primary_port().await?;
        let thawed = self.servers.iter().find(|server| server.port() == old);
        follow(thawed.context("an unknown primary")?, primary).await
    }

    /// Starts the server that is down; Sentinels make it a replica, or if they take their time, we do.
    ///
    /// # Errors
    /// When it doesn't come up or doesn't follow in a minute.
    pub async fn revive(&mut self) -> Result<()> {
        let primary = self.primary_port().await?;
        for server in self.servers.iter_mut().filter(|server| !server.runs()) {
            server.resume().await?;
        }
        for server in self.servers.iter().filter(|server| server.port() != primary) {
            follow(server, primary).await?;
        }
        Ok(())
    }

    async fn wait_for_promotion(&self, old: u16) -> Result<()> {
        wait::until("a promotion", FAILOVER, || async {
            Ok(self.primary_port().await.is_ok_and(|port| port != old).then_some(()))
        })
        .await?;
        let port = self.primary_port().await?;
        let promoted = self.servers.iter().find(|server| server.port() == port).context("an unknown primary")?;
        promoted.wait_for_info("replication", "role:master", FAILOVER).await
    }
}

impl Server {
    /// Waits until a Sentinel says `field` of the primary is `value`.
    async fn wait_for_sentinel(&self, field: &str, value: &str) -> Result<()> {
        wait::until(&format!("{field} {value}"), FAILOVER, || async {
            let state: std::collections::HashMap<String, String> =
                self.command(&["SENTINEL", "MASTER", PRIMARY]).await?;
            Ok((state.get(field).map(String::as_str) == Some(value)).then_some(()))
        })
        .await
    }
}

/// Waits until a server follows the primary. Sentinels on a busy machine may rest half a minute (TILT) before they turn an
/// old primary round; an operator wouldn't wait for them either.
async fn follow(server: &Server, primary: u16) -> Result<()> {
    const UP: &str = "master_link_status:up";
    if server.wait_for_info("replication", UP, PATIENCE).await.is_ok() {
        return Ok(());
    }
    let _: String = server.command(&["REPLICAOF", "127.0.0.1", &primary.to_string()]).await?;
    server.wait_for_info("replication", UP, FAILOVER).await
}
