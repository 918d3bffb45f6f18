//! One store, two replicas, some clients, and what may happen to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use events_gateway::backlog::memory::{self, Keep, MemoryBacklog, Snapshot, Store};
use events_gateway::backlog::{Announcement, Backlog, Batch, Breaks, Listener, Placed, Watermarks};
use events_gateway::hub::{Hub, HubListener, Options, Resume, Subscribe};
use events_gateway_core::cursor::ChannelSet;
use events_gateway_core::join::Bounds;
use events_gateway_core::source::{Generation, Origin, SourceId};
use events_gateway_core::{Channel, Event, Timestamp};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::reader::Reader;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plant {
    None,
    /// Nobody compares a channel with its backlog, whatever happens.
    VerifyOff,
    /// Clients come back without their cursor.
    CursorForgotten,
    /// What a snapshot lacks isn't appended again.
    WatermarkOff,
}

/// What a hub hears, unless it is deaf for a while.
struct Ear {
    hub: Arc<HubListener>,
    is_deaf: AtomicBool,
    resumes: bool,
}

impl Listener for Ear {
    fn announced(&self, announcement: Announcement) {
        if !self.is_deaf.load(Ordering::Relaxed) {
            self.hub.announced(announcement);
        }
    }

    fn closed(&self, channel: &Channel, before: Timestamp) {
        self.hub.closed(channel, before);
    }

    fn resumed(&self, channels: Vec<Channel>) {
        if self.resumes {
            self.hub.resumed(channels);
        }
    }
}

struct Replica {
    hub: Arc<Hub>,
    backlog: Arc<MemoryBacklog>,
    ear: Arc<Ear>,
}

/// Of each channel, the place of the next record.
type Places = BTreeMap<&'static str, u64>;

/// The time of the store, of events and of openings: it is paused with tokio's.
#[derive(Clone, Copy)]
struct Clock(tokio::time::Instant);

impl Clock {
    fn now(self) -> Timestamp {
        Timestamp(1_800_000_000_000 + self.0.elapsed().as_millis() as u64)
    }
}

pub(crate) struct World {
    plant: Plant,
    clock: Clock,
    store: Store,
    replicas: [Replica; 2],
    /// The consumer's access, which is never cut off.
    consumer: MemoryBacklog,
    readers: Vec<Reader>,
    produced: Places,
    appended: Places,
    snapshot: Option<(Snapshot, Places)>,
}

fn backlog_options() -> memory::Options {
    memory::Options { retained_events: 40, ..memory::Options::default() }
}

fn replica(store: &Store, name: &str, plant: Plant) -> Replica {
    let listener = Arc::new(HubListener::default());
    let resumes = plant != Plant::VerifyOff;
    let ear = Arc::new(Ear { hub: listener.clone(), is_deaf: AtomicBool::new(false), resumes });
    let backlog = Arc::new(store.connect(backlog_options(), ear.clone()));
    let ring = Bounds { events: 8, bytes: 1 << 20 };
    let hub = Hub::new(backlog.clone(), Options { ring, page_events: 8, ..Options::default() }, name);
    listener.connect(hub.clone());
    if resumes {
        tokio::spawn(hub.clone().verify());
    }
    Replica { hub, backlog, ear }
}

impl World {
    pub(crate) fn new(plant: Plant) -> Self {
        let clock = Clock(tokio::time::Instant::now());
        let store = Store::new(Arc::new(move || clock.now()));
        Self {
            plant,
            clock,
            replicas: ["one", "two"].map(|name| replica(&store, name, plant)),
            consumer: store.connect(backlog_options(), Arc::new(HubListener::default())),
            store,
            readers: Vec::new(),
            produced: Places::new(),
            appended: Places::new(),
            snapshot: None,
        }
    }

    /// Something happens, and time passes, or not.
    pub(crate) async fn step(&mut self, random: &mut StdRng) -> Result<(), String> {
        let replica = random.random_range(0..2);
        match random.random_range(0..100) {
            0..35 => {
                let name = NAMES[random.random_range(0..NAMES.len())];
                *self.produced.entry(name).or_default() += random.random_range(1..6);
                self.append().await;
            }
            35..60 if !self.readers.is_empty() => {
                let reader = random.random_range(0..self.readers.len());
                self.readers[reader].read(random.random_range(1..4), &self.produced)?;
            }
            60..68 if self.readers.len() < 6 => {
                let count = random.random_range(1..3);
                let names: Vec<_> = NAMES.choose_multiple(random, count).copied().collect();
                self.readers.push(Reader::new(names));
                self.connect(self.readers.len() - 1, replica);
            }
            68..80 if !self.readers.is_empty() => {
                self.connect(random.random_range(0..self.readers.len()), replica);
            }
            80..84 => self.replicas[replica].ear.is_deaf.store(random.random_bool(0.5), Ordering::Relaxed),
            84..87 => self.replicas[replica].backlog.cut_off(),
            87..91 => self.replicas[replica].backlog.reconnect(),
            91 | 92 => self.snapshot = Some((self.store.snapshot(), self.appended.clone())),
            93 => self.store.restart(Keep::Everything),
            94 | 95 => self.go_back().await,
            96 => self.store.flush(),
            _ => {}
        }
        match random.random_range(0..10) {
            0..6 => tokio::task::yield_now().await,
            6..9 => pass(random.random_range(1..2_000)).await,
            _ => pass(random.random_range(2_000..30_000)).await,
        }
        Ok(())
    }

    /// The store is what it was at the snapshot, and the consumer reads again what it doesn't hold.
    async fn go_back(&mut self) {
        let Some((snapshot, appended)) = self.snapshot.take() else { return };
        self.store.restart(Keep::Snapshot(Box::new(snapshot)));
        if self.plant != Plant::WatermarkOff {
            self.appended = appended;
        }
        self.append().await;
    }

    /// Appends all that was produced.
    async fn append(&mut self) {
        for (name, end) in &self.produced {
            let places = self.appended.get(name).copied().unwrap_or(0)..*end;
            if places.is_empty() {
                continue;
            }
            let source = SourceId::new("b", name, 0);
            let event = |place| Event {
                kind: "n".into(),
                data: Bytes::from(format!("{name} {place}")),
                time: self.clock.now(),
                attributes: BTreeMap::default(),
                id: None,
                key: None,
                origin: Origin { source: source.clone(), generation: Generation(1), place },
            };
            let batch = Batch {
                channel: Channel::parse(name).unwrap(),
                source: source.clone(),
                generation: Generation(1),
                data_set: self.consumer.data_set().await.unwrap(),
                breaks: Breaks::default(),
                events: places.map(|place| Placed { event: Arc::new(event(place)), once: None }).collect(),
            };
            self.consumer.append(batch).await.unwrap();
            self.appended.insert(name, *end);
        }
    }

    fn connect(&mut self, reader: usize, replica: usize) {
        let reader = &mut self.readers[reader];
        let knows = !reader.id.is_empty() && self.plant != Plant::CursorForgotten;
        let channels = ChannelSet::new(reader.names.iter().map(|name| Channel::parse(name).unwrap())).unwrap();
        let resume = if knows { Resume::Cursor(reader.id.clone()) } else { Resume::Live };
        let request = Subscribe { resume, opened: self.clock.now(), ..Subscribe::to(channels, "c".into()) };
        reader.connect(self.replicas[replica].hub.subscribe(request).unwrap());
    }

    /// Lets everything heal, has every client come back, and asks each whether it has everything.
    pub(crate) async fn settle(&mut self) -> Result<(), String> {
        for replica in &self.replicas {
            replica.ear.is_deaf.store(false, Ordering::Relaxed);
            replica.backlog.reconnect();
        }
        self.append().await;
        for index in 0..self.readers.len() {
            // Those who are connected stay so half of the time.
            if index % 2 == 0 {
                self.connect(index, index / 2 % 2);
            }
        }
        for _ in 0..200 {
            pass(500).await;
            for index in 0..self.readers.len() {
                self.readers[index].read(20, &self.produced)?;
                if self.readers[index].is_gone() {
                    self.connect(index, index % 2);
                }
            }
        }
        self.readers.iter().try_for_each(|reader| reader.finish(&self.produced))
    }
}

async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
