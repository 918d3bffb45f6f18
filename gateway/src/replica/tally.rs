//! How many of something each of many has, with a bound for each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts by key; what nobody holds any more takes no memory.
#[derive(Debug)]
pub struct Tally<K: Hash + Eq + Clone> {
    most: usize,
    counts: Mutex<HashMap<K, usize>>,
}

/// One of what `key` has, given back when it is dropped.
#[derive(Debug)]
pub struct Held<K: Hash + Eq + Clone> {
    tally: Arc<Tally<K>>,
    key: K,
}

impl<K: Hash + Eq + Clone> Tally<K> {
    /// At most `most` of each key.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, counts: Mutex::default() })
    }

    /// One more; `None` when the key has as many as it may.
    #[must_use]
    pub fn take(self: &Arc<Self>, key: K) -> Option<Held<K>> {
        let mut counts = self.counts.lock();
        let count = counts.entry(key.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Held { tally: self.clone(), key })
    }
}

impl<K: Hash + Eq + Clone> Drop for Held<K> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.tally.counts.lock().entry(self.key.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_so_many_and_what_is_given_back_can_be_taken_again() {
        let tally = Tally::new(2);
        let (one, other) = (tally.take("a"), tally.take("a"));
        assert!(one.is_some() && other.is_some() && tally.take("a").is_none());
        let others = tally.take("b");
        assert!(others.is_some(), "another has its own");
        drop(one);
        assert!(tally.take("a").is_some());
        drop((other, others));
        assert!(tally.counts.lock().is_empty(), "nothing is remembered of who holds nothing");
    }
}
