//! A client that notes what it is given and complains about whatever the invariants forbid.

use events_gateway_core::Position;
use events_gateway_core::join::{Replay, Step, Walker};
use events_gateway_core::sse::GapReason;
use std::collections::{BTreeMap, HashSet};

/// What each position was ever given to: (source, (generation, place)).
pub(crate) type Assigned = BTreeMap<u64, (usize, (u64, u64))>;

#[derive(Debug)]
pub(crate) enum Stage {
    Replaying(Replay),
    Live(Walker),
}

pub(crate) struct Client {
    pub(crate) replica: usize,
    pub(crate) stage: Stage,
    pub(crate) cursor: Position,
    /// The last (generation, place) per source; `None` before the first event.
    last: [Option<(u64, u64)>; 2],
    had: [HashSet<(u64, u64)>; 2],
    told: [HashSet<(u64, u64)>; 2],
    /// Per source: a gap was told since the last event.
    excused: [bool; 2],
    may_repeat: bool,
}

impl Client {
    pub(crate) fn new(replica: usize, walker: Walker, last: [Option<(u64, u64)>; 2]) -> Self {
        Self {
            replica,
            stage: Stage::Live(walker),
            cursor: walker.mark(),
            last,
            had: Default::default(),
            told: Default::default(),
            excused: [false; 2],
            may_repeat: false,
        }
    }

    pub(crate) fn take(&mut self, steps: Vec<Step>, assigned: &Assigned) -> Result<(), String> {
        for step in steps {
            match step {
                Step::Gap { gap, mark } => {
                    self.excused = [true; 2];
                    let range = gap.last.map_or(0, |last| last.0 + 1)..=gap.next.0;
                    if !range.is_empty() {
                        for (source, event) in assigned.range(range).map(|(_, event)| *event) {
                            self.told[source].insert(event);
                        }
                    }
                    self.may_repeat |= gap.may_repeat;
                    if gap.reason == GapReason::Overflow {
                        return Err("nobody was too slow".to_owned());
                    }
                    self.cursor = mark;
                }
                Step::Event { entry, mark } => {
                    self.cursor = mark;
                    let origin = &entry.event.origin;
                    let source = usize::from(origin.source.as_str().ends_with('1'));
                    let (generation, place) = (origin.generation.0, origin.place);
                    let had = !self.had[source].insert((generation, place));
                    let back = self.last[source].is_some_and(|last| (generation, place) <= last);
                    if (had || back) && !self.may_repeat {
                        return Err(format!("repeated {source}/{generation}/{place} after {:?}", self.last[source]));
                    }
                    // A generation starts wherever its first record still is.
                    let from = match self.last[source] {
                        Some((last, before)) if last == generation => before + 1,
                        Some(_) => place,
                        None => 0,
                    };
                    if self.excused[source] {
                        // What the gap took stays told, even if a later epoch brings part of it back.
                        self.told[source].extend((0..place).map(|place| (generation, place)));
                    }
                    let arrived = |place: &u64| {
                        self.had[source].contains(&(generation, *place))
                            || self.told[source].contains(&(generation, *place))
                    };
                    if let Some(lost) = (from..place).find(|place| !arrived(place)) {
                        return Err(format!("lost {source}/{generation}/{lost} before {place}"));
                    }
                    self.last[source] = Some((generation, place));
                    self.excused[source] = false;
                }
            }
        }
        Ok(())
    }

    /// At the end, everything produced has arrived or its loss was told.
    pub(crate) fn finish(&self, produced: [Option<(u64, u64)>; 2]) -> Result<(), String> {
        for (source, end) in produced.into_iter().enumerate() {
            let missing = end
                .is_some_and(|end| !self.had[source].contains(&end) && self.last[source].is_none_or(|last| last < end));
            if missing && !self.excused[source] {
                return Err(format!("source {source}: ended at {:?} of {end:?}, no gap told", self.last[source]));
            }
        }
        Ok(())
    }
}
