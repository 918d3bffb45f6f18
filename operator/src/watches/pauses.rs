//! How long a watch waits before it is made again.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// Longer each time, and never so long that an operator stays blind when the API
/// server is back. kube's own pauses grow to 30 s; a dozen watches that ask every 5 s are nothing to an API server.
#[derive(Debug, Default)]
pub(super) struct Pauses(u32);

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.0)).min(LONGEST_PAUSE);
        self.0 = self.0.saturating_add(1);
        Some(pause.mul_f64(0.75 + rand::random::<f64>() * 0.5))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_waits_longer_each_time_and_never_long() {
        let mut pauses = Pauses::default();
        for expected in [0.5, 1.0, 2.0, 4.0, 5.0, 5.0] {
            let pause = pauses.next().unwrap().as_secs_f64();
            assert!((expected * 0.75..=expected * 1.25).contains(&pause), "{pause}");
        }
        pauses.reset();
        assert!(pauses.next().unwrap() < Duration::from_secs(1));
    }
}
