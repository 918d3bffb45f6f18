//! The checker: what was produced against what each client saw.
//!
//! It is pure and knows nothing of the gateway but the promise: each channel's events in order, each once, and contiguous,
//! or with a gap told between. Events of a channel are numbered by their producer, 1, 2, 3 …; a channel has one producer.

pub mod verdict;

use std::collections::{BTreeMap, BTreeSet};

pub use verdict::{Kind, Offence, Verdict};

/// One thing that a client saw, in the order in which it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// An event of `channel`, with its producer's number.
    Event {
        /// Its channel.
        channel: String,
        /// Its number there.
        sequence: u64,
    },
    /// The gateway told of a gap.
    Gap {
        /// The channel that it concerns.
        channel: String,
        /// Why.
        reason: String,
        /// How many events are missing, when the gateway knows.
        missing: Option<u64>,
        /// Whether events may come again after it.
        may_repeat: bool,
    },
    /// The client connected again.
    Reconnect,
}

/// What was produced.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    produced: BTreeMap<String, u64>,
}

impl Ledger {
    /// Gives the number of the next event of `channel`, and counts it as produced.
    pub fn next(&mut self, channel: &str) -> u64 {
        let last = self.produced.entry(channel.to_owned()).or_default();
        *last += 1;
        *last
    }

    /// How many events of `channel` were produced.
    #[must_use]
    pub fn produced(&self, channel: &str) -> u64 {
        self.produced.get(channel).copied().unwrap_or_default()
    }

    /// How many events were produced in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.produced.values().sum()
    }

    /// Judges what `client` saw of its `channels`, each subscribed before the event numbered `from` was produced.
    ///
    /// A loss is excused by a gap of that channel at that place which doesn't claim fewer events; a repeat by an earlier
    /// gap with `may_repeat`, until the client is back at where it had been. Events of a channel nobody subscribed to, or
    /// that nobody produced, are offences too.
    #[must_use]
    pub fn judge(&self, client: &str, channels: &[(&str, u64)], observed: &[Observed]) -> Verdict {
        let mut verdict = Verdict { clients: 1, ..Verdict::default() };
        let mut tracks: BTreeMap<&str, Track> =
            channels.iter().map(|(name, from)| (*name, Track::new(*from))).collect();
        for (place, item) in observed.iter().enumerate() {
            match item {
                Observed::Reconnect => verdict.reconnects += 1,
                Observed::Gap { channel, reason, missing, may_repeat } => {
                    *verdict.gaps.entry(reason.clone()).or_default() += 1;
                    match tracks.get_mut(channel.as_str()) {
                        Some(track) => track.gap(*missing, *may_repeat),
                        None => verdict.offend(Kind::Misdelivered, client, channel, place, 0, 0),
                    }
                }
                Observed::Event { channel, sequence } => {
                    verdict.received += 1;
                    match tracks.get_mut(channel.as_str()) {
                        Some(track) if (1..=self.produced(channel)).contains(sequence) => {
                            track.event(*sequence, client, channel, place, &mut verdict);
                        }
                        _ => verdict.offend(Kind::Misdelivered, client, channel, place, 0, *sequence),
                    }
                }
            }
        }
        for (channel, track) in &mut tracks {
            track.end(self.produced(channel), client, channel, observed.len(), &mut verdict);
        }
        verdict
    }
}

/// Where a client stands in one channel.
#[derive(Debug)]
struct Track {
    /// The number that comes next when nothing goes wrong.
    next: u64,
    /// One above the highest number seen.
    height: u64,
    /// Numbers below `height` that were skipped and never came; the place of the skip, and whether a gap excused it.
    missing: BTreeMap<u64, (usize, bool)>,
    /// What gaps told since the last event: nothing, or how many may be missing at most.
    told: Option<u64>,
    /// Repeats of numbers below this one are excused.
    may_repeat_below: u64,
    /// A gap allows the next event to lie anywhere below: it begins to repeat there.
    rewind: bool,
}

impl Track {
    fn new(from: u64) -> Self {
        Self { next: from, height: from, missing: BTreeMap::new(), told: None, may_repeat_below: 0, rewind: false }
    }

    fn gap(&mut self, missing: Option<u64>, may_repeat: bool) {
        let told = missing.unwrap_or(u64::MAX);
        self.told = Some(self.told.unwrap_or(0).saturating_add(told));
        if may_repeat {
            self.may_repeat_below = self.height;
            self.rewind = true;
        }
    }

    fn event(&mut self, sequence: u64, client: &str, channel: &str, place: usize, verdict: &mut Verdict) {
        let told = self.told.take();
        let rewind = std::mem::take(&mut self.rewind);
        if sequence < self.next {
            if self.missing.remove(&sequence).is_some() {
                if !rewind {
                    verdict.offend(Kind::Reordered, client, channel, place, self.next, sequence);
                }
            } else if sequence < self.may_repeat_below && rewind {
                verdict.excused_repeats += 1;
            } else {
                verdict.offend(Kind::Repeated, client, channel, place, self.next, sequence);
            }
            // Only a gap moves the client back; one stray repeat doesn't.
            if rewind {
                self.next = sequence + 1;
            }
            return;
        }
        if sequence > self.next {
            let skipped: BTreeSet<u64> = (self.next.max(self.height)..sequence).collect();
            // Within what was seen before, a skip is only a shorter repetition.
            let excused = told.is_some_and(|most| most >= skipped.len() as u64);
            self.missing.extend(skipped.into_iter().map(|number| (number, (place, excused))));
        }
        if sequence < self.height {
            if self.missing.remove(&sequence).is_none() {
                verdict.excused_repeats += 1;
            }
        } else {
            self.height = sequence + 1;
        }
        self.next = sequence + 1;
    }

    fn end(&mut self, produced: u64, client: &str, channel: &str, place: usize, verdict: &mut Verdict) {
        let tail = (produced + 1).saturating_sub(self.height);
        let excused = self.told.is_some_and(|most| most >= tail);
        self.missing.extend((self.height..=produced).map(|number| (number, (place, excused))));
        for (number, (place, excused)) in &self.missing {
            if *excused {
                verdict.excused_losses += 1;
            } else {
                verdict.offend(Kind::Lost, client, channel, *place, *number, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests;
