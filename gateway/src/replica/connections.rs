//! The streams that this replica holds: counted, listed, closed from here, and recorded in the directory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use events_gateway_core::disconnect::Closing;
use events_gateway_identity::{Digest, Proof};
use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::backlog::ConnectionEntry;

/// Closes one stream: idempotent, returns at once.
pub type Close = Arc<dyn Fn(Closing) + Send + Sync>;

/// Most ended connections that wait to be taken out of the directory. What is forgotten beyond it lapses there with the
/// replica's entry; the directory is informational.
const MAX_ENDED: usize = 20_000;

/// Says of a stream that was just opened whether it has to end at once.
pub type Guard = Arc<dyn Fn(&Proof) -> Option<Closing> + Send + Sync>;

/// The streams that a replica holds.
pub struct Connections {
    most: usize,
    guard: OnceLock<Guard>,
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
    /// By whose they are, and by the tokens that they were opened with: ascending numbers.
    by_digest: HashMap<Digest, SmallVec<[u64; 2]>>,
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
        Arc::new(Self {
            most,
            guard: OnceLock::new(),
            admitted: AtomicUsize::new(0),
            opened: AtomicU64::new(0),
            held: Mutex::default(),
        })
    }

    /// Has every stream looked at once more when it is listed here: what was judged before may have changed meanwhile, and
    /// whoever changed it didn't see the stream. The first call counts.
    pub fn guard(&self, guard: Guard) {
        let _ = self.guard.set(guard);
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

    /// Tells those streams to close that are of a subject, or were opened with a token, and for which `wanted` holds; answers how
    /// many. It looks at no others.
    pub fn close_of(
        &self,
        digest: &Digest,
        wanted: impl Fn(&Proof) -> bool,
        mut closing: impl FnMut() -> Closing,
    ) -> usize {
        let chosen: Vec<Close> = {
            let mut held = self.held.lock();
            let Held { streams, by_digest, .. } = &mut *held;
            let numbers = by_digest.get(digest).map(SmallVec::as_slice).unwrap_or_default();
            let mut choose = |number: &u64| {
                let stream = streams.get_mut(number)?;
                let is_wanted = stream.entry.proof.as_ref().is_some_and(&wanted);
                is_wanted.then(|| {
                    stream.told = true;
                    stream.close.clone()
                })
            };
            numbers.iter().filter_map(&mut choose).collect()
        };
        for close in &chosen {
            close(closing());
        }
        chosen.len()
    }

    /// Judges a stream once more that is listed now.
    fn look_again(&self, number: u64, proof: Option<&Proof>) {
        if let Some(closing) = proof.zip(self.guard.get()).and_then(|(proof, guard)| guard(proof)) {
            self.close(number, closing);
        }
    }

    /// Tells one stream to close, if it is still there.
    pub fn close(&self, number: u64, closing: Closing) {
        let close = self.held.lock().streams.get_mut(&number).map(|stream| {
            stream.told = true;
            stream.close.clone()
        });
        if let Some(close) = close {
            close(closing);
        }
    }

    /// Looks at `most` streams behind `after`, the oldest first: the number of the last one, for the next call, and those among
    /// them that are of somebody and haven't been told to close. `None` when there are no more.
    #[must_use]
    pub fn identified(&self, after: Option<u64>, most: usize) -> Option<(u64, Vec<(u64, Arc<ConnectionEntry>)>)> {
        let held = self.held.lock();
        let rest = held.streams.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).take(most);
        let (mut last, mut found) = (None, Vec::new());
        for (number, stream) in rest {
            last = Some(*number);
            if stream.entry.proof.is_some() && !stream.told {
                found.push((*number, stream.entry.clone()));
            }
        }
        last.map(|last| (last, found))
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

    fn index(&mut self, number: u64, proof: &Proof) {
        for digest in [Some(proof.subject), proof.token].into_iter().flatten() {
            let numbers = self.by_digest.entry(digest).or_default();
            if let Err(at) = numbers.binary_search(&number) {
                numbers.insert(at, number);
            }
        }
    }

    fn unindex(&mut self, number: u64, proof: &Proof) {
        for digest in [Some(proof.subject), proof.token].into_iter().flatten() {
            let Some(numbers) = self.by_digest.get_mut(&digest) else { continue };
            if let Ok(at) = numbers.binary_search(&number) {
                numbers.remove(at);
            }
            if numbers.is_empty() {
                self.by_digest.remove(&digest);
            }
        }
    }
}

impl Place {
    /// Holds something for as long as the stream is there, beside what it holds already.
    pub fn hold(&mut self, held: impl Send + 'static) {
        self.held = Some(match self.held.take() {
            None => Box::new(held),
            Some(before) => Box::new((before, held)),
        });
    }

    /// The stream is there: lists it, and lets it be closed from here. Answers what it is listed as.
    pub fn fill(&mut self, entry: ConnectionEntry, close: Close) -> Arc<ConnectionEntry> {
        let entry = Arc::new(entry);
        let number = {
            let mut held = self.connections.held.lock();
            let number = held.next;
            held.next += 1;
            held.streams.insert(number, HeldStream { entry: entry.clone(), close, told: false });
            held.unrecorded.insert(number);
            if let Some(proof) = &entry.proof {
                held.index(number, proof);
            }
            number
        };
        self.number = Some(number);
        self.connections.opened.fetch_add(1, Ordering::Relaxed);
        self.connections.look_again(number, entry.proof.as_ref());
        entry
    }

    /// What is listed has changed: what it subscribes to, or by which token it was proven whose it is, by which it is judged from now
    /// on. Only once it is filled.
    pub fn update(&self, entry: ConnectionEntry) {
        let Some(number) = self.number else { return };
        let proof = entry.proof;
        {
            let mut held = self.connections.held.lock();
            let Some(stream) = held.streams.get_mut(&number) else { return };
            let before = std::mem::replace(&mut stream.entry, Arc::new(entry));
            if let Some(before) = &before.proof {
                held.unindex(number, before);
            }
            if let Some(proof) = &proof {
                held.index(number, proof);
            }
            held.unrecorded.insert(number);
        }
        self.connections.look_again(number, proof.as_ref());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Dropped after the lock is released: the stream's close handle may own what locks again.
        let _stream = self.number.and_then(|number| {
            let mut held = self.connections.held.lock();
            let stream = held.streams.remove(&number)?;
            if let Some(proof) = &stream.entry.proof {
                held.unindex(number, proof);
            }
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
            issuer: None,
            proof: None,
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

    fn open_as(connections: &Arc<Connections>, id: &str, proof: Proof, closed: &Closed) -> Place {
        let mut place = connections.admit().unwrap();
        let (closed, name) = (closed.clone(), id.to_owned());
        let entry = ConnectionEntry { proof: Some(proof), ..entry(id) };
        place.fill(entry, Arc::new(move |closing| closed.lock().push((name.clone(), closing))));
        place
    }

    fn revoked() -> Closing {
        Closing::new(DisconnectReason::Revoked, 0)
    }

    #[test]
    fn streams_are_closed_by_subject_and_by_token_and_no_others() {
        let (connections, closed) = (Connections::new(10), Closed::default());
        let proof = |name, token, issued| Proof::new("https://id", name, Some(token), Some(issued), None);
        let early = proof("ann", "1", 5);
        let places = [
            open_as(&connections, "early", early, &closed),
            open_as(&connections, "late", proof("ann", "2", 9), &closed),
            open_as(&connections, "bob", proof("bob", "3", 5), &closed),
            open(&connections, "nobody", &closed),
        ];
        assert_eq!(connections.close_of(&early.subject, |proof| proof.issued < 7, revoked), 1);
        assert_eq!(connections.close_of(&proof("bob", "3", 0).token.unwrap(), |_| true, revoked), 1);
        assert_eq!(connections.close_of(&proof("bob", "4", 0).token.unwrap(), |_| true, revoked), 0);
        let names: Vec<_> = closed.lock().iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, ["early", "bob"]);
        drop(places);
        assert_eq!(connections.close_of(&early.subject, |_| true, revoked), 0);
        assert!(connections.held.lock().by_digest.is_empty(), "nothing is kept of ended streams");
    }

    #[test]
    fn a_stream_that_was_revoked_while_it_was_opened_is_closed() {
        let (connections, closed) = (Connections::new(10), Closed::default());
        connections.guard(Arc::new(|proof| (proof.issued < 7).then(revoked)));
        let proof = |issued| Proof::new("https://id", "ann", None, Some(issued), None);
        let _places =
            [open_as(&connections, "early", proof(6), &closed), open_as(&connections, "late", proof(7), &closed)];
        let names: Vec<_> = closed.lock().iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, ["early"]);
    }

    #[test]
    fn a_stream_whose_token_was_renewed_is_judged_by_the_new_one() {
        let (connections, closed) = (Connections::new(10), Closed::default());
        connections.guard(Arc::new(|proof| (proof.issued == 0).then(revoked)));
        let proof = |token, issued| Proof::new("https://id", "ann", Some(token), Some(issued), None);
        let (old, new) = (proof("old", 5), proof("new", 9));
        let place = open_as(&connections, "a", old, &closed);
        let younger = open_as(&connections, "b", new, &closed);
        place.update(ConnectionEntry { proof: Some(new), ..entry("a") });
        assert_eq!(connections.close_of(&old.token.unwrap(), |_| true, revoked), 0);
        assert_eq!(connections.close_of(&old.subject, |proof| proof.issued < 9, revoked), 0);
        assert_eq!(connections.close_of(&new.token.unwrap(), |_| true, revoked), 2);
        place.update(ConnectionEntry { proof: Some(proof("revoked", 0)), ..entry("a") });
        assert_eq!(closed.lock().len(), 3, "it is judged when it is renewed");
        drop((place, younger));
        assert!(connections.held.lock().by_digest.is_empty());
    }

    #[test]
    fn those_of_somebody_are_gone_through_page_by_page() {
        let (connections, closed) = (Connections::new(10), Closed::default());
        let proof = Proof::new("https://id", "ann", None, None, None);
        let _places = [
            open_as(&connections, "a", proof, &closed),
            open(&connections, "nobody", &closed),
            open_as(&connections, "b", proof, &closed),
        ];
        let (mut after, mut found) = (None, Vec::new());
        while let Some((last, page)) = connections.identified(after, 2) {
            after = Some(last);
            found.extend(page.into_iter().map(|(_, entry)| entry.connection.clone()));
        }
        assert_eq!(found, ["a", "b"]);
    }

    #[test]
    fn whatever_a_place_holds_is_given_back_with_it() {
        let (one, other) = (Arc::new(()), Arc::new(()));
        let mut place = Connections::new(1).admit().unwrap();
        place.hold(one.clone());
        place.hold(other.clone());
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&other)), (2, 2));
        drop(place);
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&other)), (1, 1));
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
