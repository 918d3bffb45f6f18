//! A backlog of one channel, as the rules of the design have it, with the faults that a real one has.

use std::sync::Arc;

use super::client::Assigned;
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
}

pub(crate) struct Server {
    state: State,
    /// The state before each append: what a promoted replica may be at.
    history: Vec<State>,
    /// The next offset that the consumer reads, per source.
    next: [u64; 2],
    generation: [u64; 2],
    /// What Kafka still has, per source.
    log_start: [u64; 2],
    log_end: [u64; 2],
    /// Highest position ever given out, by any life.
    highest: u64,
    pub(crate) assigned: Assigned,
    pub(crate) commits_early: bool,
}

fn event(source: usize, generation: u64, place: u64) -> Arc<Event> {
    Arc::new(Event {
        kind: "n".into(),
        data: Bytes::new(),
        time: Timestamp(1),
        attributes: Default::default(),
        id: None,
        key: None,
        origin: Origin { source: SourceId::new("b", "t", source as i32), generation: Generation(generation), place },
    })
}

impl Server {
    pub(crate) fn new() -> Self {
        let first = Epoch { start: Position(JUMP), end: Position(JUMP - 1), torn: None };
        let state = State { epochs: vec![first], log: Vec::new(), places: [None; 2] };
        Self {
            state,
            history: Vec::new(),
            next: [0; 2],
            generation: [1; 2],
            log_start: [0; 2],
            log_end: [0; 2],
            highest: JUMP,
            assigned: Assigned::new(),
            commits_early: false,
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
        self.next = [0, 1].map(|source| self.next[source].saturating_sub(3).max(self.log_start[source]));
        self.new_epoch(None);
        self.history.clear();
    }

    /// A replica is promoted that lacks the last appends; the consumer rewinds to what it provably holds.
    pub(crate) fn lose_tail(&mut self, appends: usize) {
        let Some(index) = self.history.len().checked_sub(appends) else {
            return;
        };
        let lost_at = self.next;
        self.state = self.history[index].clone();
        self.history.clear();
        self.next = [0, 1].map(|source| match self.state.places[source] {
            Some((generation, place)) if generation == self.generation[source] => {
                (place + 1).max(self.log_start[source])
            }
            _ => self.log_start[source],
        });
        if self.commits_early {
            self.next = lost_at;
        }
        self.new_epoch(None);
    }

    /// Everything is gone; what was committed isn't read again.
    pub(crate) fn flush(&mut self) {
        self.state.log.clear();
        self.state.epochs.clear();
        self.state.places = [None; 2];
        self.next = [0, 1].map(|source| self.next[source].saturating_sub(2).max(self.log_start[source]));
        self.new_epoch(None);
        self.history.clear();
    }

    /// Kafka lost records before they were read.
    pub(crate) fn tear(&mut self, source: usize, count: usize) {
        self.next[source] = self.log_end[source] + count as u64;
        self.log_start[source] = self.next[source];
        self.log_end[source] = self.next[source];
        self.new_epoch(Some(Torn::Source));
        self.history.clear();
    }

    pub(crate) fn trim(&mut self, keep: usize) {
        let drop = self.state.log.len().saturating_sub(keep);
        self.state.log.drain(..drop);
        self.history.clear();
    }

    /// Offsets set back by hand: a new generation, and records are delivered again.
    pub(crate) fn reset(&mut self, source: usize) {
        self.generation[source] += 1;
        self.next[source] = self.log_start[source];
        self.history.clear();
    }
}
