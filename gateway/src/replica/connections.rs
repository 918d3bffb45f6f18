//! The streams that this replica holds: counted, listed, closed from here, and recorded in the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use events_gateway_core::disconnect::Closing;
use parking_lot::Mutex;

use crate::backlog::ConnectionEntry;

/// Closes one stream: idempotent, returns at once.
pub type Close = Arc<dyn Fn(Closing) + Send + Sync>;

/// Most ended connections that wait to be taken out of the directory. What is forgotten beyond it lapses there with the
/// replica's entry; the directory is informational.
const MAX_ENDED: usize = 20_000;

/// The streams that a replica holds.
pub struct Connections {
    most: usize,
    admitted: AtomicUsize,
    opened: AtomicU64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    next: u64,
    /// By number, so from the oldest to the youngest.
    streams: BTreeMap<u64, HeldStream>,
    /// Numbers of those that the directory doesn't know yet.
    unrecorded: BTreeSet<u64>,
    /// Ids of those that the directory still knows and that are no more.
    ended: Vec<String>,
}

struct HeldStream {
    entry: Arc<ConnectionEntry>,
    close: Close,
    told: bool,
}

/// Room for one stream, given back when it is dropped.
pub struct Place {
    connections: Arc<Connections>,
    number: Option<u64>,
    /// What else the stream holds as long as it is there.
    held: Option<Box<dyn std::any::Any + Send>>,
}

/// What the directory is to be told: at most as much as was asked for.
#[derive(Debug, Default)]
pub struct Changes {
    /// New connections.
    pub opened: Vec<Arc<ConnectionEntry>>,
    /// Ids of ended ones.
    pub closed: Vec<String>,
    numbers: Vec<u64>,
}

impl Changes {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.closed.is_empty()
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").field("most", &self.most).field("open", &self.open()).finish_non_exhaustive()
    }
}

impl Connections {
    /// None yet, at most `most` at a time.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, admitted: AtomicUsize::new(0), opened: AtomicU64::new(0), held: Mutex::default() })
    }

    /// Takes room for one more stream; `None` when the replica is full.
    #[must_use]
    pub fn admit(self: &Arc<Self>) -> Option<Place> {
        self.admitted
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |admitted| {
                (admitted < self.most).then_some(admitted + 1)
            })
            .ok()?;
        Some(Place { connections: self.clone(), number: None, held: None })
    }

    /// How many streams are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.admitted.load(Ordering::Relaxed)
    }

    /// How many were ever opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// At most `most` of those for which `wanted` holds, the oldest first.
    #[must_use]
    pub fn list(&self, most: usize, wanted: impl Fn(&ConnectionEntry) -> bool) -> Vec<Arc<ConnectionEntry>> {
        let held = self.held.lock();
        held.streams
            .values()
            .filter(|stream| wanted(&stream.entry))
            .take(most)
            .map(|stream| stream.entry.clone())
            .collect()
    }

    /// Tells at most `most` streams to close that weren't told before, the oldest first; answers how many were told.
    pub fn close_oldest(&self, most: usize, mut closing: impl FnMut() -> Closing) -> usize {
        let chosen: Vec<Close> = {
            let mut held = self.held.lock();
            held.streams
                .values_mut()
                .filter(|stream| !stream.told)
                .take(most)
                .map(|stream| {
                    stream.told = true;
                    stream.close.clone()
                })
                .collect()
        };
        // Outside of the lock: closing may run the stream's end, which comes back here.
        for close in &chosen {
            close(closing());
        }
        chosen.len()
    }

    /// How many streams haven't been told to close.
    #[must_use]
    pub fn untold(&self) -> usize {
        self.held.lock().streams.values().filter(|stream| !stream.told).count()
    }

    /// Takes at most `most` news of each kind for the directory; [`Self::put_back`] returns what couldn't be told.
    #[must_use]
    pub fn changes(&self, most: usize) -> Changes {
        let mut held = self.held.lock();
        let numbers: Vec<u64> = held.unrecorded.iter().copied().take(most).collect();
        for number in &numbers {
            held.unrecorded.remove(number);
        }
        let opened =
            numbers.iter().filter_map(|number| held.streams.get(number).map(|stream| stream.entry.clone())).collect();
        let ended = held.ended.len().min(most);
        let closed = held.ended.drain(..ended).collect();
        Changes { opened, closed, numbers }
    }

    /// The directory wasn't told: these changes come again.
    pub fn put_back(&self, changes: Changes) {
        let mut held = self.held.lock();
        for number in changes.numbers {
            if held.streams.contains_key(&number) {
                held.unrecorded.insert(number);
            }
        }
        // Those that ended meanwhile are in `ended` already: their removal is idempotent.
        for id in changes.closed {
            held.remember_ended(id);
        }
    }

    /// The directory knows nothing of this replica (it has a new id): everything is to be told again.
    pub fn forget_recorded(&self) {
        let mut held = self.held.lock();
        held.unrecorded = held.streams.keys().copied().collect();
        held.ended.clear();
    }
}

impl Held {
    fn remember_ended(&mut self, id: String) {
        if self.ended.len() < MAX_ENDED {
            self.ended.push(id);
        }
    }
}

impl Place {
    /// Holds something for as long as the stream is there.
    pub fn hold(&mut self, held: impl Send + 'static) {
        self.held = Some(Box::new(held));
    }

    /// The stream is there: lists it, and lets it be closed from here. Answers what it is listed as.
    pub fn fill(&mut self, entry: ConnectionEntry, close: Close) -> Arc<ConnectionEntry> {
        let entry = Arc::new(entry);
        let mut held = self.connections.held.lock();
        let number = held.next;
        held.next += 1;
        held.streams.insert(number, HeldStream { entry: entry.clone(), close, told: false });
        held.unrecorded.insert(number);
        self.number = Some(number);
        self.connections.opened.fetch_add(1, Ordering::Relaxed);
        entry
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Dropped after the lock is released: the stream's close handle may own what locks again.
        let _stream = self.number.and_then(|number| {
            let mut held = self.connections.held.lock();
            let stream = held.streams.remove(&number)?;
            if !held.unrecorded.remove(&number) {
                held.remember_ended(stream.entry.connection.clone());
            }
            Some(stream)
        });
        self.connections.admitted.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use events_gateway_core::disconnect::DisconnectReason;
    use events_gateway_core::{Channel, Timestamp};

    pub(crate) fn entry(id: &str) -> ConnectionEntry {
        ConnectionEntry {
            connection: id.to_owned(),
            subject: None,
            channels: vec![Channel::everyone()],
            since: Timestamp(1),
            address: "192.0.2.1:1".to_owned(),
            agent: String::new(),
        }
    }

    type Closed = Arc<Mutex<Vec<(String, Closing)>>>;

    pub(crate) fn open(connections: &Arc<Connections>, id: &str, closed: &Closed) -> Place {
        let mut place = connections.admit().unwrap();
        let (closed, name) = (closed.clone(), id.to_owned());
        place.fill(entry(id), Arc::new(move |closing| closed.lock().push((name.clone(), closing))));
        place
    }

    fn drain() -> Closing {
        Closing::new(DisconnectReason::Drain, 0)
    }

    #[test]
    fn no_more_are_admitted_than_there_is_room_for() {
        let connections = Connections::new(2);
        let first = connections.admit().unwrap();
        let _second = connections.admit().unwrap();
        assert!(connections.admit().is_none());
        drop(first);
        assert!(connections.admit().is_some());
    }

    #[test]
    fn the_oldest_are_closed_first_and_each_is_told_once() {
        let (connections, closed) = (Connections::new(10), Closed::default());
        let _places: Vec<_> = ["a", "b", "c"].map(|id| open(&connections, id, &closed)).into();
        assert_eq!(connections.close_oldest(2, drain), 2);
        assert_eq!(connections.untold(), 1);
        assert_eq!(connections.close_oldest(5, drain), 1);
        assert_eq!(connections.close_oldest(5, drain), 0);
        let names: Vec<_> = closed.lock().iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn the_directory_hears_of_what_came_and_went_and_not_of_what_did_both() {
        let (connections, closed) = (Connections::new(10), Closed::default());
        let kept = open(&connections, "kept", &closed);
        drop(open(&connections, "brief", &closed));
        let changes = connections.changes(100);
        assert_eq!(changes.opened.len(), 1);
        assert!(changes.closed.is_empty());
        connections.put_back(changes);
        assert_eq!(connections.changes(100).opened[0].connection, "kept");
        assert!(connections.changes(100).is_empty());
        drop(kept);
        assert_eq!(connections.changes(100).closed, ["kept"]);
        assert_eq!(connections.open(), 0);
    }

    #[test]
    fn under_a_new_identity_everything_is_told_again() {
        let (connections, closed) = (Connections::new(10), Closed::default());
        let _kept = open(&connections, "kept", &closed);
        drop(connections.changes(100));
        connections.forget_recorded();
        assert_eq!(connections.changes(100).opened.len(), 1);
    }
}
