//! Pages of a channel's backlog, read once for all who need them at about the same time.

use std::sync::Arc;
use std::time::Duration;

use events_gateway_core::Position;
use events_gateway_core::join::ReplayPage;
use tokio::time::Instant;

use super::signal::Signal;

/// How long a page may serve others than those who asked for it. Longer would hold memory; what a page says of the
/// channel's head and epochs is never taken from an old one.
pub(super) const KEEP: Duration = Duration::from_secs(2);
/// Pages kept per channel.
const MOST: usize = 16;

/// What is at hand for a position.
#[derive(Debug)]
pub(super) enum Answer {
    /// This page serves.
    Ready(Arc<ReplayPage>),
    /// A read is under way; the signal is woken when it ends.
    Wait,
    /// Nobody has asked: read after this position, then call `loaded`.
    Load(Position),
}

#[derive(Debug, Default)]
pub(super) struct Pages {
    kept: Vec<(Instant, Arc<ReplayPage>)>,
    loading: Vec<(Instant, Position, Vec<Arc<Signal>>)>,
}

impl Pages {
    /// A page for somebody who stands at `position` and has been waiting for one since `asked`. Pages hold at least `limit`
    /// entries, where there are so many.
    pub(super) fn ask(
        &mut self,
        position: Position,
        limit: usize,
        asked: Instant,
        now: Instant,
        signal: &Arc<Signal>,
    ) -> Answer {
        self.forget(now);
        let serves = |(read, page): &&(Instant, Arc<ReplayPage>)| {
            // A page with nothing after the position still tells where the channel stands, if it is fresh and reaches the
            // channel's head: one that its limit cut off tells nothing.
            let is_whole = page.end() == page.standing.head();
            page.serves(position) || is_whole && *read >= asked && page.after <= position
        };
        if let Some((_, page)) = self.kept.iter().rev().find(serves) {
            return Answer::Ready(Arc::clone(page));
        }
        // Clients that lost their replica together stand close to each other: begin a little earlier, for all of them.
        let after = Position(position.0 - position.0 % (limit as u64 / 4).max(1));
        if let Some((_, _, waiting)) = self.loading.iter_mut().find(|(_, from, _)| *from == after) {
            waiting.push(Arc::clone(signal));
            return Answer::Wait;
        }
        self.loading.push((now, after, vec![Arc::clone(signal)]));
        Answer::Load(after)
    }

    /// Forgets pages that are too old.
    pub(super) fn forget(&mut self, now: Instant) {
        self.kept.retain(|(read, _)| now.saturating_duration_since(*read) < KEEP);
    }

    /// A read ended; returns whom to wake. `None`: it failed.
    pub(super) fn loaded(&mut self, after: Position, page: Option<Arc<ReplayPage>>) -> Vec<Arc<Signal>> {
        let Some(index) = self.loading.iter().position(|(_, from, _)| *from == after) else {
            return Vec::new();
        };
        let (started, _, waiting) = self.loading.swap_remove(index);
        if let Some(page) = page {
            if self.kept.len() >= MOST {
                self.kept.remove(0);
            }
            self.kept.push((started, page));
        }
        waiting
    }
}
