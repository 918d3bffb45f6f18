//! A subscriber that still reads pages of the backlog.

use std::sync::Arc;

use super::course::{Course, Loss};
use super::walker::Step;
use crate::cursor::Mark;
use crate::entry::Entry;
use crate::page::Page;
use crate::sse::{Gap, GapReason};
use crate::{Channel, Position, Standing, Timestamp};

/// A page whose entries can be written; shared by all who read it.
#[derive(Debug)]
pub struct ReplayPage {
    /// Entries follow this position.
    pub after: Position,
    /// Of the channel, when the page was read.
    pub standing: Standing,
    entries: Vec<Arc<Entry>>,
}

impl ReplayPage {
    /// A page of `channel` read after `after`.
    #[must_use]
    pub fn new(channel: &Channel, after: Position, page: Page) -> Self {
        let entries = page
            .entries
            .into_iter()
            .map(|(position, event)| Arc::new(Entry::new(channel.clone(), position, event)))
            .collect();
        Self { after, standing: page.standing, entries }
    }

    /// The last position that the page knows about: its last entry's, or the channel's head where it has none.
    #[must_use]
    pub fn end(&self) -> Position {
        self.entries.last().map_or(self.standing.head(), |entry| entry.position)
    }

    /// Whether somebody who stands at `position` finds in this page what follows.
    #[must_use]
    pub fn serves(&self, position: Position) -> bool {
        self.after <= position && position < self.end()
    }
}

/// Where in the backlog a subscriber starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// It has everything up to here.
    After(Position),
    /// It wants all that is retained.
    Earliest,
    /// It has nothing of what came since then; pages up to this position held only older events.
    Since(Timestamp, Position),
}

/// A subscriber that reads pages until it stands where the reel takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    stand: Stand,
}

impl Replay {
    /// Resumes from what a cursor says.
    #[must_use]
    pub fn from_mark(mark: Mark) -> Self {
        Self {
            stand: match mark {
                Mark::At(position) => Stand::After(position),
                Mark::Since(time) => Stand::Since(time, Position(0)),
            },
        }
    }

    /// Starts with the first retained event.
    #[must_use]
    pub fn earliest() -> Self {
        Self { stand: Stand::Earliest }
    }

    /// The position to read after.
    #[must_use]
    pub fn wants(&self) -> Position {
        match self.stand {
            Stand::After(position) | Stand::Since(_, position) => position,
            Stand::Earliest => Position(0),
        }
    }

    /// Where it stands, once that is known.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self.stand {
            Stand::After(position) => Some(position),
            Stand::Earliest | Stand::Since(..) => None,
        }
    }

    /// What its cursor says meanwhile; `opened` where it has no place yet.
    #[must_use]
    pub fn mark(&self, opened: Timestamp) -> Mark {
        match self.stand {
            Stand::After(position) => Mark::At(position),
            Stand::Earliest => Mark::Since(Timestamp(0)),
            Stand::Since(time, _) => Mark::Since(time.min(opened)),
        }
    }

    /// Takes from a page what follows, at most `budget` bytes but at least one step where there is one. `true` when the
    /// page has more.
    pub fn take(&mut self, channel: &Channel, page: &ReplayPage, budget: usize, steps: &mut Vec<Step>) -> bool {
        let at = match self.stand {
            Stand::After(position) => position,
            Stand::Earliest => before_first(page),
            Stand::Since(time, read) => match since(channel, page, time, read, steps) {
                Some(found) => found,
                None => {
                    self.stand = Stand::Since(time, page.end());
                    return false;
                }
            },
        };
        let mut course = Course::from_position(&page.standing.epochs, at);
        let mut given = 0;
        let first = page.entries.partition_point(|entry| entry.position <= at);
        for entry in &page.entries[first..] {
            if given >= budget {
                self.stand = Stand::After(course.at());
                return true;
            }
            let last = course.at();
            if let Some(loss) = course.step(entry.position) {
                steps.push(told(channel, last, loss));
            }
            given += entry.weight();
            steps.push(Step::Event { entry: Arc::clone(entry), mark: entry.position });
        }
        let last = course.at();
        if page.end() == page.standing.head()
            && let Some(loss) = course.finish()
        {
            steps.push(told(channel, last, loss));
        }
        self.stand = Stand::After(course.at());
        false
    }
}

fn before_first(page: &ReplayPage) -> Position {
    page.entries.first().map_or(page.standing.head(), |entry| Position(entry.position.0 - 1))
}

/// How far a publisher's or a server's clock may be behind this replica's: who has nothing of a channel since some time is
/// rather given an event from before it.
const SKEW_MS: u64 = 5_000;

/// Where the first event since `time` follows, by the events' own times, or the head; a gap where retention, a tear or the loss
/// of all that the channel was may have taken some. `None`: not in this page, but there are more.
fn since(
    channel: &Channel,
    page: &ReplayPage,
    time: Timestamp,
    read: Position,
    steps: &mut Vec<Step>,
) -> Option<Position> {
    let head = page.standing.head();
    let since = Timestamp(time.0.saturating_sub(SKEW_MS));
    let found = page.entries.iter().find(|entry| entry.position > read && entry.event.time >= since);
    let next = match found {
        Some(entry) => Position(entry.position.0 - 1),
        None if page.end() < head => return None,
        None => head,
    };
    let oldest = page.standing.epochs.as_slice()[0].start;
    let nothing_older_retained =
        read == Position(0) && page.entries.first().is_none_or(|entry| entry.event.time >= since);
    let trimmed =
        nothing_older_retained && page.entries.first().map_or(head >= oldest, |entry| entry.position > oldest);
    let torn = page.standing.epochs.as_slice().iter().rev().find_map(|epoch| epoch.torn);
    // What was before the oldest epoch that is known is known to nobody.
    let unproven = oldest.begun_by() >= since;
    let reason = torn.map(GapReason::from).or(unproven.then_some(GapReason::Epoch));
    let reason = reason.or(trimmed.then_some(GapReason::Trimmed));
    if let Some(reason) = reason.filter(|_| time.0 > 0) {
        let may_repeat = reason != GapReason::Trimmed;
        let gap = Gap { channel: channel.clone(), reason, last: None, next, missing: None, may_repeat };
        steps.push(Step::Gap { gap, mark: next });
    }
    Some(next)
}

fn told(channel: &Channel, last: Position, loss: Loss) -> Step {
    let gap = Gap {
        channel: channel.clone(),
        reason: loss.reason,
        last: Some(last),
        next: loss.next,
        missing: loss.missing,
        may_repeat: loss.may_repeat,
    };
    Step::Gap { gap, mark: loss.next }
}
