//! What idempotency keys were used for, as far as this replica remembers.
//!
//! A repeat is recognised where it counts, in the channels' meta, by whichever replica reads it. Here only a mistake of the
//! publisher's is noticed: one key for two events, of which the second would silently count as a repeat.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash as _;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// As long as channels remember an id.
const WINDOW: Duration = Duration::from_secs(600);
/// Most keys that are remembered, about 64 bytes each.
const MOST: usize = 100_000;

/// What a key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// An event that it wasn't used for before, or the same again.
    Its,
    /// Another event.
    Other,
}

/// Digests of keys and of what they were used for. Their hash is keyed with a secret of this process.
pub(super) struct Keys {
    secret: (u64, u64),
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    events: HashMap<u128, u128>,
    order: VecDeque<(Instant, u128)>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { secret: rand::random(), used: Mutex::default() }
    }
}

impl Keys {
    /// Notes what a key is used for; see [`once`](crate::ingest::address::once).
    pub(super) fn note(&self, key: &str, headers: &[(&str, &[u8])], value: &[u8]) -> Use {
        // `Hash` of texts and slices is free of prefixes: no two tuples are hashed alike.
        let digest = |hash: &dyn Fn(&mut SipHasher13)| {
            let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
            hash(&mut hasher);
            hasher.finish128().as_u128()
        };
        let name = digest(&|hasher| key.hash(hasher));
        let event = digest(&|hasher| (headers, value).hash(hasher));
        self.used.lock().note(name, event, Instant::now())
    }
}

impl Used {
    fn note(&mut self, name: u128, event: u128, now: Instant) -> Use {
        while self.order.front().is_some_and(|(since, _)| now.duration_since(*since) > WINDOW) {
            self.forget_oldest();
        }
        if let Some(known) = self.events.get(&name) {
            return if *known == event { Use::Its } else { Use::Other };
        }
        if self.order.len() == MOST {
            self.forget_oldest();
        }
        self.events.insert(name, event);
        self.order.push_back((now, name));
        Use::Its
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.order.pop_front() {
            self.events.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_one_event() {
        let keys = Keys::default();
        let note = |key, value: &str| keys.note(key, &[("h", b"x")], value.as_bytes());
        assert_eq!(note("1", "paid"), Use::Its);
        assert_eq!(note("1", "paid"), Use::Its, "a retry");
        assert_eq!(note("1", "shipped"), Use::Other);
        assert_eq!(note("2", "shipped"), Use::Its);
        assert_eq!(keys.note("2", &[("h", b"y")], b"shipped"), Use::Other, "headers are part of it");
    }

    #[test]
    fn keys_are_forgotten_after_the_window_and_when_they_are_too_many() {
        let mut used = Used::default();
        let began = Instant::now();
        assert_eq!(used.note(0, 1, began), Use::Its);
        assert_eq!(used.note(0, 2, began + WINDOW), Use::Other);
        assert_eq!(used.note(0, 2, began + WINDOW + Duration::from_millis(1)), Use::Its);
        for name in 1..=MOST as u128 {
            used.note(name, 1, began + WINDOW + WINDOW);
        }
        assert_eq!((used.events.len(), used.order.len()), (MOST, MOST));
        assert_eq!(used.note(1, 2, began + WINDOW + WINDOW), Use::Other, "the newest are remembered");
    }
}
