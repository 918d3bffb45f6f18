//! How many streams each subject has, over all replicas.
//!
//! Each replica says in a quota of the subject how many streams it holds of it, before it opens one more. What it says counts while
//! it is alive, so nothing has to be given back by who can't. Where Redis doesn't answer at once the replica's own count decides:
//! streams are opened rather than refused, and each such judgement is counted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, interval, sleep, timeout};

use super::Replica;
use super::lease::Reach;
use crate::backlog::{BacklogError, Hold, Lease, Quotas};

/// How long whoever opens a stream waits for Redis.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long Redis isn't asked after it didn't answer: nobody waits in vain one after the other.
const REST: Duration = Duration::from_secs(1);
/// How often everything is said again, so that what a server lost is known again.
const AGAIN: Duration = Duration::from_secs(60);
/// Calls on their way at once when much is to be said.
const AT_ONCE: usize = 32;

/// How many a subject may have, and how long what is said of it counts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Most streams of a subject.
    pub most: u32,
    /// How long a replica is alive after it renewed its lease.
    pub lease: Duration,
    /// How long a stream lasts at most.
    pub longest: Duration,
}

/// The streams of each subject on this replica, and what others say of theirs.
pub struct Subjects {
    options: Options,
    quotas: Arc<dyn Quotas>,
    replica: Arc<Replica>,
    leases: watch::Receiver<Vec<Lease>>,
    reach: watch::Receiver<Reach>,
    held: Mutex<HashMap<Arc<str>, Arc<Subject>>>,
    /// Of whom less is held than was said.
    stale: Mutex<HashSet<Arc<str>>>,
    is_stale: Notify,
    rests_until: Mutex<Option<Instant>>,
    alone: AtomicU64,
}

#[derive(Default)]
struct Subject {
    /// Whoever says something of it: one after the other.
    turn: tokio::sync::Mutex<()>,
    count: Mutex<u32>,
}

/// One stream of a subject, given back when it is dropped.
pub struct SubjectStream {
    subjects: Arc<Subjects>,
    name: Arc<str>,
    subject: Arc<Subject>,
}

impl Subjects {
    /// Of nobody anything yet.
    #[must_use]
    pub fn new(
        options: Options,
        quotas: Arc<dyn Quotas>,
        replica: Arc<Replica>,
        reach: watch::Receiver<Reach>,
        leases: watch::Receiver<Vec<Lease>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            options,
            quotas,
            replica,
            leases,
            reach,
            held: Mutex::default(),
            stale: Mutex::default(),
            is_stale: Notify::new(),
            rests_until: Mutex::default(),
            alone: AtomicU64::new(0),
        })
    }

    /// How often this replica decided alone.
    #[must_use]
    pub fn decided_alone(&self) -> u64 {
        self.alone.load(Ordering::Relaxed)
    }

    /// One more stream of a subject (by its [scope](events_gateway_identity::Identity::scope)); `None` when it has as many as it may.
    /// Waits for half a second at most.
    pub async fn take(self: &Arc<Self>, name: &str) -> Option<SubjectStream> {
        let name: Arc<str> = name.into();
        let subject = self.held.lock().entry(name.clone()).or_default().clone();
        let is_taken = match timeout(PATIENCE, self.take_everywhere(&name, &subject)).await {
            Ok(Ok(is_taken)) => is_taken,
            failed => {
                if self.is_asked() {
                    *self.rests_until.lock() = Some(Instant::now() + REST);
                    tracing::warn!(?failed, "failed to count a subject's streams elsewhere: those here decide");
                }
                self.alone.fetch_add(1, Ordering::Relaxed);
                self.tell_later(&name);
                self.take_here(&subject)
            }
        };
        if !is_taken {
            self.forget(&name, &subject);
            return None;
        }
        Some(SubjectStream { subjects: self.clone(), name, subject })
    }

    /// Whether there is room on all replicas together; then it is taken.
    async fn take_everywhere(&self, name: &str, subject: &Subject) -> Result<bool, BacklogError> {
        if !self.is_asked() {
            return Err(BacklogError::Unavailable("not asked".into()));
        }
        let _turn = subject.turn.lock().await;
        let count = *subject.count.lock() + 1;
        let is_taken = count <= self.options.most && self.say(name, count, self.options.most).await?;
        if is_taken {
            // Some may have ended meanwhile, which is told later.
            *subject.count.lock() += 1;
        }
        Ok(is_taken)
    }

    fn take_here(&self, subject: &Subject) -> bool {
        let mut count = subject.count.lock();
        let has_room = *count < self.options.most;
        *count += u32::from(has_room);
        has_room
    }

    /// Whether Redis is asked now.
    fn is_asked(&self) -> bool {
        *self.reach.borrow() == Reach::Reached && self.rests_until.lock().is_none_or(|until| until <= Instant::now())
    }

    async fn say(&self, name: &str, count: u32, most: u32) -> Result<bool, BacklogError> {
        let live: Vec<String> = self.leases.borrow().iter().map(|lease| lease.replica.clone()).collect();
        let holder = self.replica.id();
        let hold = Hold {
            quota: name,
            holder: &holder,
            count,
            most,
            live: &live,
            lease: self.options.lease,
            expiry: self.options.longest + self.options.lease,
        };
        self.quotas.hold(hold).await
    }

    fn tell_later(&self, name: &Arc<str>) {
        self.stale.lock().insert(name.clone());
        self.is_stale.notify_one();
    }

    /// Says what has become less, and from time to time everything, for ever.
    pub async fn keep(self: Arc<Self>) {
        let mut identity = self.replica.identity();
        let mut again = interval(AGAIN);
        loop {
            tokio::select! {
                () = self.is_stale.notified() => {}
                _ = again.tick() => self.tell_all(),
                // Under its old id it counts as dead soon. (The sender lives in the replica, which this task holds.)
                _ = identity.changed() => self.tell_all(),
            }
            let stale = std::mem::take(&mut *self.stale.lock());
            let each = stream::iter(stale).map(|name| self.tell(name));
            let failed = each.buffer_unordered(AT_ONCE).filter(|told| std::future::ready(!told)).count().await;
            if failed > 0 {
                sleep(REST).await;
            }
        }
    }

    fn tell_all(&self) {
        let names: Vec<Arc<str>> = self.held.lock().keys().cloned().collect();
        self.stale.lock().extend(names);
        self.is_stale.notify_one();
    }

    /// Says what is held of one; whether it is known elsewhere now.
    async fn tell(&self, name: Arc<str>) -> bool {
        let subject = self.held.lock().entry(name.clone()).or_default().clone();
        let telling = async {
            let _turn = subject.turn.lock().await;
            let count = *subject.count.lock();
            self.say(&name, count, u32::MAX).await
        };
        let is_told = self.is_asked() && matches!(timeout(PATIENCE, telling).await, Ok(Ok(_)));
        if is_told {
            self.forget(&name, &subject);
        } else {
            self.tell_later(&name);
        }
        is_told
    }

    /// Nothing is remembered of who has no streams here, and who doesn't ask for any.
    fn forget(&self, name: &Arc<str>, subject: &Arc<Subject>) {
        let mut held = self.held.lock();
        // Two: the map's and the caller's.
        if Arc::strong_count(subject) == 2 && *subject.count.lock() == 0 && !self.stale.lock().contains(name) {
            held.remove(name);
        }
    }
}

impl Drop for SubjectStream {
    fn drop(&mut self) {
        *self.subject.count.lock() -= 1;
        self.subjects.tell_later(&self.name);
    }
}

impl std::fmt::Debug for SubjectStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubjectStream")
    }
}

impl std::fmt::Debug for Subjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subjects").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
