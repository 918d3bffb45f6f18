//! What a swarm has seen: counts, latencies, and the pauses of each group of channels.

use crate::event::Stamp;
use crate::histogram::Histogram;

/// Counts of what all clients of a swarm have seen together.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Events received.
    pub deliveries: u64,
    /// Events that a later one of the same channel overtook, and that didn't come before it.
    pub missed: u64,
    /// Events that came again or late.
    pub repeated: u64,
    /// Events of a channel that the client had not asked for.
    pub strayed: u64,
    /// Gaps that the server told.
    pub gaps: u64,
    /// Streams that the server announced to end.
    pub closings: u64,
    /// Streams that ended, for whatever reason.
    pub ended: u64,
    /// Answers with another status than 200, and connections that failed before any.
    pub refused: u64,
    /// From the producer's clock to this client's, microseconds.
    pub latency: Histogram,
    /// When the last event of each group came, and the longest time without one; in microseconds.
    pauses: Vec<Pause>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    last: u64,
    longest: u64,
}

impl Tally {
    /// Watches the pauses of this many groups from now on: a channel belongs to the group of its number modulo `groups`.
    pub fn watch_pauses(&mut self, groups: usize, now: u64) {
        self.pauses = vec![Pause { last: now, longest: 0 }; groups];
    }

    /// The longest time without an event of each group since [`Tally::watch_pauses`], microseconds; that which lasts until
    /// `now` counts too.
    #[must_use]
    pub fn pauses(&self, now: u64) -> Vec<u64> {
        let longest = |pause: &Pause| pause.longest.max(now.saturating_sub(pause.last));
        self.pauses.iter().map(longest).collect()
    }

    /// Events that are certainly wrong: missed, repeated, or another's.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.missed + self.repeated + self.strayed
    }

    /// Counts an event of `channel`'s client, which expects the sequence number `next` (anything, at its first), at `now`.
    pub(super) fn receive(&mut self, channel: u32, next: &mut Option<u64>, stamp: Stamp, now: u64) {
        self.deliveries += 1;
        self.latency.record(now.saturating_sub(stamp.sent));
        if stamp.channel != channel {
            self.strayed += 1;
            return;
        }
        if !self.pauses.is_empty() {
            let group = stamp.channel as usize % self.pauses.len();
            let pause = &mut self.pauses[group];
            pause.longest = pause.longest.max(now.saturating_sub(pause.last));
            pause.last = now;
        }
        match *next {
            Some(expected) if stamp.sequence < expected => {
                self.repeated += 1;
                return;
            }
            Some(expected) => self.missed += stamp.sequence - expected,
            None => {}
        }
        *next = Some(stamp.sequence + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(tally: &mut Tally, next: &mut Option<u64>, sequence: u64, now: u64) {
        tally.receive(3, next, Stamp { sent: now - 5, channel: 3, sequence }, now);
    }

    #[test]
    fn a_jump_counts_what_is_missed_and_a_step_back_counts_as_repeated() {
        let (mut tally, mut next) = (Tally::default(), None);
        for (sequence, now) in [(10, 100), (11, 110), (14, 120), (12, 130), (15, 140)] {
            receive(&mut tally, &mut next, sequence, now);
        }
        assert_eq!((tally.deliveries, tally.missed, tally.repeated), (5, 2, 1));
        assert_eq!(tally.latency.quantile(1.0), 5);
    }

    #[test]
    fn an_event_of_another_channel_is_a_fault_and_moves_nothing() {
        let (mut tally, mut next) = (Tally::default(), Some(4));
        tally.receive(3, &mut next, Stamp { sent: 0, channel: 4, sequence: 9 }, 1);
        assert_eq!((tally.faults(), next), (1, Some(4)));
    }

    #[test]
    fn the_longest_pause_of_a_group_is_kept_and_the_present_one_counts() {
        let (mut tally, mut next) = (Tally::default(), None);
        tally.watch_pauses(2, 1_000);
        for (sequence, now) in [(0, 1_100), (1, 1_900), (2, 2_000)] {
            receive(&mut tally, &mut next, sequence, now);
        }
        assert_eq!(tally.pauses(2_100), [1_100, 800]);
    }
}
