//! All filters that are in use, so that each event meets each of them once, whoever asks; equality is looked up, not tried.

use std::collections::HashMap;

use super::Filter;
use crate::{Channel, Event};

/// The filters in use.
#[derive(Debug, Default)]
pub struct Table {
    slots: Vec<Option<Filter>>,
    free: Vec<u32>,
    /// How many were ever added.
    version: u64,
    by_attribute: HashMap<String, HashMap<String, Vec<u32>>>,
    by_type: HashMap<String, Vec<u32>>,
    /// Those without an equality.
    rest: Vec<u32>,
}

/// A filter's place in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    slot: u32,
    /// The table's version with it: verdicts before it know nothing of it.
    since: u64,
}

/// What all filters of a table say of one event.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdicts {
    version: u64,
    passed: Box<[u64]>,
}

impl Verdicts {
    /// What the filter on a seat said, if it was there already.
    #[must_use]
    pub fn of(&self, seat: Seat) -> Option<bool> {
        let (word, bit) = (seat.slot as usize / 64, seat.slot % 64);
        (seat.since <= self.version).then(|| self.passed.get(word).is_some_and(|word| word >> bit & 1 == 1))
    }
}

/// Where a filter is looked up.
enum Index<'a> {
    /// Under each value of each of these attributes.
    Attributes(&'a [String], &'a [String]),
    Types(Vec<&'a str>),
    Rest,
}

impl Index<'_> {
    /// By the attribute with the fewest values, else by types without stars.
    fn of(filter: &Filter) -> Index<'_> {
        if let Some(term) = filter.terms.iter().min_by_key(|term| term.attributes.len() * term.values.len()) {
            return Index::Attributes(&term.attributes, &term.values);
        }
        let exact: Option<Vec<&str>> = filter.types.iter().map(super::glob::Glob::exact).collect();
        match exact {
            Some(types) if !types.is_empty() => Index::Types(types),
            _ => Index::Rest,
        }
    }
}

impl Table {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a filter.
    pub fn add(&mut self, filter: Filter) -> Seat {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        self.version += 1;
        for_each_list(&mut self.by_attribute, &mut self.by_type, &mut self.rest, &filter, |list| list.push(slot));
        self.slots[slot as usize] = Some(filter);
        Seat { slot, since: self.version }
    }

    /// Takes a filter out; its slot may become another's.
    pub fn remove(&mut self, seat: Seat) {
        let Some(filter) = self.slots.get_mut(seat.slot as usize).and_then(Option::take) else { return };
        for_each_list(&mut self.by_attribute, &mut self.by_type, &mut self.rest, &filter, |list| {
            list.retain(|slot| *slot != seat.slot);
        });
        self.by_type.retain(|_, list| !list.is_empty());
        for term in &filter.terms {
            for name in &term.attributes {
                if let Some(values) = self.by_attribute.get_mut(name) {
                    values.retain(|_, list| !list.is_empty());
                }
            }
        }
        self.by_attribute.retain(|_, values| !values.is_empty());
        self.free.push(seat.slot);
    }

    /// What every filter says of an event.
    #[must_use]
    pub fn judge(&self, channel: &Channel, event: &Event) -> Verdicts {
        let mut passed = vec![0_u64; self.slots.len().div_ceil(64)].into_boxed_slice();
        let by_attributes =
            self.by_attribute.iter().filter_map(|(name, values)| values.get(event.attributes.get(name)?)).flatten();
        let by_type = self.by_type.get(&*event.kind).into_iter().flatten();
        for slot in by_attributes.chain(by_type).chain(&self.rest).copied() {
            let (word, bit) = (slot as usize / 64, slot % 64);
            let passes = || self.slots[slot as usize].as_ref().is_some_and(|filter| filter.passes(channel, event));
            if passed[word] >> bit & 1 == 0 && passes() {
                passed[word] |= 1 << bit;
            }
        }
        Verdicts { version: self.version, passed }
    }
}

/// The lists in which a filter stands.
fn for_each_list(
    by_attribute: &mut HashMap<String, HashMap<String, Vec<u32>>>,
    by_type: &mut HashMap<String, Vec<u32>>,
    rest: &mut Vec<u32>,
    filter: &Filter,
    mut each: impl FnMut(&mut Vec<u32>),
) {
    match Index::of(filter) {
        Index::Attributes(names, values) => {
            for name in names {
                let of_name = by_attribute.entry(name.clone()).or_default();
                for value in values {
                    each(of_name.entry(value.clone()).or_default());
                }
            }
        }
        Index::Types(types) => {
            for kind in types {
                each(by_type.entry(kind.to_owned()).or_default());
            }
        }
        Index::Rest => each(rest),
    }
}
