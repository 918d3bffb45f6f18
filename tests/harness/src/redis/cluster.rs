//! A Redis Cluster of primaries.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::server::{Server, Settings};
use crate::{port, wait};

/// Hash slots of a Cluster.
const SLOTS: usize = 16_384;
/// How long the servers may take to agree.
const AGREE: Duration = Duration::from_secs(60);

/// Several primaries that share the slots evenly. A primary that is away takes only its own slots with it.
#[derive(Debug)]
pub struct Cluster {
    servers: Vec<Server>,
    ids: Vec<String>,
}

impl Cluster {
    /// Three primaries.
    ///
    /// # Errors
    /// When they don't come up or don't agree.
    pub async fn start() -> Result<Self> {
        Self::of(3).await
    }

    /// So many primaries.
    ///
    /// # Errors
    /// When they don't come up or don't agree.
    pub async fn of(primaries: usize) -> Result<Self> {
        ensure!(primaries > 0, "a Cluster needs a primary");
        let settings = Settings::default()
            .set("cluster-enabled", "yes")
            .set("cluster-config-file", "nodes.conf")
            .set("cluster-node-timeout", "2000")
            .set("cluster-require-full-coverage", "no");
        let mut servers: Vec<Server> = Vec::new();
        let mut ids = Vec::new();
        for index in 0..primaries {
            let server = Server::at(port::free_with_bus(), &settings).await?;
            let (first, last) = (index * SLOTS / primaries, (index + 1) * SLOTS / primaries - 1);
            let range = [first.to_string(), last.to_string()];
            let () = server.command(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]).await?;
            let () = server.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]).await?;
            ids.push(server.command(&["CLUSTER", "MYID"]).await?);
            if let Some(known) = servers.first() {
                let () = server.command(&["CLUSTER", "MEET", "127.0.0.1", &known.port().to_string()]).await?;
            }
            servers.push(server);
        }
        let this = Self { servers, ids };
        this.wait_for_agreement().await?;
        Ok(this)
    }

    /// Addresses of all servers.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::address).collect()
    }

    /// The servers.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// One server.
    ///
    /// # Panics
    /// When there is no such one.
    pub fn server(&mut self, index: usize) -> &mut Server {
        &mut self.servers[index]
    }

    /// The slot of a key.
    ///
    /// # Errors
    /// When the first server is away.
    pub async fn slot(&self, key: &str) -> Result<u16> {
        self.servers[0].command(&["CLUSTER", "KEYSLOT", key]).await
    }

    /// The index of the server that has a slot.
    ///
    /// # Errors
    /// When the first server is away.
    pub async fn holder(&self, slot: u16) -> Result<usize> {
        let nodes: String = self.servers[0].command(&["CLUSTER", "NODES"]).await?;
        let holder = nodes.lines().find(|line| {
            let ranges = line.split_whitespace().skip(8).filter(|range| !range.starts_with('['));
            ranges.filter_map(bounds).any(|(first, last)| (first..=last).contains(&slot))
        });
        let id = holder.and_then(|line| line.split_whitespace().next()).context("nobody has the slot")?;
        self.ids.iter().position(|other| other == id).context("an unknown server has the slot")
    }

    /// Moves a slot with its keys, as resharding does; `during` runs while the slot is on the move.
    ///
    /// # Errors
    /// When a server is away or refuses.
    pub async fn move_slot<Fut: Future<Output = ()>>(&self, slot: u16, target: usize, during: Fut) -> Result<()> {
        let source = self.holder(slot).await?;
        ensure!(source != target, "the slot is there already");
        let (from, to) = (&self.servers[source], &self.servers[target]);
        let name = slot.to_string();
        let () = to.command(&["CLUSTER", "SETSLOT", &name, "IMPORTING", &self.ids[source]]).await?;
        let () = from.command(&["CLUSTER", "SETSLOT", &name, "MIGRATING", &self.ids[target]]).await?;
        during.await;
        let port = to.port().to_string();
        loop {
            let keys: Vec<String> = from.command(&["CLUSTER", "GETKEYSINSLOT", &name, "100"]).await?;
            if keys.is_empty() {
                break;
            }
            let mut words = vec!["MIGRATE", "127.0.0.1", port.as_str(), "", "0", "5000", "KEYS"];
            words.extend(keys.iter().map(String::as_str));
            let () = from.command(&words).await?;
        }
        // The new holder first: a client that is sent there must be served.
        for server in std::iter::once(to).chain(self.servers.iter().filter(|server| server.port() != to.port())) {
            let () = server.command(&["CLUSTER", "SETSLOT", &name, "NODE", &self.ids[target]]).await?;
        }
        Ok(())
    }

    /// Waits until every server sees all slots served and all others.
    ///
    /// # Errors
    /// When they don't agree in a minute.
    pub async fn wait_for_agreement(&self) -> Result<()> {
        let known = format!("cluster_known_nodes:{}", self.servers.len());
        for server in &self.servers {
            wait::until("a Cluster that agrees", AGREE, || async {
                let info: String = server.command(&["CLUSTER", "INFO"]).await?;
                let has = |line: &str| info.lines().any(|other| other.trim_end() == line);
                let agreed = has("cluster_state:ok") && has(&known) && has(&format!("cluster_slots_ok:{SLOTS}"));
                Ok(agreed.then_some(()))
            })
            .await?;
        }
        Ok(())
    }
}

fn bounds(range: &str) -> Option<(u16, u16)> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some((first.parse().ok()?, last.parse().ok()?))
}
