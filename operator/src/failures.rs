//! How often passes over an object failed since one succeeded, and how long to wait therefore.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::context::Key;

/// The wait after the first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_secs(1);

/// Failures, object by object.
#[derive(Debug)]
pub(crate) struct Failures {
    times: Mutex<HashMap<Key, u32>>,
    most: Duration,
}

impl Failures {
    /// `most`: the longest wait.
    pub(crate) fn new(most: Duration) -> Self {
        Self { times: Mutex::default(), most }
    }

    /// Counts one more: how many there were in a row, and how long to wait, give or take a quarter, so that what failed together
    /// isn't tried again together.
    pub(crate) fn count(&self, key: &Key) -> (u32, Duration) {
        let mut all = self.times.lock();
        let times = all.entry(key.clone()).or_insert(0);
        *times = times.saturating_add(1);
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(*times - 1)).min(self.most);
        (*times, wait.mul_f64(0.75 + rand::random::<f64>() * 0.5))
    }

    /// A pass succeeded, or the object is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.times.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_bound_each_object_for_itself_and_start_anew() {
        let failures = Failures::new(Duration::from_secs(60));
        let (one, other) = (("shop".to_owned(), "a".to_owned()), ("shop".to_owned(), "b".to_owned()));
        let near = |wait: Duration, expected: f64| (expected * 0.75..=expected * 1.25).contains(&wait.as_secs_f64());
        for (number, expected) in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0].into_iter().enumerate() {
            let (times, wait) = failures.count(&one);
            assert!(times as usize == number + 1 && near(wait, expected), "{times} {wait:?}");
        }
        assert!(near(failures.count(&other).1, 1.0));
        failures.forget(&one);
        assert_eq!(failures.count(&one).0, 1);
    }
}
