//! Which primaries there are, and which of them serves a slot.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Value};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::keys::{SLOTS, slot};
use super::link::{Task, client};
use super::options::{Address, Credentials, Mode, Options};

/// The primaries at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Map {
    /// Ascending by address; each serves at least one slot.
    pub(super) primaries: Vec<Address>,
    /// Index into `primaries` by slot; `u16::MAX`: nobody serves it. `None`: the one primary serves all.
    slots: Option<Box<[u16]>>,
}

impl Map {
    fn single(primary: Address) -> Self {
        Self { primaries: vec![primary], slots: None }
    }

    /// The primary of a key or shard channel.
    pub(super) fn primary(&self, key: &str) -> Option<&Address> {
        let index = self.slots.as_ref().map_or(0, |slots| slots[usize::from(slot(key))]);
        self.primaries.get(usize::from(index))
    }

    /// The smallest number that, as a hash tag, lies with each primary: one name for what is kept once per primary.
    pub(super) fn tags(&self) -> Vec<(u32, &Address)> {
        let mut found = vec![None; self.primaries.len()];
        // Every slot has a number below 2^18 or so; the bound only keeps a broken map from spinning.
        for tag in 0..1_000_000 {
            let index = self.slots.as_ref().map_or(0, |slots| slots[usize::from(slot(&tag.to_string()))]);
            if let Some(entry @ None) = found.get_mut(usize::from(index)) {
                *entry = Some(tag);
                if found.iter().all(Option::is_some) {
                    break;
                }
            }
        }
        found.iter().zip(&self.primaries).filter_map(|(tag, primary)| Some(((*tag)?, primary))).collect()
    }
}

/// The current map, kept current.
pub(super) struct Topology {
    map: Arc<ArcSwap<Map>>,
    changes: watch::Receiver<u64>,
    suspect: Arc<Notify>,
    _task: Task,
}

impl Topology {
    /// Begins to ask who the primaries are.
    pub(super) fn start(options: Arc<Options>, suspect: Arc<Notify>) -> Self {
        let first = match &options.mode {
            Mode::Standalone { address } => Map::single(address.clone()),
            Mode::Sentinel { .. } | Mode::Cluster { .. } => Map { primaries: Vec::new(), slots: None },
        };
        let map = Arc::new(ArcSwap::from_pointee(first));
        let (sender, changes) = watch::channel(0);
        let _task = Task::spawn(refresh(options, Arc::clone(&map), sender, Arc::clone(&suspect)));
        Self { map, changes, suspect, _task }
    }

    /// The map as last learnt; without primaries until the first answer.
    pub(super) fn map(&self) -> Arc<Map> {
        self.map.load_full()
    }

    /// Counts the changes of the map.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Something answered as if the map were outdated: ask again soon.
    pub(super) fn suspect(&self) {
        self.suspect.notify_one();
    }
}

async fn refresh(options: Arc<Options>, map: Arc<ArcSwap<Map>>, changes: watch::Sender<u64>, suspect: Arc<Notify>) {
    if matches!(options.mode, Mode::Standalone { .. }) {
        // Nothing ever changes; the sender lives on, so that nobody takes its end for an end of the topology.
        return std::future::pending().await;
    }
    loop {
        let known = map.load_full();
        match resolve(&options, &known).await {
            Ok(found) if found != *known => {
                tracing::info!(primaries = ?found.primaries, "redis primaries changed");
                map.store(Arc::new(found));
                changes.send_modify(|count| *count += 1);
            }
            Ok(_) => {}
            Err(reason) => tracing::warn!(%reason, "failed to learn the redis primaries"),
        }
        // Not more than ten times a second, however many calls complain.
        sleep(Duration::from_millis(100)).await;
        let _ = timeout(options.topology_interval, suspect.notified()).await;
    }
}

async fn resolve(options: &Options, known: &Map) -> Result<Map, String> {
    let mut reason = String::from("no node is named");
    let (asked, credentials) = match &options.mode {
        Mode::Standalone { address } => return Ok(Map::single(address.clone())),
        Mode::Sentinel { sentinels, credentials, .. } => (sentinels.clone(), credentials),
        Mode::Cluster { nodes } => {
            let learnt = known.primaries.iter().filter(|primary| !nodes.contains(primary));
            (nodes.iter().chain(learnt).cloned().collect(), &options.credentials)
        }
    };
    for address in asked {
        let question = async {
            let mut connection = open(options, &address, credentials).await?;
            match &options.mode {
                Mode::Sentinel { service, .. } => sentinel(&mut connection, service, &address).await,
                _ => cluster(&mut connection, &address).await,
            }
        };
        match timeout(options.connect_timeout, question).await {
            Ok(Ok(map)) => return Ok(map),
            Ok(Err(error)) => reason = format!("{address}: {error}"),
            Err(_) => reason = format!("{address}: no answer within {:?}", options.connect_timeout),
        }
    }
    Err(reason)
}

async fn open(
    options: &Options,
    address: &Address,
    credentials: &Credentials,
) -> Result<MultiplexedConnection, String> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(options.connect_timeout))
        .set_response_timeout(Some(options.connect_timeout));
    let client = client(options, address, credentials).map_err(|error| error.to_string())?;
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| error.to_string())
}

async fn sentinel(connection: &mut MultiplexedConnection, service: &str, asked: &Address) -> Result<Map, String> {
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
    let answer: Option<(String, u16)> = command.query_async(connection).await.map_err(|error| error.to_string())?;
    let (host, port) = answer.ok_or_else(|| format!("it watches no {service:?}"))?;
    Ok(Map::single(Address { host: if host.is_empty() { asked.host.clone() } else { host }, port }))
}

async fn cluster(connection: &mut MultiplexedConnection, asked: &Address) -> Result<Map, String> {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    let answer = connection.send_packed_command(&command).await.map_err(|error| error.to_string())?;
    let Value::Array(ranges) = answer else {
        return Err(format!("CLUSTER SLOTS answered {answer:?}"));
    };
    let ranges: Vec<_> = ranges.iter().filter_map(|range| read_range(range, asked)).collect();
    let mut primaries: Vec<Address> = ranges.iter().map(|(_, _, primary)| primary.clone()).collect();
    primaries.sort();
    primaries.dedup();
    if primaries.is_empty() {
        return Err("it knows no slots".into());
    }
    let mut slots = vec![u16::MAX; SLOTS].into_boxed_slice();
    for (from, to, primary) in ranges {
        let index = primaries.binary_search(&primary).ok().and_then(|index| u16::try_from(index).ok());
        if let (Some(range), Some(index)) = (slots.get_mut(from..=to), index) {
            range.fill(index);
        }
    }
    Ok(Map { primaries, slots: Some(slots) })
}

/// Reads `[from, to, [host, port, …], …replicas]`; an unknown host is the one that was asked.
fn read_range(range: &Value, asked: &Address) -> Option<(usize, usize, Address)> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(from), Value::Int(to), Value::Array(primary), ..] = &parts[..] else {
        return None;
    };
    let host = match primary.first()? {
        Value::BulkString(host) if !host.is_empty() && host != b"?" => String::from_utf8(host.clone()).ok()?,
        _ => asked.host.clone(),
    };
    let Value::Int(port) = primary.get(1)? else { return None };
    let address = Address { host, port: u16::try_from(*port).ok()? };
    Some((usize::try_from(*from).ok()?, usize::try_from(*to).ok()?, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_primary_has_a_tag_of_its_own() {
        let address = |port| Address { host: "h".into(), port };
        assert_eq!(Map::single(address(1)).tags(), [(0, &address(1))]);
        let mut slots = vec![0; SLOTS].into_boxed_slice();
        slots[8_192..].fill(1);
        slots[5] = 2;
        let map = Map { primaries: vec![address(1), address(2), address(3)], slots: Some(slots) };
        let tags = map.tags();
        assert_eq!(tags.len(), 3);
        for (tag, primary) in tags {
            assert_eq!(map.primary(&format!("egw:{{{tag}}}:watermark:g")), Some(primary));
        }
    }

    #[test]
    fn a_slot_that_nobody_serves_has_no_primary() {
        let slots = vec![u16::MAX; SLOTS].into_boxed_slice();
        let map = Map { primaries: vec![Address { host: "h".into(), port: 1 }], slots: Some(slots) };
        assert_eq!(map.primary("x"), None);
        assert!(map.tags().is_empty());
    }
}
