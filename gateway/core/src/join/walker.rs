//! One subscriber's place in a channel.

use std::collections::HashSet;
use std::sync::Arc;

use super::ring::{Content, Ring, Slot};
use crate::entry::Entry;
use crate::sse::{Gap, GapReason};
use crate::{Channel, Position};

/// Where a subscriber stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walker {
    /// It has been given everything up to here, or been told.
    pub(super) position: Position,
    /// Where it began to read from the reel. Events that the reel releases a second time, in a later epoch, are not for
    /// those who were there the first time.
    pub(super) entered: Position,
    /// What its cursor says; see [`Slot::owing`].
    pub(super) mark: Position,
    /// Whether it has caught up once: only then is falling behind its own slowness.
    pub(super) live: bool,
}

/// What to do about a subscriber that fell too far behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overflow {
    /// End its stream: it resumes where it was.
    #[default]
    Disconnect,
    /// Drop the oldest events that wait for it.
    DropOldest,
    /// Keep the newest event of each key, in order of the newest, and drop the oldest of those that are still too many.
    LatestPerKey,
}

/// How much may wait for a subscriber that has caught up once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// At most so many events; below the ring's bound, or the ring's is the one that acts.
    pub events: usize,
    /// At most so many bytes, but always one event.
    pub bytes: usize,
    /// What happens beyond.
    pub overflow: Overflow,
}

impl Default for Pending {
    fn default() -> Self {
        Self { events: 512, bytes: 2 << 20, overflow: Overflow::default() }
    }
}

/// One thing to write, in order. `mark` is the cursor's position once it is written.
#[derive(Debug, Clone)]
pub enum Step {
    /// An event.
    Event {
        /// The event.
        entry: Arc<Entry>,
        /// The cursor's position with it.
        mark: Position,
    },
    /// A loss to tell.
    Gap {
        /// What to say.
        gap: Gap,
        /// The cursor's position with it.
        mark: Position,
    },
}

/// What a pull ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// Everything that there is has been given.
    CaughtUp,
    /// The budget is used up; there is more.
    More,
    /// What follows is no longer in memory: replay from the walker's mark.
    NeedsPage,
    /// Too slow, and the policy is to disconnect. Nothing was given.
    Overflowed,
}

impl Walker {
    /// Stands at `position`, having everything up to there.
    #[must_use]
    pub fn at(position: Position) -> Self {
        Self { position, entered: position, mark: position, live: false }
    }

    /// What it has been given everything up to.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// What its cursor says, and where a replay has to go on if the reel can't.
    #[must_use]
    pub fn mark(&self) -> Position {
        self.mark
    }

    pub(super) fn move_to(&mut self, position: Position) {
        self.position = position;
        self.mark = position;
    }

    /// Reads on from the ring what is `wanted`, at most `budget` bytes (but at least one step), into `steps`.
    pub(super) fn pull(
        &mut self,
        channel: &Channel,
        ring: &Ring,
        head: Position,
        (pending, budget): (&Pending, usize),
        wanted: impl Fn(&Entry) -> bool,
        steps: &mut Vec<Step>,
    ) -> Pulled {
        if self.position < ring.base() && !self.live {
            return Pulled::NeedsPage;
        }
        let first = ring.index_after(self.position);
        let waiting = ring.len() - first;
        if self.live
            && (self.position < ring.base()
                || waiting > pending.events
                || waiting > 1 && ring.weight_after(first) > pending.bytes as u64)
        {
            match pending.overflow {
                Overflow::Disconnect => return Pulled::Overflowed,
                Overflow::DropOldest => self.drop_oldest(channel, ring, first, pending, steps),
                Overflow::LatestPerKey => {
                    self.keep_latest_per_key(channel, ring, first, pending, &wanted, steps);
                    return Pulled::CaughtUp;
                }
            }
        }
        let mut given = 0;
        for slot in ring.slots_from(ring.index_after(self.position)) {
            if given >= budget {
                return Pulled::More;
            }
            given += self.step(slot, &wanted, steps);
        }
        self.position = self.position.max(head);
        self.live = true;
        Pulled::CaughtUp
    }

    /// Stands at a slot further on without what lies between. What is no longer in memory can't be stood at.
    pub(super) fn pass(&mut self, ring: &Ring, to: Position) {
        let slot = ring.index_after(to).checked_sub(1).and_then(|index| ring.slots_from(index).next());
        if let Some(slot) = slot.filter(|slot| self.position < to && slot.position == to) {
            self.stand_at(slot);
        }
    }

    fn stand_at(&mut self, slot: &Slot) {
        self.position = slot.position;
        self.mark = slot.owing.filter(|owing| self.entered <= *owing).unwrap_or(slot.position);
    }

    /// Passes one slot; returns the weight of what that gave.
    fn step(&mut self, slot: &Slot, wanted: impl Fn(&Entry) -> bool, steps: &mut Vec<Step>) -> usize {
        let last = self.mark;
        self.stand_at(slot);
        match &slot.content {
            Content::Event { again: Some(before), .. } if self.entered <= *before => 0,
            Content::Event { entry, .. } if !wanted(entry) => 0,
            Content::Event { entry, .. } => {
                steps.push(Step::Event { entry: Arc::clone(entry), mark: self.mark });
                entry.weight()
            }
            Content::Gap(gap) => {
                let gap = Gap { last: Some(last), ..gap.clone() };
                steps.push(Step::Gap { gap, mark: self.mark });
                256
            }
        }
    }

    fn drop_oldest(&mut self, channel: &Channel, ring: &Ring, first: usize, pending: &Pending, steps: &mut Vec<Step>) {
        let mut keep_from = first.max(ring.len().saturating_sub(pending.events));
        while keep_from + 1 < ring.len() && ring.weight_after(keep_from) > pending.bytes as u64 {
            keep_from += 1;
        }
        let last = self.mark;
        let missing = (self.position >= ring.base()).then(|| {
            let dropped = ring.slots_from(first).take(keep_from - first);
            dropped.filter(|slot| matches!(slot.content, Content::Event { .. })).count() as u64
        });
        match keep_from.checked_sub(1).and_then(|index| ring.slots_from(index).next()) {
            Some(slot) => self.stand_at(slot),
            None => self.move_to(ring.base()),
        }
        let next = self.position;
        let gap = overflow_gap(channel, last, next, missing);
        steps.push(Step::Gap { gap, mark: self.mark });
    }

    fn keep_latest_per_key(
        &mut self,
        channel: &Channel,
        ring: &Ring,
        first: usize,
        pending: &Pending,
        wanted: impl Fn(&Entry) -> bool,
        steps: &mut Vec<Step>,
    ) {
        let mut seen = HashSet::new();
        let mut bytes = 0;
        let mut kept = Vec::new();
        let mut highest_dropped = ring.base();
        let mut missing = 0;
        for slot in ring.slots_from(first).rev() {
            let keep = match &slot.content {
                Content::Gap(_) => true,
                Content::Event { entry, .. } => {
                    let newest = entry.event.key.as_ref().is_none_or(|key| seen.insert(Arc::clone(key)));
                    let fits =
                        kept.is_empty() || kept.len() < pending.events && bytes + entry.weight() <= pending.bytes;
                    bytes += if newest && fits { entry.weight() } else { 0 };
                    newest && fits
                }
            };
            if keep {
                kept.push(slot);
            } else {
                highest_dropped = highest_dropped.max(slot.position);
                missing += 1;
            }
        }
        let known = self.position >= ring.base();
        let gap = overflow_gap(channel, self.mark, highest_dropped, known.then_some(missing));
        // The survivors below `next` are still to come: until then a resume has to start where this one stood.
        steps.push(Step::Gap { gap, mark: self.mark });
        // The newest slot is always among them, so that the walker ends at the head.
        for slot in kept.into_iter().rev() {
            self.step(slot, &wanted, steps);
        }
    }
}

fn overflow_gap(channel: &Channel, last: Position, next: Position, missing: Option<u64>) -> Gap {
    Gap { channel: channel.clone(), reason: GapReason::Overflow, last: Some(last), next, missing, may_repeat: false }
}
