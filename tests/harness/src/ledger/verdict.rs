//! What the checker found.

use std::collections::BTreeMap;
use std::fmt;

/// A broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Produced, never received, and no gap told.
    Lost,
    /// Received again without a gap that said so.
    Repeated,
    /// Received after a later one.
    Reordered,
    /// Of a channel that the client didn't subscribe to, or that nobody produced.
    Misdelivered,
}

/// One broken promise, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// What was broken.
    pub kind: Kind,
    /// Whose.
    pub client: String,
    /// Of which channel.
    pub channel: String,
    /// Index in what the client observed.
    pub place: usize,
    /// The number that should have come (of a loss: the one that never did).
    pub expected: u64,
    /// The number that came; 0 for a loss.
    pub found: u64,
}

impl fmt::Display for Offence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, client, channel, place, expected, found } = self;
        write!(formatter, "{kind:?}: {client}, channel {channel}, observation {place}: expected {expected}, ")?;
        match found {
            0 => write!(formatter, "never came"),
            found => write!(formatter, "came {found}"),
        }
    }
}

/// The counts of one client, or of many together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Clients judged.
    pub clients: u64,
    /// Events received.
    pub received: u64,
    /// Connections beyond each client's first.
    pub reconnects: u64,
    /// Lost without a gap told.
    pub lost: u64,
    /// Repeated without a gap that says `may_repeat`.
    pub repeated: u64,
    /// Out of order.
    pub reordered: u64,
    /// Received by a client that they aren't for.
    pub misdelivered: u64,
    /// Lost, and told.
    pub excused_losses: u64,
    /// Repeated, and told.
    pub excused_repeats: u64,
    /// Gaps told, by reason.
    pub gaps: BTreeMap<String, u64>,
    /// The first offence of each client that has one.
    pub offences: Vec<Offence>,
}

impl Verdict {
    pub(super) fn offend(&mut self, kind: Kind, client: &str, channel: &str, place: usize, expected: u64, found: u64) {
        *match kind {
            Kind::Lost => &mut self.lost,
            Kind::Repeated => &mut self.repeated,
            Kind::Reordered => &mut self.reordered,
            Kind::Misdelivered => &mut self.misdelivered,
        } += 1;
        let offence = Offence { kind, client: client.to_owned(), channel: channel.to_owned(), place, expected, found };
        match self.offences.last_mut() {
            None => self.offences.push(offence),
            Some(first) if offence.place < first.place => *first = offence,
            Some(_) => {}
        }
    }

    /// Whether every promise was kept; gaps that were told are within the promise.
    #[must_use]
    pub fn kept(&self) -> bool {
        self.lost + self.repeated + self.reordered + self.misdelivered == 0
    }

    /// Whether nothing at all happened: no offence, no gap, no repeat.
    #[must_use]
    pub fn spotless(&self) -> bool {
        self.kept() && self.gaps.is_empty() && self.excused_repeats == 0
    }

    /// Gaps told, whatever the reason.
    #[must_use]
    pub fn gaps_told(&self) -> u64 {
        self.gaps.values().sum()
    }

    /// Adds another client's verdict.
    pub fn add(&mut self, other: Self) {
        self.clients += other.clients;
        self.received += other.received;
        self.reconnects += other.reconnects;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.reordered += other.reordered;
        self.misdelivered += other.misdelivered;
        self.excused_losses += other.excused_losses;
        self.excused_repeats += other.excused_repeats;
        for (reason, count) in other.gaps {
            *self.gaps.entry(reason).or_default() += count;
        }
        self.offences.extend(other.offences);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} clients, {} events, {} reconnects: lost {}, repeated {}, out of order {}, misdelivered {}; told: {} gaps {:?}, {} lost, {} repeated",
            self.clients,
            self.received,
            self.reconnects,
            self.lost,
            self.repeated,
            self.reordered,
            self.misdelivered,
            self.gaps_told(),
            self.gaps,
            self.excused_losses,
            self.excused_repeats,
        )?;
        for offence in self.offences.iter().take(5) {
            write!(formatter, "\n  {offence}")?;
        }
        Ok(())
    }
}
