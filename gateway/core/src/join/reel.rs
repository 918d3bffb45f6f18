//! One channel as a replica holds it: what was announced, released strictly in order.

use std::collections::HashMap;
use std::sync::Arc;

use super::course::{Course, Loss};
use super::released::Released;
use super::ring::{Bounds, Content, Ring};
use super::walker::{Pending, Pulled, Step, Walker};
use crate::entry::Entry;
use crate::page::{Announcement, Page};
use crate::position::Epoch;
use crate::source::{Generation, Origin, SourceId};
use crate::sse::{Gap, GapReason};
use crate::{Channel, Epochs, Event, Position, Standing, Timestamp};

/// What an announcement led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// So many events were released; subscribers are to be woken.
    Released(usize),
    /// Nothing new.
    Known,
    /// Something between is missing: read the backlog after [`Reel::head`] and hand the page to [`Reel::repair`].
    Hole,
}

/// The highest place released, by source.
type Places = HashMap<SourceId, (Generation, u64)>;

/// A tail that this replica had released and the backlog lost: its events come again, in the new epoch.
#[derive(Debug)]
struct Owed {
    /// The cursor of those who entered at or below it: just under the lowest place to stand in the new epoch, and above
    /// the lost tail, so that no replica, whether it has heard of the loss or not, takes it for proof of anything.
    mark: Position,
    /// Until these places were seen again.
    places: Places,
}

/// The recent events of a channel, in the order in which subscribers get them.
#[derive(Debug)]
pub struct Reel {
    channel: Channel,
    ring: Ring,
    head: Position,
    /// Start of the epoch that `head` stands in.
    epoch: Position,
    /// As last heard; the current one may have grown since.
    epochs: Epochs,
    released: Released,
    owed: Option<Owed>,
    /// The highest position heard of.
    heard: Position,
}

impl Reel {
    /// A channel just registered: subscribers start at its head.
    #[must_use]
    pub fn new(channel: Channel, standing: Standing, bounds: Bounds) -> Self {
        let head = standing.head();
        let epoch = standing.epochs.current().start;
        Self {
            channel,
            ring: Ring::new(head, bounds),
            head,
            epoch,
            epochs: standing.epochs,
            released: Released::default(),
            owed: None,
            heard: head,
        }
    }

    /// The last position released.
    #[must_use]
    pub fn head(&self) -> Position {
        self.head
    }

    /// Whoever stands here or above finds all that follows in memory.
    #[must_use]
    pub fn base(&self) -> Position {
        self.ring.base()
    }

    /// Takes what the primary announced. Only the next position is released; anything beyond it is a [`Heard::Hole`].
    pub fn announce(&mut self, announcement: &Announcement, now: Timestamp) -> Heard {
        let Some(last) = (announcement.events.len() as u64).checked_sub(1).map(|more| announcement.first.0 + more)
        else {
            return Heard::Known;
        };
        self.heard = self.heard.max(Position(last));
        if last <= self.head.0 {
            return Heard::Known;
        }
        if announcement.epoch != self.epoch || announcement.first > self.head.next() {
            return Heard::Hole;
        }
        let known = (self.head.0 + 1 - announcement.first.0) as usize;
        let mut released = 0;
        for (event, position) in announcement.events.iter().zip(announcement.first.0..).skip(known) {
            self.release(Position(position), self.epoch, event, now);
            released += 1;
        }
        Heard::Released(released)
    }

    /// Whether the backlog holds something that follows the head, or tore it off, so that a repair is needed.
    #[must_use]
    pub fn lags(&self, standing: &Standing) -> bool {
        standing.head() > self.head && self.course(&standing.epochs).is_unfinished()
    }

    /// The highest position heard of.
    #[must_use]
    pub fn heard(&self) -> Position {
        self.heard
    }

    /// Notes that `position` exists: somebody read it from the backlog.
    pub fn hear_of(&mut self, position: Position) {
        self.heard = self.heard.max(position);
    }

    /// Whether something above the head was announced that has not been released.
    #[must_use]
    pub fn has_hole(&self) -> bool {
        self.heard > self.head
    }

    /// Goes on with a page read after [`Self::head`]; `heard` is [`Self::heard`] as it was when the read was started (what
    /// was announced by then and is not in the page was lost again). Returns how many events were released, and a gap's
    /// reason if one had to be told. Call again with a further page while [`Self::lags`] says so.
    pub fn repair(&mut self, page: &Page, heard: Position, now: Timestamp) -> (usize, Option<GapReason>) {
        let epochs = &page.standing.epochs;
        // Announcements may have moved the head while the page was on its way.
        let known = page.entries.partition_point(|(position, _)| *position <= self.head);
        let mut course = self.course(epochs);
        let (mut released, mut told) = (0, None);
        for (position, event) in &page.entries[known..] {
            let start = epoch_of(epochs, *position).map_or(self.epoch, |epoch| epoch.start);
            if let Some(loss) = course.step(*position) {
                told = Some(loss.reason);
                self.tell(loss, start, now);
            }
            self.enter_epoch(epochs, start);
            self.release(*position, start, event, now);
            released += 1;
        }
        if page.entries.is_empty()
            && page.standing.head() > self.head
            && let Some(loss) = course.finish()
        {
            told = Some(loss.reason);
            self.tell(loss, epochs.current().start, now);
        }
        if epochs.current().start >= self.epochs.current().start {
            self.epochs = epochs.clone();
        }
        if self.heard <= heard && !self.lags(&page.standing) {
            self.heard = self.head;
        }
        (released, told)
    }

    /// A subscriber who starts with what comes from now on.
    #[must_use]
    pub fn walker_at_head(&self) -> Walker {
        Walker { live: true, ..Walker::at(self.head) }
    }

    /// A subscriber who has everything up to `position`, if the reel alone can prove that it goes on from there.
    #[must_use]
    pub fn walker_from(&self, position: Position) -> Option<Walker> {
        let within = self.ring.base() <= position && position <= self.head;
        // At the head of a reel that owes nothing, whatever the backlog lost is known here by place.
        let is_head = position == self.head && self.owed.is_none();
        (within && (is_head || self.continues(position))).then(|| Walker::at(position))
    }

    /// Gives a walker what follows and isn't known to be unwanted, at most `budget` bytes but at least one step.
    pub fn pull(
        &self,
        walker: &mut Walker,
        pending: &Pending,
        budget: usize,
        wanted: impl Fn(&Entry) -> bool,
        steps: &mut Vec<Step>,
    ) -> Pulled {
        walker.pull(&self.channel, &self.ring, self.head, (pending, budget), wanted, steps)
    }

    /// Moves a walker on to an event's position where nothing up to there is for its subscriber, if it stands before it.
    pub fn pass(&self, walker: &mut Walker, to: Position) {
        walker.pass(&self.ring, to);
    }

    /// The events among the last `count` that were released or told, oldest first.
    #[must_use]
    pub fn newest(&self, count: usize) -> Vec<Arc<Entry>> {
        let first = self.ring.len().saturating_sub(count);
        let slots = self.ring.slots_from(first);
        slots
            .filter_map(|slot| match &slot.content {
                Content::Event { entry, .. } => Some(Arc::clone(entry)),
                Content::Gap(_) => None,
            })
            .collect()
    }

    /// Forgets events that came before `time`; walkers that still need them read pages or overflow.
    pub fn forget_before(&mut self, time: Timestamp) {
        self.ring.forget_before(time);
    }

    /// Events in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Bytes in memory, as [`Entry::weight`] counts them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ring.weight_after(0)
    }

    /// Whether none is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn continues(&self, position: Position) -> bool {
        let epochs = self.epochs.as_slice();
        let Some(index) = epochs.iter().position(|epoch| {
            // The current epoch has grown since it was heard of.
            let end = if epoch.start == self.epoch { self.head.max(epoch.end) } else { epoch.end };
            Epoch { end, ..*epoch }.holds(position)
        }) else {
            return false;
        };
        epochs[index + 1..].iter().all(|epoch| epoch.torn.is_none())
    }

    /// The way on from the head. Unlike a cursor's position, the head may lie in a tail that the backlog lost: its events
    /// come again in the new epoch, and [`Self::release`] knows them.
    fn course<'a>(&self, epochs: &'a Epochs) -> Course<'a> {
        let own = epochs.as_slice().iter().find(|epoch| epoch.start == self.epoch);
        if own.is_some_and(|own| self.head > own.end && self.ring.base() > own.end) {
            // Part of the lost tail is no longer known by place: repeats of it could not be told.
            return Course::from_position(epochs, self.head);
        }
        Course::from_epoch(epochs, self.head, self.epoch)
    }

    /// Notes what the backlog owes when the head moves into a later epoch.
    fn enter_epoch(&mut self, epochs: &Epochs, start: Position) {
        if start == self.epoch {
            return;
        }
        let end = epochs.as_slice().iter().find(|epoch| epoch.start == self.epoch).map_or(self.head, |epoch| epoch.end);
        if self.head > end {
            let mut places = self.owed.take().map_or_else(Places::new, |owed| owed.places);
            for slot in self.ring.slots_from(self.ring.index_after(end)) {
                if let Content::Event { entry, .. } = &slot.content {
                    raise(&mut places, &entry.event.origin);
                }
            }
            self.owed = (!places.is_empty()).then_some(Owed { mark: Position(start.0 - 2), places });
        }
        self.released.leave(self.epoch, self.head);
        self.epoch = start;
    }

    fn release(&mut self, position: Position, epoch: Position, event: &Arc<Event>, now: Timestamp) {
        let origin = &event.origin;
        let again = self.released.note(origin, epoch);
        if let Some(owed) = &mut self.owed {
            let settled = owed.places.get(&origin.source).is_some_and(|&(generation, place)| {
                origin.generation > generation || origin.generation == generation && origin.place >= place
            });
            if settled {
                owed.places.remove(&origin.source);
            }
            if owed.places.is_empty() {
                self.owed = None;
            }
        }
        let owing = self.owed.as_ref().map(|owed| owed.mark);
        let entry = Arc::new(Entry::new(self.channel.clone(), position, Arc::clone(event)));
        self.ring.push(position, owing, Content::Event { entry, again }, now);
        self.head = position;
        self.heard = self.heard.max(position);
    }

    fn tell(&mut self, loss: Loss, epoch: Position, now: Timestamp) {
        let gap = Gap {
            channel: self.channel.clone(),
            reason: loss.reason,
            last: Some(self.head),
            next: loss.next,
            missing: loss.missing,
            // Into another epoch, the places that would tell repeats may be among what is missing.
            may_repeat: loss.may_repeat || epoch != self.epoch,
        };
        self.ring.push(loss.next, None, Content::Gap(gap), now);
        if epoch != self.epoch {
            self.released.leave(self.epoch, self.head);
        }
        self.head = loss.next;
        self.epoch = epoch;
        self.owed = None;
    }
}

fn raise(places: &mut Places, origin: &Origin) {
    let new = (origin.generation, origin.place);
    places.entry(origin.source.clone()).and_modify(|known| *known = (*known).max(new)).or_insert(new);
}

fn epoch_of(epochs: &Epochs, position: Position) -> Option<Epoch> {
    epochs.as_slice().iter().copied().find(|epoch| epoch.start <= position && position <= epoch.end)
}
