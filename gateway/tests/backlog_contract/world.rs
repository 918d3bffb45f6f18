//! What the suite runs against: clients of one shared backlog, and what may happen to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use events_gateway::backlog::redis::{Mode, RedisBacklog};
use events_gateway::backlog::{
    Announcement, Backlog, Confirmations, Directory, Listener, Quotas, Secrets, Tickets, Watermarks, memory, redis,
};
use events_gateway_core::{Channel, Event, Position, Timestamp};
use parking_lot::Mutex;

use crate::servers::Server;

/// All ports of one client.
pub(crate) trait Ports: Backlog + Watermarks + Directory + Tickets + Secrets + Confirmations + Quotas {}
impl<T: Backlog + Watermarks + Directory + Tickets + Secrets + Confirmations + Quotas> Ports for T {}

/// Retention that a test wants.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) events: u64,
    pub(crate) age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { events: 10_000, age: Duration::from_secs(4 * 3600) }
    }
}

/// What a restart leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Everything,
    Nothing,
    /// What was there at the last `snapshot`.
    Snapshot,
}

/// A place where the contract must hold.
pub(crate) trait World: Send + Sync {
    fn connect(&self, limits: Limits, listener: Arc<dyn Listener>) -> Arc<dyn Ports>;
    /// Puts something else into the place of a channel's backlog.
    fn spoil(&self, channel: &Channel);
}

/// A world that can lose its memory.
pub(crate) trait Mortal: World {
    fn snapshot(&mut self);
    fn restart(&mut self, keep: Keep);
    fn flush(&self);
}

pub(crate) struct Memory {
    store: memory::Store,
    snapshot: memory::Snapshot,
}

impl Memory {
    pub(crate) fn start() -> Self {
        Self { store: memory::Store::default(), snapshot: memory::Snapshot::default() }
    }
}

impl World for Memory {
    fn connect(&self, limits: Limits, listener: Arc<dyn Listener>) -> Arc<dyn Ports> {
        let options = memory::Options {
            retained_events: usize::try_from(limits.events).unwrap(),
            retained_age: limits.age,
            ..memory::Options::default()
        };
        Arc::new(self.store.connect(options, listener))
    }

    fn spoil(&self, channel: &Channel) {
        self.store.spoil(channel);
    }
}

impl Mortal for Memory {
    fn snapshot(&mut self) {
        self.snapshot = self.store.snapshot();
    }

    fn restart(&mut self, keep: Keep) {
        self.store.restart(match keep {
            Keep::Everything => memory::Keep::Everything,
            Keep::Nothing => memory::Keep::Nothing,
            Keep::Snapshot => memory::Keep::Snapshot(Box::new(self.snapshot.clone())),
        });
    }

    fn flush(&self) {
        self.store.flush();
    }
}

pub(crate) fn options(mode: Mode, limits: Limits) -> redis::Options {
    redis::Options {
        mode,
        retained_events: limits.events,
        retained_age: limits.age,
        ping_interval: Duration::from_secs(1),
        topology_interval: Duration::from_millis(500),
        ..redis::Options::default()
    }
}

/// One server of its own.
pub(crate) struct Standalone {
    pub(crate) server: Server,
}

impl Standalone {
    pub(crate) fn start() -> Self {
        Self { server: Server::start(&[]) }
    }

    fn dump(&self) -> PathBuf {
        self.server.path().join("dump.rdb")
    }
}

impl World for Standalone {
    fn connect(&self, limits: Limits, listener: Arc<dyn Listener>) -> Arc<dyn Ports> {
        let mode = Mode::Standalone { address: self.server.address().parse().unwrap() };
        Arc::new(RedisBacklog::start(options(mode, limits), listener).unwrap())
    }

    fn spoil(&self, channel: &Channel) {
        self.server.command(&["SET", &format!("egw:{{{channel}}}:backlog"), "something else"]);
    }
}

impl Mortal for Standalone {
    fn snapshot(&mut self) {
        self.server.command(&["SAVE"]);
        std::fs::copy(self.dump(), self.dump().with_extension("snapshot")).unwrap();
    }

    fn restart(&mut self, keep: Keep) {
        match keep {
            Keep::Everything => drop(self.server.command(&["SAVE"])),
            Keep::Nothing => drop(std::fs::remove_file(self.dump())),
            Keep::Snapshot => {
                std::fs::copy(self.dump().with_extension("snapshot"), self.dump()).unwrap();
            }
        }
        self.server.restart();
    }

    fn flush(&self) {
        self.server.command(&["FLUSHALL"]);
    }
}

/// Notes what it is told.
#[derive(Default)]
pub(crate) struct Ear {
    pub(crate) announced: Mutex<Vec<Announcement>>,
    pub(crate) closed: Mutex<Vec<(Channel, Timestamp)>>,
    pub(crate) resumed: Mutex<Vec<Channel>>,
}

impl Listener for Ear {
    fn announced(&self, announcement: Announcement) {
        self.announced.lock().push(announcement);
    }

    fn closed(&self, channel: &Channel, before: Timestamp) {
        self.closed.lock().push((channel.clone(), before));
    }

    fn resumed(&self, channels: Vec<Channel>) {
        self.resumed.lock().extend(channels);
    }
}

impl Ear {
    /// Every event heard of a channel, at its position.
    pub(crate) fn heard(&self, channel: &Channel) -> Vec<(Position, Arc<Event>)> {
        let mut heard = Vec::new();
        for announcement in self.announced.lock().iter().filter(|announcement| announcement.channel == *channel) {
            for (event, position) in announcement.events.iter().zip(announcement.first.0..) {
                heard.push((Position(position), Arc::clone(event)));
            }
        }
        heard
    }
}

/// Polls until a condition holds; fails after 20 s.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_async(what, async || holds()).await;
}

/// As [`until`], for a condition that has to be asked for.
pub(crate) async fn until_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within 20 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
