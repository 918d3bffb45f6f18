//! The filters of this replica's subscribers: each distinct one once, per view that it looks at.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use events_gateway_core::entry::Seen;
use events_gateway_core::filter::Filter;
use events_gateway_core::filter::table::{Seat, Table, Verdicts};
use events_gateway_core::view::MAX_VIEWS;
use parking_lot::{Mutex, RwLock};

/// All of them.
#[derive(Debug)]
pub(super) struct Filters {
    /// Of the raw events, then of each view.
    tables: [RwLock<Table>; MAX_VIEWS + 1],
    known: Mutex<HashMap<(usize, Filter), Weak<Seated>>>,
    most: usize,
    in_use: AtomicUsize,
}

/// A filter with its place among all; leaves it when it is dropped.
#[derive(Debug)]
pub(super) struct Seated {
    filters: Arc<Filters>,
    table: usize,
    filter: Filter,
    seat: Seat,
}

impl Filters {
    /// At most `most` distinct ones.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            tables: std::array::from_fn(|_| RwLock::default()),
            known: Mutex::default(),
            most,
            in_use: AtomicUsize::new(0),
        })
    }

    /// The filter over what a view leaves (`None`: raw events), shared with all that want the same; `None` when there are too
    /// many distinct ones.
    pub(super) fn seat(self: &Arc<Self>, view: Option<usize>, filter: &Filter) -> Option<Arc<Seated>> {
        let table = view.map_or(0, |view| view + 1);
        let mut known = self.known.lock();
        let key = (table, filter.clone());
        if let Some(seated) = known.get(&key).and_then(Weak::upgrade) {
            return Some(seated);
        }
        // One whose last holder is just leaving counts as well until it has left.
        if self.in_use.load(Ordering::Relaxed) >= self.most {
            return None;
        }
        self.in_use.fetch_add(1, Ordering::Relaxed);
        let seat = self.tables[table].write().add(filter.clone());
        let seated = Arc::new(Seated { filters: self.clone(), table, filter: filter.clone(), seat });
        known.insert(key, Arc::downgrade(&seated));
        Some(seated)
    }

    /// How many distinct ones there are.
    pub(super) fn len(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }
}

impl Seated {
    /// Whether it lets an event pass, if it was judged already.
    pub(super) fn known(&self, seen: &Seen<'_>) -> Option<bool> {
        seen.known_verdicts()?.of(self.seat)
    }

    /// Whether it lets an event pass, as its view leaves it. The first who asks of an event has all filters judge it.
    pub(super) fn passes(&self, seen: &Seen<'_>) -> bool {
        let judge =
            |channel: &_, event: &_| -> Verdicts { self.filters.tables[self.table].read().judge(channel, event) };
        // An event that was judged before this filter came.
        seen.verdicts(judge).of(self.seat).unwrap_or_else(|| self.filter.passes(seen.channel(), seen.event))
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        let mut known = self.filters.known.lock();
        let key = (self.table, self.filter.clone());
        // Another may have taken its name since its last holder left.
        if known.get(&key).is_some_and(|other| other.strong_count() == 0) {
            known.remove(&key);
        }
        self.filters.tables[self.table].write().remove(self.seat);
        self.filters.in_use.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(kind: &str) -> Filter {
        Filter::new(vec![kind.to_owned()], vec![], None).unwrap()
    }

    #[test]
    fn equal_filters_share_a_seat_and_leave_it_with_their_last_holder() {
        let filters = Filters::new(2);
        let one = filters.seat(None, &filter("a")).unwrap();
        let same = filters.seat(None, &filter("a")).unwrap();
        assert!(Arc::ptr_eq(&one, &same));
        let viewed = filters.seat(Some(0), &filter("a")).unwrap();
        assert_eq!(filters.len(), 2);
        assert!(filters.seat(None, &filter("b")).is_none(), "there are as many as there may be");
        assert!(filters.seat(None, &filter("a")).is_some());
        drop((one, same));
        let other = filters.seat(None, &filter("b")).unwrap();
        drop((viewed, other));
        assert_eq!((filters.len(), filters.known.lock().len()), (0, 0));
        assert!(filters.tables.iter().all(|table| table.read().is_empty()));
    }
}
