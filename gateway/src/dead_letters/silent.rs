//! Dead letters without a topic: logged, at a bounded rate.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Buried, DeadLetter, DeadLetters};

/// At most one line in this time; the next tells how many were left out.
const EVERY: Duration = Duration::from_secs(1);

/// Takes dead letters by logging them.
#[derive(Debug, Default)]
pub struct Silent {
    /// When the last line was written, and how many letters were left out since.
    last: Mutex<(Option<Instant>, u64)>,
}

impl Silent {
    pub(super) fn tell(&self, letter: &DeadLetter, what: &str) {
        let left_out = {
            let mut last = self.last.lock();
            if last.0.is_some_and(|at| at.elapsed() < EVERY) {
                last.1 += 1;
                return;
            }
            last.0 = Some(Instant::now());
            std::mem::take(&mut last.1)
        };
        let DeadLetter { binding, at, record, rejection, .. } = letter;
        tracing::warn!(
            binding, partition = %at, offset = record.offset, reason = rejection.reason.as_str(), detail = rejection.detail, left_out,
            "a record can't be delivered: {what}",
        );
    }
}

#[async_trait]
impl DeadLetters for Silent {
    async fn bury(&self, letter: DeadLetter) -> Buried {
        self.tell(&letter, "there is no dead-letter topic");
        Buried::Unwanted
    }
}
