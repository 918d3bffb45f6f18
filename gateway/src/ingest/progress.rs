//! How far a partition has got, although its records complete out of order.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Completions this close together share one entry: bounds the memory to some ten entries a second.
const GRAIN: Duration = Duration::from_millis(100);

/// Offsets that were begun in order and complete in any; tells the offset below which everything is complete, and since
/// when. Pure: time comes in.
#[derive(Debug, Default)]
pub struct Progress {
    /// Begun and not yet below the mark; `false` is open.
    open: VecDeque<(u64, bool)>,
    /// Sequence number of `open[0]`.
    first: u64,
    /// (first, last completion of the entry, offset of the next record): everything below that offset was complete then.
    steps: VecDeque<(Instant, Instant, u64)>,
    /// The highest offset that [`Progress::settled`] has found old enough.
    settled: Option<u64>,
}

impl Progress {
    /// Begins a record; offsets ascend, with holes where Kafka has them. Answers its sequence number.
    pub fn begin(&mut self, offset: u64) -> u64 {
        debug_assert!(self.open.back().is_none_or(|&(last, _)| last < offset), "offsets ascend within a life");
        self.open.push_back((offset, false));
        self.first + self.open.len() as u64 - 1
    }

    /// Completes the record of that sequence number; completing twice, or what was never begun, changes nothing.
    pub fn complete(&mut self, sequence: u64, now: Instant) {
        let Some(entry) = sequence.checked_sub(self.first).and_then(|index| self.open.get_mut(index as usize)) else {
            return;
        };
        entry.1 = true;
        let mut next = None;
        while let Some(&(offset, true)) = self.open.front() {
            self.open.pop_front();
            self.first += 1;
            next = Some(offset + 1);
        }
        let Some(next) = next else { return };
        match self.steps.back_mut() {
            Some((since, last, offset)) if now.duration_since(*since) < GRAIN => {
                *last = now;
                *offset = next;
            }
            _ => self.steps.push_back((now, now, next)),
        }
    }

    /// The lowest sequence number that isn't complete, or the next to be begun.
    #[must_use]
    pub fn first_open(&self) -> u64 {
        self.first
    }

    /// How many records were begun and are not below the mark.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether everything that was begun is complete.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The offset of the next record, all below it complete for at least `age`; `None` before there is one.
    pub fn settled(&mut self, now: Instant, age: Duration) -> Option<u64> {
        while let Some(&(_, last, offset)) = self.steps.front() {
            if now.saturating_duration_since(last) < age {
                break;
            }
            self.settled = Some(offset);
            self.steps.pop_front();
        }
        self.settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AGE: Duration = Duration::from_secs(5);

    #[test]
    fn nothing_is_settled_before_its_age_nor_past_a_hole() {
        let start = Instant::now();
        let mut progress = Progress::default();
        let (one, two, three) = (progress.begin(10), progress.begin(11), progress.begin(20));
        progress.complete(two, start);
        assert_eq!(progress.settled(start + AGE, AGE), None, "10 is open");
        progress.complete(one, start + AGE);
        assert_eq!(progress.settled(start + AGE, AGE), None, "complete, but just now");
        assert_eq!(progress.settled(start + AGE * 2, AGE), Some(12));
        progress.complete(three, start + AGE * 2);
        assert_eq!(progress.settled(start + AGE * 2, AGE), Some(12));
        assert_eq!(progress.settled(start + AGE * 3, AGE), Some(21));
        assert!(progress.is_empty());
    }

    #[test]
    fn a_steady_stream_settles_although_its_completions_share_entries() {
        let start = Instant::now();
        let mut progress = Progress::default();
        for step in 0..20_000u64 {
            let sequence = progress.begin(step);
            progress.complete(sequence, start + Duration::from_millis(step));
        }
        assert!(progress.steps.len() <= 201);
        let settled = progress.settled(start + Duration::from_millis(20_000), AGE).unwrap();
        assert!((14_900..=15_001).contains(&settled), "{settled}");
    }

    proptest! {
        #[test]
        fn what_is_settled_is_complete_and_old_and_never_falls(
            gaps in proptest::collection::vec(1u64..4, 1..60),
            order in proptest::collection::vec((any::<prop::sample::Index>(), 0u64..3_000), 0..90),
        ) {
            let start = Instant::now();
            let mut progress = Progress::default();
            let mut offset = 0;
            let offsets: Vec<u64> = gaps.iter().map(|gap| { offset += gap; offset }).collect();
            for (sequence, offset) in offsets.iter().enumerate() {
                prop_assert_eq!(progress.begin(*offset), sequence as u64);
            }
            let mut completed = vec![None; offsets.len()];
            let (mut now, mut last) = (start, 0);
            for (index, millis) in order {
                now += Duration::from_millis(millis);
                let sequence = index.index(offsets.len());
                completed[sequence].get_or_insert(now);
                progress.complete(sequence as u64, now);
                // What a list of completion times says, allowing the grain by which entries are shared.
                let ripe = |slack: Duration| offsets.iter().zip(&completed)
                    .take_while(|(_, at)| at.is_some_and(|at| now - at >= AGE + slack)).map(|(offset, _)| offset + 1).last();
                let settled = progress.settled(now, AGE);
                prop_assert!(settled <= ripe(Duration::ZERO), "{:?} > {:?}", settled, ripe(Duration::ZERO));
                prop_assert!(settled.unwrap_or(0) >= last, "never falls");
                last = settled.unwrap_or(0);
                prop_assert_eq!(progress.len() as u64 + progress.first_open(), offsets.len() as u64);
            }
            for sequence in 0..offsets.len() {
                progress.complete(sequence as u64, now);
            }
            prop_assert_eq!(progress.settled(now + AGE, AGE), Some(offset + 1));
        }
    }
}
