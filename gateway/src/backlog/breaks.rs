//! Break numbers: how a channel hears that records addressed to it may have been skipped.
//!
//! A consumer that has to skip records, or can't tell whether it does, raises its group's number. A channel that holds a
//! lower one starts an epoch torn by [`Torn::Source`](events_gateway_core::position::Torn), so that clients which were away
//! at the time are told as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// The break number of each consumer group. A group that isn't named has 0: nothing of it was ever skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaks(Arc<BTreeMap<Arc<str>, u64>>);

impl Breaks {
    /// Of one group alone.
    #[must_use]
    pub fn of(group: &str, number: u64) -> Self {
        Self::default().raised(group, number).unwrap_or_default()
    }

    /// These with the group's number raised; `None` where it isn't above what is known.
    #[must_use]
    pub fn raised(&self, group: &str, number: u64) -> Option<Self> {
        (number > self.number(group)).then(|| {
            let mut numbers = (*self.0).clone();
            numbers.insert(group.into(), number);
            Self(Arc::new(numbers))
        })
    }

    /// The group's number.
    #[must_use]
    pub fn number(&self, group: &str) -> u64 {
        self.0.get(group).copied().unwrap_or(0)
    }

    /// How many groups have skipped anything.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was ever skipped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By group, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(group, number)| (&**group, *number))
    }
}

/// What this replica knows, shared by its consumers and its hub. Numbers only grow.
#[derive(Debug, Default)]
pub struct KnownBreaks(watch::Sender<Breaks>);

impl KnownBreaks {
    /// Notes a group's number, unless a higher one is known.
    pub fn raise(&self, group: &str, number: u64) {
        self.0.send_if_modified(|known| match known.raised(group, number) {
            Some(raised) => {
                *known = raised;
                true
            }
            None => false,
        });
    }

    /// All that is known.
    #[must_use]
    pub fn current(&self) -> Breaks {
        self.0.borrow().clone()
    }

    /// All that is known, and whenever that changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Breaks> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_a_number_of_its_own_and_it_never_falls() {
        let known = KnownBreaks::default();
        let mut changes = known.changes();
        known.raise("a", 5);
        known.raise("b", 3);
        assert!(changes.has_changed().unwrap());
        assert_eq!(*changes.borrow_and_update(), Breaks::of("a", 5).raised("b", 3).unwrap());
        known.raise("a", 4);
        known.raise("b", 3);
        known.raise("c", 0);
        assert!(!changes.has_changed().unwrap(), "nothing new");
        assert_eq!(known.current().iter().collect::<Vec<_>>(), [("a", 5), ("b", 3)]);
        assert_eq!(known.current().number("c"), 0);
    }
}
