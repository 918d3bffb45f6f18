//! The recent events of a channel, bounded by number and weight.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::entry::Entry;
use crate::sse::Gap;
use crate::{Position, Timestamp};

/// How much a ring keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// At most so many events.
    pub events: usize,
    /// At most so many bytes ([`Entry::weight`]), but always the newest event.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { events: 1_024, bytes: 4 << 20 }
    }
}

/// What a walker meets at a position.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// An event. `again`: the reel had released it before; whoever entered at or below this position has it.
    Event { entry: Arc<Entry>, again: Option<Position> },
    /// A range that can't be delivered; the slot's position is the gap's `next`.
    Gap(Gap),
}

#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) position: Position,
    /// Whoever entered at or below this position holds events of a lost tail, which the backlog hasn't all got back yet:
    /// its cursor stays here, where no epoch holds it, so that a resume is told `may_repeat`.
    pub(super) owing: Option<Position>,
    pub(super) content: Content,
    /// Weight of all slots ever pushed before this one.
    before: u64,
    /// When it came, for dropping by age.
    at: Timestamp,
}

#[derive(Debug)]
pub(super) struct Ring {
    slots: VecDeque<Slot>,
    bounds: Bounds,
    /// Whoever stands here or above finds all that follows in the ring.
    base: Position,
    weight_pushed: u64,
}

impl Ring {
    pub(super) fn new(base: Position, bounds: Bounds) -> Self {
        Self { slots: VecDeque::new(), bounds, base, weight_pushed: 0 }
    }

    pub(super) fn base(&self) -> Position {
        self.base
    }

    pub(super) fn push(&mut self, position: Position, owing: Option<Position>, content: Content, at: Timestamp) {
        let weight = match &content {
            Content::Event { entry, .. } => entry.weight(),
            Content::Gap(_) => 0,
        };
        self.slots.push_back(Slot { position, owing, content, before: self.weight_pushed, at });
        self.weight_pushed += weight as u64;
        while self.slots.len() > self.bounds.events
            || self.slots.len() > 1 && self.weight_after(0) > self.bounds.bytes as u64
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.base = slot.position;
        }
    }

    /// Forgets what came before `time`.
    pub(super) fn forget_before(&mut self, time: Timestamp) {
        while self.slots.front().is_some_and(|slot| slot.at < time) {
            self.drop_oldest();
        }
        if self.slots.capacity() > 32 && self.slots.len() * 4 < self.slots.capacity() {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }

    /// Index of the first slot above `position`.
    pub(super) fn index_after(&self, position: Position) -> usize {
        // Most walkers are a few slots behind the newest.
        match self.slots.iter().rev().take(4).position(|slot| slot.position <= position) {
            Some(behind) => self.slots.len() - behind,
            None => self.slots.partition_point(|slot| slot.position <= position),
        }
    }

    pub(super) fn slots_from(&self, index: usize) -> impl DoubleEndedIterator<Item = &Slot> + ExactSizeIterator {
        self.slots.range(index..)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Weight of the slots from `index` on.
    pub(super) fn weight_after(&self, index: usize) -> u64 {
        self.slots.get(index).map_or(0, |slot| self.weight_pushed - slot.before)
    }
}
