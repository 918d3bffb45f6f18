//! What lately passed a group of subscribers by, so that none of them has to look at it.
//!
//! Subscribers aren't woken by what they don't want, and their places fall behind. When they are woken they go on from the end of
//! what passed them by, wherever in it they stood. Nothing is said here but what was found of each event; so whatever happens between
//! an event's coming and a subscriber's looking, none that is wanted is passed over.

use std::collections::VecDeque;

use events_gateway_core::Position;
use parking_lot::Mutex;

/// Of one group: what is still in memory, or begins before it.
#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<VecDeque<Range>>);

/// Nothing above `from` is wanted, up to and with `to`.
#[derive(Debug, Clone, Copy)]
struct Range {
    from: Position,
    to: Position,
}

impl Quiet {
    /// Notes which events are wanted, in their order; whether any is. What lies at `base` or below is no longer in memory.
    pub(super) fn note(&self, base: Position, events: impl Iterator<Item = (Position, bool)>) -> bool {
        let mut ranges = self.0.lock();
        ranges.retain(|range| base < range.to);
        let mut any = false;
        for (position, wanted) in events {
            match ranges.back_mut() {
                _ if wanted => any = true,
                Some(range) if range.to.next() == position => range.to = position,
                _ => ranges.push_back(Range { from: Position(position.0.saturating_sub(1)), to: position }),
            }
        }
        any
    }

    /// Up to where nothing that follows a position is wanted, if anything is known of that.
    pub(super) fn after(&self, position: Position) -> Option<Position> {
        let ranges = self.0.lock();
        // Most stand before the newest.
        ranges.iter().rev().find(|range| range.from <= position && position < range.to).map(|range| range.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whoever_stands_before_what_is_wanted_or_after_it_goes_on_from_the_end() {
        let quiet = Quiet::default();
        let note = |base, range: std::ops::RangeInclusive<u64>, wanted| {
            quiet.note(Position(base), range.map(|position| (Position(position), wanted)))
        };
        let after = |position| quiet.after(Position(position)).map(|position| position.0);
        assert!(!note(0, 5..=9, false) && note(0, 10..=10, true) && !note(0, 11..=12, false));
        assert_eq!([3, 4, 8, 9, 10, 11, 12].map(after), [None, Some(9), Some(9), None, Some(12), Some(12), None]);
        note(8, 14..=15, false);
        assert_eq!([4, 11, 12, 13].map(after), [Some(9), Some(12), None, Some(15)], "what wasn't noted may be wanted");
        note(9, 16..=16, false);
        assert_eq!([4, 13].map(after), [None, Some(16)], "where nobody can stand nobody is sent");
    }

    proptest! {
        #[test]
        fn nothing_that_is_wanted_or_unknown_is_ever_passed_over(
            batches in proptest::collection::vec((0_u64..3, proptest::collection::vec(any::<bool>(), 1..6)), 1..20),
            places in proptest::collection::vec(0_u64..140, 20),
        ) {
            let quiet = Quiet::default();
            let (mut position, mut unwanted) = (0, std::collections::HashSet::new());
            for (skipped, batch) in batches {
                position += skipped;
                let events: Vec<_> = (position + 1..).map(Position).zip(batch).collect();
                position += events.len() as u64;
                unwanted.extend(events.iter().filter(|(_, wanted)| !wanted).map(|(position, _)| position.0));
                quiet.note(Position(position.saturating_sub(16)), events.into_iter());
                prop_assert!(quiet.0.lock().len() <= 16);
                for place in &places {
                    if let Some(to) = quiet.after(Position(*place)) {
                        prop_assert!((place + 1..=to.0).all(|position| unwanted.contains(&position)));
                    }
                }
            }
        }
    }
}
