//! What has to follow a position, and what to tell where something else does.

use crate::sse::GapReason;
use crate::{Epochs, Position};

/// A loss found between two positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) reason: GapReason,
    /// The course goes on after this position.
    pub(super) next: Position,
    pub(super) missing: Option<u64>,
    pub(super) may_repeat: bool,
}

/// Somebody's way through the epochs of a channel, entry by entry.
#[derive(Debug)]
pub(super) struct Course<'a> {
    epochs: &'a Epochs,
    at: Position,
    /// Which epoch `at` stands in; `None` where none is proven to hold it.
    index: Option<usize>,
}

impl<'a> Course<'a> {
    /// Of somebody of whom only the position is known.
    pub(super) fn from_position(epochs: &'a Epochs, at: Position) -> Self {
        let index = epochs.as_slice().iter().position(|epoch| epoch.holds(at));
        Self { epochs, at, index }
    }

    /// Of somebody who knows in which epoch he stands, even if its end has been lost since.
    pub(super) fn from_epoch(epochs: &'a Epochs, at: Position, start: Position) -> Self {
        let index = epochs.as_slice().iter().position(|epoch| epoch.start == start);
        index.map_or_else(|| Self::from_position(epochs, at), |index| Self { epochs, at, index: Some(index) })
    }

    pub(super) fn at(&self) -> Position {
        self.at
    }

    /// The loss before the entry at `position`, which is above where the course stands, if there is one. Stands there then.
    pub(super) fn step(&mut self, position: Position) -> Option<Loss> {
        let epochs = self.epochs.as_slice();
        let index = epochs.iter().rposition(|epoch| epoch.start <= position);
        let next = Position(position.0 - 1);
        let loss = match self.torn_before(index.map_or(0, |index| index + 1)) {
            Some(reason) => Some(Loss { reason, next, missing: None, may_repeat: true }),
            None => (self.expected() != Some(position)).then(|| self.trimmed(next)),
        };
        (self.at, self.index) = (position, index);
        loss
    }

    /// The loss between here and the channel's head, after which nothing is retained. Stands at the head if there is one;
    /// a new epoch without any event is not entered: only its first event proves that it continues.
    pub(super) fn finish(&mut self) -> Option<Loss> {
        let head = self.epochs.current().end;
        let loss = match self.torn_before(self.epochs.as_slice().len()) {
            Some(reason) => Loss { reason, next: head, missing: None, may_repeat: true },
            None => {
                self.expected()?;
                self.trimmed(head)
            }
        };
        (self.at, self.index) = (head, Some(self.epochs.as_slice().len() - 1));
        Some(loss)
    }

    /// Whether there is anything between here and the head: events, or a loss.
    pub(super) fn is_unfinished(&self) -> bool {
        self.torn_before(self.epochs.as_slice().len()).is_some() || self.expected().is_some()
    }

    fn trimmed(&self, next: Position) -> Loss {
        let missing = Some(self.epochs.count_between(self.at, next));
        Loss { reason: GapReason::Trimmed, next, missing, may_repeat: false }
    }

    /// Why epochs up to this index don't continue from here.
    fn torn_before(&self, end: usize) -> Option<GapReason> {
        let from = self.index.map_or(0, |index| index + 1).min(end);
        let torn = self.epochs.as_slice()[from..end].iter().rev().find_map(|epoch| epoch.torn);
        torn.map(GapReason::from).or(self.index.is_none().then_some(GapReason::Epoch))
    }

    fn expected(&self) -> Option<Position> {
        let epochs = self.epochs.as_slice();
        let index = self.index?;
        if self.at < epochs[index].end {
            return Some(self.at.next());
        }
        epochs[index + 1..].iter().find(|epoch| epoch.start <= epoch.end).map(|epoch| epoch.start)
    }
}
