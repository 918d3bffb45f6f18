//! A backlog of one channel, as the rules of the design have it, with the faults that a real one has.

use std::sync::Arc;

use super::client::Assigned;
use super::world::Plant;
use bytes::Bytes;
use events_gateway_core::page::{Announcement, Page};
use events_gateway_core::position::{Epoch, Torn};
use events_gateway_core::source::{Generation, Origin, SourceId};
use events_gateway_core::{Epochs, Event, Position, Standing, Timestamp};

/// How far a new epoch starts above everything before.
const JUMP: u64 = 1 << 20;

#[derive(Clone)]
struct State {
    epochs: Vec<Epoch>,
    log: Vec<(Position, Arc<Event>)>,
    /// Highest (generation, place) per source; `None` before the first.
    places: [Option<(u64, u64)>; 2],
    /// The watermark: offsets about to be committed, per source.
    marks: [u64; 2],
}

pub(crate) struct Server {
    state: State,
    /// The state before each append and mark: what a promoted replica may be at.
    history: Vec<State>,
    /// The next offset that the consumer reads, per source.
    next: [u64; 2],
    committed: [u64; 2],
    generation: [u64; 2],
    /// What Kafka still has, per source.
    log_start: [u64; 2],
    log_end: [u64; 2],
    /// Highest position ever given out, by any life.
    highest: u64,
    pub(crate) assigned: Assigned,
    plant: Plant,
}

/// Both sources number their ids alike: what one of them sent says nothing about the other.
fn event(source: usize, generation: u64, place: u64) -> Arc<Event> {
    Arc::new(Event {
        kind: "n".into(),
        data: Bytes::new(),
        time: Timestamp(1),
        attributes: Default::default(),
        id: Some(place.to_string().into()),
        key: None,
        origin: Origin { source: SourceId::new("b", "t", source as i32), generation: Generation(generation), place },
    })
}

impl Server {
    pub(crate) fn new(plant: Plant) -> Self {
        let first = Epoch { start: Position(JUMP), end: Position(JUMP - 1), torn: None };
        let state = State { epochs: vec![first], log: Vec::new(), places: [None; 2], marks: [0; 2] };
        Self {
            state,
            history: Vec::new(),
            next: [0; 2],
            committed: [0; 2],
            generation: [1; 2],
            log_start: [0; 2],
            log_end: [0; 2],
            highest: JUMP,
            assigned: Assigned::new(),
            plant,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing { epochs: Epochs::new(self.state.epochs.clone()).unwrap(), closed_before: None }
    }

    pub(crate) fn read(&self, after: Position, limit: usize) -> Page {
        let entries = self.state.log.iter().filter(|(position, _)| *position > after).take(limit).cloned().collect();
        Page { standing: self.standing(), entries }
    }

    /// The last (generation, place) of each source, once everything is read.
    pub(crate) fn produced(&self) -> [Option<(u64, u64)>; 2] {
        [0, 1].map(|source| {
            let end = self.log_end[source];
            (end > self.log_start[source]).then(|| (self.generation[source], end - 1))
        })
    }

    /// How far the consumer is behind.
    pub(crate) fn lag(&self, source: usize) -> usize {
        (self.log_end[source] - self.next[source]) as usize
    }

    pub(crate) fn append(&mut self, source: usize, count: usize) -> Option<Announcement> {
        if self.plant == Plant::CommitBeforeAppend {
            self.commit_up_to(source, self.next[source] + count as u64);
        }
        self.history.push(self.state.clone());
        let mut events = Vec::new();
        let current = self.state.epochs.last_mut().unwrap();
        let first = current.end.next();
        for place in self.next[source]..self.next[source] + count as u64 {
            let known = self.state.places[source];
            if known.is_some_and(|known| (self.generation[source], place) <= known) {
                continue;
            }
            self.state.places[source] = Some((self.generation[source], place));
            let is_known_of_other = self.state.places[1 - source].is_some_and(|(_, last)| place <= last);
            if self.plant == Plant::IdsAcrossSources && is_known_of_other {
                continue;
            }
            let event = event(source, self.generation[source], place);
            current.end = current.end.next();
            self.assigned.insert(current.end.0, (source, (self.generation[source], place)));
            self.state.log.push((current.end, Arc::clone(&event)));
            events.push(event);
        }
        let epoch = current.start;
        self.highest = self.highest.max(current.end.0);
        self.next[source] += count as u64;
        self.log_end[source] = self.log_end[source].max(self.next[source]);
        (!events.is_empty()).then(|| Announcement { channel: super::world::channel(), epoch, first, events })
    }

    /// What was appended is marked, then committed.
    pub(crate) fn commit(&mut self, source: usize) {
        self.commit_up_to(source, self.next[source]);
    }

    fn commit_up_to(&mut self, source: usize, offset: u64) {
        self.history.push(self.state.clone());
        self.state.marks[source] = self.state.marks[source].max(offset);
        self.committed[source] = self.committed[source].max(offset);
    }

    /// The consumer goes on at the lower of commit and watermark.
    fn rewind(&mut self) {
        self.next = [0, 1].map(|source| {
            let mark = if self.plant == Plant::WatermarkOff { u64::MAX } else { self.state.marks[source] };
            self.committed[source].min(mark).max(self.log_start[source])
        });
    }

    /// The source goes on here, and that is marked and committed.
    fn resolve(&mut self, source: usize, offset: u64) {
        self.next[source] = offset;
        self.committed[source] = offset;
        self.state.marks[source] = offset;
        self.history.clear();
    }

    fn new_epoch(&mut self, torn: Option<Torn>) {
        self.highest += JUMP;
        let start = Position(self.highest);
        self.state.epochs.push(Epoch { start, end: Position(start.0 - 1), torn });
        if self.state.epochs.len() > 16 {
            self.state.epochs.remove(0);
        }
    }

    /// Comes back with everything; the consumer rewinds, and everything is a repeat.
    pub(crate) fn restart(&mut self) {
        self.rewind();
        self.new_epoch(None);
        self.history.clear();
    }

    /// A replica is promoted that lacks the last appends and marks.
    pub(crate) fn lose_tail(&mut self, steps: usize) {
        let Some(index) = self.history.len().checked_sub(steps) else {
            return;
        };
        self.state = self.history[index].clone();
        self.history.clear();
        self.rewind();
        self.new_epoch(None);
    }

    /// Everything is gone, the watermark too; what was committed isn't read again.
    pub(crate) fn flush(&mut self) {
        self.state.log.clear();
        self.state.epochs.clear();
        self.state.places = [None; 2];
        self.state.marks = self.committed;
        self.rewind();
        self.new_epoch(None);
        self.history.clear();
    }

    /// Kafka lost records before they were read.
    pub(crate) fn tear(&mut self, source: usize, count: usize) {
        let start = self.log_end[source] + count as u64;
        self.log_start[source] = start;
        self.log_end[source] = start;
        self.resolve(source, start);
        self.new_epoch(Some(Torn::Source));
    }

    pub(crate) fn trim(&mut self, keep: usize) {
        let drop = self.state.log.len().saturating_sub(keep);
        self.state.log.drain(..drop);
        self.history.clear();
    }

    /// Offsets set back by hand: a new generation, and records are delivered again.
    pub(crate) fn reset(&mut self, source: usize) {
        self.generation[source] += 1;
        self.resolve(source, self.log_start[source]);
    }
}
