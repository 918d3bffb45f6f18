//! How many streams are due to be closed: a rate shared by everyone who drains, in proportion to what each still holds.

use std::time::Duration;

/// Longest time whose closes are made up for at once, in seconds: what a busy machine holds up comes a little later, not as
/// a burst above the rate.
const MOST_AT_ONCE: f64 = 0.2;

/// Accrues closes over time.
#[derive(Debug, Clone)]
pub struct Pace {
    closes_per_second: f64,
    accrued: f64,
}

impl Pace {
    /// `closes_per_second`: of all draining replicas together; at least one in ten seconds is closed.
    #[must_use]
    pub fn new(closes_per_second: f64) -> Self {
        Self { closes_per_second: closes_per_second.max(0.1), accrued: 0.0 }
    }

    /// How many of `own` streams are due after `elapsed`, while the others that drain hold `others`.
    ///
    /// Shares are in proportion to what is held, so all finish at about the same time and the sum keeps the rate. What
    /// accrues is at most a fifth of a second's worth: after a pause there is no burst.
    pub fn due(&mut self, elapsed: Duration, own: u64, others: u64) -> usize {
        if own == 0 {
            return 0;
        }
        let share = own as f64 / (own as f64 + others as f64);
        let rate = self.closes_per_second * share;
        self.accrued = (self.accrued + rate * elapsed.as_secs_f64()).min((rate * MOST_AT_ONCE).max(1.0));
        let due = self.accrued.floor();
        self.accrued -= due;
        due as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TICK: Duration = Duration::from_millis(50);

    #[test]
    fn alone_a_replica_closes_at_the_whole_rate() {
        let mut pace = Pace::new(100.0);
        let closed: usize = (0..20).map(|_| pace.due(TICK, 1_000, 0)).sum();
        assert!((99..=100).contains(&closed), "{closed}");
    }

    #[test]
    fn after_a_pause_there_is_no_burst() {
        assert_eq!(Pace::new(100.0).due(Duration::from_secs(60), 1_000, 0), 20);
    }

    #[test]
    fn a_rate_below_one_in_a_second_still_closes() {
        let mut pace = Pace::new(0.5);
        let closed: usize = (0..201).map(|_| pace.due(TICK, 10, 0)).sum();
        assert!((4..=5).contains(&closed), "{closed}");
    }

    proptest! {
        #[test]
        fn together_they_keep_the_rate_and_finish_together(a in 50u64..5_000, b in 50u64..5_000, rate in 100.0..2_000.0f64) {
            let (mut left, mut paces) = ([a, b], [Pace::new(rate), Pace::new(rate)]);
            let mut ticks = 0u32;
            let mut finished = [0u32; 2];
            while left != [0, 0] {
                ticks += 1;
                let before = left;
                for (at, pace) in paces.iter_mut().enumerate() {
                    let due = pace.due(TICK, before[at], before[1 - at]) as u64;
                    left[at] -= due.min(left[at]);
                    if left[at] == 0 && finished[at] == 0 {
                        finished[at] = ticks;
                    }
                }
                prop_assert!(ticks < 20_000);
            }
            let expected = (a + b) as f64 / rate * 20.0;
            prop_assert!(f64::from(ticks) >= expected - 25.0, "{} ticks for {}", ticks, expected);
            prop_assert!(f64::from(ticks) <= expected * 1.1 + 60.0, "{} ticks for {}", ticks, expected);
        }
    }
}
