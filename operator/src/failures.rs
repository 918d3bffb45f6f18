//! How often passes over an object failed since one succeeded, and how long to wait therefore.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::context::Key;

/// The wait after the first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_secs(1);

/// Failures, object by object.
#[derive(Debug)]
pub(crate) struct Failures {
    rows: Mutex<HashMap<Key, Row>>,
    most: Duration,
}

/// Failures in a row.
#[derive(Debug, Clone, Copy)]
struct Row {
    times: u32,
    /// When it is tried again by itself.
    until: Instant,
    /// Whether nobody is to be asked before, whatever is touched.
    is_rest: bool,
}

impl Failures {
    /// `most`: the longest wait.
    pub(crate) fn new(most: Duration) -> Self {
        Self { rows: Mutex::default(), most }
    }

    /// Counts one more: how many there were in a row, and how long to wait, give or take a quarter, so that what failed together
    /// isn't tried again together. One that comes before its time, since something was touched, lengthens no wait. `rest`: how
    /// long the API server wants to be left in peace.
    pub(crate) fn count(&self, key: &Key, rest: Option<Duration>) -> (u32, Duration) {
        let now = Instant::now();
        let mut rows = self.rows.lock();
        let row = rows.entry(key.clone()).or_insert(Row { times: 0, until: now, is_rest: false });
        if row.until <= now {
            row.times = row.times.saturating_add(1);
            let wait = FIRST.saturating_mul(2_u32.saturating_pow(row.times - 1)).min(self.most);
            row.until = now + wait.mul_f64(0.75 + rand::random::<f64>() * 0.5);
        }
        row.is_rest = rest.is_some();
        row.until = row.until.max(now + rest.unwrap_or_default());
        (row.times, row.until - now)
    }

    /// How long the API server is still to be left in peace.
    pub(crate) fn rests(&self, key: &Key) -> Option<Duration> {
        let row = self.rows.lock().get(key).copied().filter(|row| row.is_rest)?;
        Some(row.until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    /// A pass succeeded, or the object is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.rows.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn key(name: &str) -> Key {
        ("shop".into(), name.into())
    }

    fn is_near(wait: Duration, expected: f64) -> bool {
        (expected * 0.75..=expected * 1.25).contains(&wait.as_secs_f64())
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_up_to_a_bound_each_object_for_itself_and_start_anew() {
        let failures = Failures::new(Duration::from_secs(60));
        let (one, other) = (key("a"), key("b"));
        for (number, expected) in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0].into_iter().enumerate() {
            let (times, wait) = failures.count(&one, None);
            assert!(times as usize == number + 1 && is_near(wait, expected), "{times} {wait:?}");
            advance(wait).await;
        }
        assert!(is_near(failures.count(&other, None).1, 1.0));
        failures.forget(&one);
        assert_eq!(failures.count(&one, None).0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_before_their_time_lengthen_no_wait() {
        let failures = Failures::new(Duration::from_secs(60));
        let (_, wait) = failures.count(&key("a"), None);
        for _ in 0..20 {
            advance(wait / 25).await;
            let (times, left) = failures.count(&key("a"), None);
            assert!(times == 1 && left < wait, "{times} {left:?}");
        }
        advance(wait).await;
        assert_eq!(failures.count(&key("a"), None).0, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_wants_to_be_left_in_peace_is_until_that_is_over() {
        let failures = Failures::new(Duration::from_secs(60));
        assert_eq!(failures.count(&key("a"), Some(Duration::from_secs(8))), (1, Duration::from_secs(8)));
        assert_eq!((failures.rests(&key("a")), failures.rests(&key("b"))), (Some(Duration::from_secs(8)), None));
        advance(Duration::from_secs(8)).await;
        assert_eq!(failures.rests(&key("a")), None);
        failures.count(&key("a"), None);
        assert_eq!(failures.rests(&key("a")), None, "another failure is tried again when something is touched");
    }
}
