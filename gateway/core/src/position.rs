//! Where an event stands in its channel, and what can be proven about the positions before it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How many epochs a channel remembers, the current one included.
pub const MAX_EPOCHS: usize = 16;

/// One integer per channel that only grows, contiguous within an [`Epoch`]. Below 2^53, so that Redis' scripts, which
/// count in doubles, hold it exactly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Position(pub u64);

impl Position {
    /// The position that follows within the same epoch.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Where an epoch that begins now starts at least: the time in 1/64 ms since 2026.
    #[must_use]
    pub fn begun_at(now: Timestamp) -> Self {
        Self(now.0.saturating_sub(BIRTH) * 64)
    }

    /// An epoch that starts here began then or earlier.
    #[must_use]
    pub fn begun_by(self) -> Timestamp {
        Timestamp(BIRTH + self.0 / 64)
    }
}

/// 2026-01-01 in milliseconds.
const BIRTH: u64 = 1_767_225_600_000;

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why nothing before an epoch's start may be taken as continued by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Torn {
    /// Records were, or may have been, skipped: Kafka itself had lost them (retention, truncation, a topic created anew), or
    /// the backlog had lost what was committed already.
    Source,
}

/// One provable life of a backlog: positions `start ..= end` are contiguous. Empty when `end` is `start - 1`, which is
/// also the position of a subscriber that has everything before the epoch's first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// First position that the epoch assigns.
    pub start: Position,
    /// Last position that it has assigned (so far, for the current one).
    pub end: Position,
    /// Set when the events between this epoch and those before can't all be had again.
    pub torn: Option<Torn>,
}

impl Epoch {
    /// Whether a subscriber may stand here: `start - 1 ..= end`.
    #[must_use]
    pub fn holds(&self, position: Position) -> bool {
        self.start.0 <= position.0 + 1 && position <= self.end
    }
}

/// The last [`MAX_EPOCHS`] epochs of a channel, oldest first, starts and ends ascending; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs(Vec<Epoch>);

/// Why a list is not a channel's epochs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EpochsError {
    /// There is none, or there are more than [`MAX_EPOCHS`].
    #[error("a channel has 1 to {MAX_EPOCHS} epochs, not {0}")]
    Count(usize),
    /// The epoch at this index overlaps the one before, or starts at 0, or ends before it starts.
    #[error("epoch {0} does not follow the one before it")]
    Order(usize),
}

impl Epochs {
    /// Proves a list.
    pub fn new(epochs: Vec<Epoch>) -> Result<Self, EpochsError> {
        if epochs.is_empty() || epochs.len() > MAX_EPOCHS {
            return Err(EpochsError::Count(epochs.len()));
        }
        let mut floor = 0;
        for (index, epoch) in epochs.iter().enumerate() {
            if epoch.start.0 <= floor || epoch.end.0 + 1 < epoch.start.0 {
                return Err(EpochsError::Order(index));
            }
            floor = epoch.end.0.max(epoch.start.0);
        }
        Ok(Self(epochs))
    }

    /// Oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[Epoch] {
        &self.0
    }

    /// The epoch that appends go to.
    #[must_use]
    pub fn current(&self) -> Epoch {
        self.0[self.0.len() - 1]
    }

    /// Whether a subscriber who has everything up to `position` can go on without a gap, as far as epochs tell (events
    /// may still have been trimmed): `position` lies within one epoch, and no later one is torn.
    #[must_use]
    pub fn continue_from(&self, position: Position) -> bool {
        let index = self.0.iter().position(|epoch| epoch.holds(position));
        index.is_some_and(|index| self.0[index + 1..].iter().all(|epoch| epoch.torn.is_none()))
    }

    /// The position of the event that follows `position`: the next of its epoch, or the first of the next epoch that has
    /// any. `None` at the head, and where no epoch holds `position`.
    #[must_use]
    pub fn next_after(&self, position: Position) -> Option<Position> {
        let index = self.0.iter().position(|epoch| epoch.holds(position))?;
        if position < self.0[index].end {
            return Some(position.next());
        }
        self.0[index + 1..].iter().find(|epoch| epoch.start <= epoch.end).map(|epoch| epoch.start)
    }

    /// How many events lie in `after < position <= to`, as far as the known epochs tell.
    #[must_use]
    pub fn count_between(&self, after: Position, to: Position) -> u64 {
        self.0.iter().map(|epoch| (to.0.min(epoch.end.0) + 1).saturating_sub(epoch.start.0.max(after.0 + 1))).sum()
    }
}

/// Where a channel stands in the backlog, as one atomic read of it told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its epochs; the current one's `end` is the last position assigned, `start - 1` when there is none yet.
    pub epochs: Epochs,
    /// Connections opened before this time (by Redis' clock) are to be closed (command `disconnect`).
    pub closed_before: Option<crate::Timestamp>,
}

impl Standing {
    /// The last position assigned: where somebody stands who has everything.
    #[must_use]
    pub fn head(&self) -> Position {
        self.epochs.current().end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(list: &[(u64, u64, Option<Torn>)]) -> Epochs {
        Epochs::new(
            list.iter().map(|&(start, end, torn)| Epoch { start: Position(start), end: Position(end), torn }).collect(),
        )
        .unwrap()
    }

    #[test]
    fn a_cursor_goes_on_within_an_epoch_and_across_untorn_ones() {
        let known = epochs(&[(10, 19, None), (100, 99, None), (200, 204, None)]);
        assert!(known.continue_from(Position(9)), "before the first event of the epoch");
        assert!(known.continue_from(Position(19)));
        assert!(known.continue_from(Position(99)), "an empty epoch has one place to stand");
        assert!(!known.continue_from(Position(8)));
        assert!(!known.continue_from(Position(20)), "the lost tail of a failed-over server");
        assert!(!known.continue_from(Position(205)));
    }

    #[test]
    fn an_epoch_tells_when_it_began_at_the_latest() {
        let time = Timestamp(1_800_000_000_123);
        assert_eq!(Position::begun_at(time).begun_by(), time);
        assert_eq!(Position(Position::begun_at(time).0 + 63).begun_by(), time);
        assert_eq!(Position::begun_at(Timestamp(0)), Position(0), "a clock before 2026");
    }

    #[test]
    fn a_torn_epoch_ends_what_came_before() {
        let known = epochs(&[(10, 19, None), (100, 109, Some(Torn::Source)), (200, 204, None)]);
        assert!(!known.continue_from(Position(15)));
        assert!(known.continue_from(Position(100)));
        assert!(!known.continue_from(Position(50)));
    }

    #[test]
    fn what_follows_skips_empty_epochs() {
        let known = epochs(&[(10, 19, None), (100, 99, None), (200, 204, None)]);
        assert_eq!(known.next_after(Position(9)), Some(Position(10)));
        assert_eq!(known.next_after(Position(19)), Some(Position(200)));
        assert_eq!(known.next_after(Position(99)), Some(Position(200)));
        assert_eq!(known.next_after(Position(204)), None);
        assert_eq!(known.next_after(Position(20)), None);
        assert_eq!(known.count_between(Position(17), Position(201)), 4);
    }

    #[test]
    fn lists_out_of_order_are_refused() {
        let epoch = |start, end| Epoch { start: Position(start), end: Position(end), torn: None };
        assert_eq!(Epochs::new(vec![]), Err(EpochsError::Count(0)));
        assert_eq!(Epochs::new(vec![epoch(0, 3)]), Err(EpochsError::Order(0)));
        assert_eq!(Epochs::new(vec![epoch(5, 9), epoch(9, 12)]), Err(EpochsError::Order(1)));
        assert_eq!(Epochs::new(vec![epoch(5, 3)]), Err(EpochsError::Order(0)));
    }
}
