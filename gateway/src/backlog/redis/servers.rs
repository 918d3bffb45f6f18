//! Carries commands to the primary that serves a key, following redirects; never sends a write whose fate is unknown again.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::answer::{Answer, unavailable};
use super::link::Link;
use super::options::{Address, Options};
use super::script::Script;
use super::topology::{Map, Topology};
use crate::backlog::BacklogError;

/// Answers like MOVED that one call follows; a slot on the move needs two, a script that isn't loaded one more.
const MAX_HOPS: usize = 8;

/// The primaries and a command link to each.
pub(super) struct Servers {
    options: Arc<Options>,
    pub(super) topology: Topology,
    links: Mutex<HashMap<Address, Arc<Link>>>,
    lost: Arc<Notify>,
}

impl Servers {
    pub(super) fn start(options: Arc<Options>) -> Self {
        let lost = Arc::new(Notify::new());
        let topology = Topology::start(Arc::clone(&options), Arc::clone(&lost));
        Self { options, topology, links: Mutex::default(), lost }
    }

    fn link(&self, address: &Address) -> Arc<Link> {
        let mut links = self.links.lock();
        if let Some(link) = links.get(address) {
            return Arc::clone(link);
        }
        let map = self.topology.map();
        links.retain(|known, _| map.primaries.contains(known));
        let link = Link::start(Arc::clone(&self.options), address.clone(), None, Arc::clone(&self.lost));
        Arc::clone(links.entry(address.clone()).or_insert(Arc::new(link)))
    }

    /// Whether every known primary is connected.
    pub(super) fn are_up(&self) -> bool {
        let map = self.topology.map();
        let links = self.links.lock();
        !map.primaries.is_empty()
            && map.primaries.iter().all(|address| links.get(address).is_some_and(|link| link.is_up()))
    }

    /// Whether the primary of a key is known and connected now.
    pub(super) fn is_up(&self, key: &str) -> bool {
        let map = self.topology.map();
        map.primary(key).is_some_and(|address| self.links.lock().get(address).is_some_and(|link| link.is_up()))
    }

    /// The map, as soon as one is known.
    pub(super) async fn map(&self) -> Result<Arc<Map>, BacklogError> {
        let mut changes = self.topology.changes();
        let known = async {
            loop {
                changes.mark_unchanged();
                let map = self.topology.map();
                if !map.primaries.is_empty() {
                    return Some(map);
                }
                changes.changed().await.ok()?;
            }
        };
        let unknown = || BacklogError::Unavailable("the primaries aren't known yet".into());
        timeout(self.options.call_timeout, known).await.ok().flatten().ok_or_else(unknown)
    }

    /// Runs what `build` makes for the primary that turns out to serve `key`.
    pub(super) async fn run(
        &self,
        key: &str,
        script: Option<&Script>,
        build: impl Fn(&Address) -> Result<Cmd, BacklogError> + Send,
    ) -> Result<Value, BacklogError> {
        let late = |_| BacklogError::Unavailable(format!("no answer within {:?}", self.options.call_timeout));
        timeout(self.options.call_timeout, self.follow(key, script, build)).await.map_err(late)?
    }

    async fn follow(
        &self,
        key: &str,
        script: Option<&Script>,
        build: impl Fn(&Address) -> Result<Cmd, BacklogError> + Send,
    ) -> Result<Value, BacklogError> {
        let (mut target, mut asking) = (None, false);
        for _ in 0..MAX_HOPS {
            let address = match target.take() {
                Some(address) => address,
                None => self.map().await?.primary(key).cloned().ok_or_else(|| {
                    self.topology.suspect();
                    BacklogError::Unavailable("no primary serves the slot".into())
                })?,
            };
            let command = build(&address)?;
            let link = self.link(&address);
            let mut connection = self.connection(&link).await?;
            let value = send(&mut connection, &command, asking).await.map_err(|error| {
                link.suspect();
                self.topology.suspect();
                unavailable(&address, &error)
            })?;
            match Answer::of(value, &address) {
                Answer::Done(value) => return Ok(value),
                Answer::NoScript => {
                    let script = script.ok_or_else(|| BacklogError::Unavailable("a script is missing".into()))?;
                    load(&mut connection, script).await.map_err(|error| unavailable(&address, &error))?;
                    target = Some(address);
                }
                Answer::Moved(to) => {
                    self.topology.suspect();
                    (target, asking) = (Some(to), false);
                }
                Answer::Ask(to) => (target, asking) = (Some(to), true),
                Answer::Later { reason, elsewhere } => {
                    if elsewhere {
                        self.topology.suspect();
                    }
                    return Err(BacklogError::Unavailable(format!("{address}: {reason}")));
                }
                Answer::Refused(reason) => return Err(BacklogError::Refused(reason)),
            }
        }
        Err(BacklogError::Unavailable("redirected too often".into()))
    }

    /// Runs a command on one primary, wherever its keys should be.
    pub(super) async fn ask(
        &self,
        address: &Address,
        command: &Cmd,
        script: Option<&Script>,
    ) -> Result<Value, BacklogError> {
        let question = async {
            let link = self.link(address);
            let mut connection = self.connection(&link).await?;
            for _ in 0..2 {
                let value = send(&mut connection, command, false).await.map_err(|error| {
                    link.suspect();
                    self.topology.suspect();
                    unavailable(address, &error)
                })?;
                match (Answer::of(value, address), script) {
                    (Answer::Done(value), _) => return Ok(value),
                    (Answer::NoScript, Some(script)) => {
                        load(&mut connection, script).await.map_err(|error| unavailable(address, &error))?;
                    }
                    (Answer::Refused(reason), _) => return Err(BacklogError::Refused(reason)),
                    (other, _) => {
                        self.topology.suspect();
                        return Err(BacklogError::Unavailable(format!("{address}: {other:?}")));
                    }
                }
            }
            Err(BacklogError::Unavailable(format!("{address}: the script doesn't stay loaded")))
        };
        let late = |_| BacklogError::Unavailable(format!("no answer within {:?}", self.options.call_timeout));
        timeout(self.options.call_timeout, question).await.map_err(late)?
    }

    /// Waits a little less long than the call may take, so that the caller hears why there is no connection.
    async fn connection(&self, link: &Link) -> Result<MultiplexedConnection, BacklogError> {
        link.connection(self.options.call_timeout.mul_f64(0.8))
            .await
            .map_err(|reason| BacklogError::Unavailable(reason.to_string()))
    }
}

async fn send(connection: &mut MultiplexedConnection, command: &Cmd, asking: bool) -> redis::RedisResult<Value> {
    if !asking {
        return connection.send_packed_command(command).await;
    }
    let mut pipeline = redis::pipe();
    pipeline.cmd("ASKING").add_command(command.clone());
    let mut values = connection.send_packed_commands(&pipeline, 0, 2).await?;
    Ok(values.pop().unwrap_or_default())
}

async fn load(connection: &mut MultiplexedConnection, script: &Script) -> redis::RedisResult<()> {
    redis::cmd("SCRIPT").arg("LOAD").arg(script.body).exec_async(connection).await
}
