//! Revocations: which tokens prove nothing any more. They stand in one Kafka topic, and every replica reads all of it.
//!
//! A replica knows them *as of* a moment: when it had read up to where the topic ended then. Before the first such moment it
//! proves nobody; what it does when the last one is long ago is configured.

pub mod confirmation;
mod partitions;
mod policy;
pub mod reader;
pub mod revoker;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use events_gateway_core::disconnect::{Closing, DisconnectReason};
use events_gateway_identity::revocation::{Malformed, Revocation, Revocations as Known, Target, Told, Whom, read};
use events_gateway_identity::{Proof, TokenError};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::backlog::Applied;
use crate::clock::now;
use crate::replica::Connections;
use crate::replica::reconnect::Reconnect;

/// Most that are remembered, some 50 bytes each.
pub const MOST: usize = 1_000_000;
/// Most that are remembered to be written again.
const MOST_LOWERED: usize = 10_000;
/// How often it is looked whether this replica is cut off.
const LOOK: Duration = Duration::from_secs(1);
/// How often revocations are forgotten that are over.
const FORGET: Duration = Duration::from_secs(60);
/// Streams that are ended at once where all are, and the pause behind each such page: 10,000 a second.
pub(crate) const PAGE: usize = 200;
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// What is done with revocations.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long each is kept: as long as a token lives at most.
    pub retention: Duration,
    /// After how long without having read all of the topic a replica is cut off.
    pub cut_off_after: Duration,
    /// Whether it then ends the streams of all whom it can't judge, and refuses them.
    pub disconnects: bool,
    /// How many are remembered at most. With more it can't be told any more who is revoked, so nobody is proven.
    pub most: usize,
    /// When those come back whose streams are ended.
    pub reconnect: Reconnect,
}

/// What came of a record of the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It revokes.
    Applied,
    /// It takes a revocation back.
    Lifted,
    /// It says nothing.
    Malformed,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Applied, Self::Lifted, Self::Malformed];

    /// The metrics' label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Lifted => "lifted",
            Self::Malformed => "malformed",
        }
    }
}

/// The revocations that this replica knows.
pub struct Revocations {
    options: Options,
    connections: Arc<Connections>,
    known: RwLock<Known>,
    began: Instant,
    as_of: RwLock<Option<Instant>>,
    /// Whether there were more than can be remembered. From then on none of those that were left out is known.
    overflowed: AtomicBool,
    /// Subjects whose last record says less than one before it: compaction would leave the lesser.
    lowered: Mutex<HashMap<Target, u64>>,
    applied: watch::Sender<Applied>,
    counts: [AtomicU64; Outcome::ALL.len()],
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocations")
            .field("options", &self.options)
            .field("known", &self.len())
            .finish_non_exhaustive()
    }
}

impl Revocations {
    /// Knows nothing yet. From now on every stream is judged once more when it is listed in `connections`.
    #[must_use]
    pub fn new(options: Options, connections: &Arc<Connections>) -> Arc<Self> {
        let this = Arc::new(Self {
            options,
            connections: connections.clone(),
            known: RwLock::new(Known::new(u64::try_from(options.retention.as_millis()).unwrap_or(u64::MAX))),
            began: Instant::now(),
            as_of: RwLock::default(),
            overflowed: AtomicBool::new(false),
            lowered: Mutex::default(),
            applied: watch::Sender::default(),
            counts: Default::default(),
        });
        let judge = Arc::downgrade(&this);
        connections.guard(Arc::new(move |proof| {
            let revocations = judge.upgrade()?;
            let reason = match revocations.judge(proof) {
                Ok(()) => return None,
                Err(TokenError::Revoked) => DisconnectReason::Revoked,
                Err(_) => DisconnectReason::IdentityUnavailable,
            };
            Some(revocations.options.reconnect.closing(reason))
        }));
        this
    }

    /// Whether a proof counts still.
    ///
    /// # Errors
    /// It is revoked, or that can't be told now.
    pub fn judge(&self, proof: &Proof) -> Result<(), TokenError> {
        if self.known.read().revoke(proof) {
            return Err(TokenError::Revoked);
        }
        if self.can_tell() { Ok(()) } else { Err(TokenError::NoRevocations) }
    }

    fn can_tell(&self) -> bool {
        let was_read = self.as_of.read().is_some();
        was_read && !(self.options.disconnects && self.is_cut_off()) && !self.overflowed.load(Ordering::Relaxed)
    }

    /// Whether it hasn't read all of the topic for too long.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.age() > self.options.cut_off_after
    }

    /// For how long it hasn't; counted from the start where it never has.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.as_of.read().unwrap_or(self.began).elapsed()
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.read().len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many records came to what.
    pub fn counts(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(&self.counts).map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }

    /// What holds for a target.
    #[must_use]
    pub fn issued_before(&self, target: &Target) -> Option<u64> {
        self.known.read().issued_before(target)
    }

    /// Applies a record that was written at `time`; when this returns, the streams that it ends have been told.
    ///
    /// # Errors
    /// When it says nothing.
    pub fn apply(&self, key: Option<&[u8]>, value: Option<&[u8]>, time: u64) -> Result<(), Malformed> {
        let told = read(key, value, time);
        self.count(match &told {
            Ok(Told::Revoked(_)) => Outcome::Applied,
            Ok(Told::Lifted(_)) => Outcome::Lifted,
            Err(_) => Outcome::Malformed,
        });
        let revocation = match told? {
            Told::Revoked(revocation) => revocation,
            Told::Lifted(target) => {
                self.known.write().lift(&target);
                self.lowered.lock().remove(&target);
                return Ok(());
            }
        };
        // Known before it is looked who is open: whoever is listed later looks here.
        let Some(issued_before) = self.remember(&revocation) else { return Ok(()) };
        let closing = || self.options.reconnect.closing(DisconnectReason::Revoked);
        let digest = revocation.target.digest();
        let closed = match &revocation.target.whom {
            Whom::Subject(_) => self.connections.close_of(&digest, |proof| proof.issued < issued_before, closing),
            Whom::Token(_) => self.connections.close_of(&digest, |_| true, closing),
        };
        if closed > 0 {
            tracing::info!(issuer = revocation.target.issuer, closed, "streams of a revoked token are ended");
        }
        let is_lowered = revocation.issued_before < issued_before;
        let mut lowered = self.lowered.lock();
        if is_lowered && lowered.len() < MOST_LOWERED {
            lowered.insert(revocation.target, issued_before);
        } else {
            lowered.remove(&revocation.target);
        }
        Ok(())
    }

    /// Before when the target's tokens have to be issued now; `None` where all of them are over.
    fn remember(&self, revocation: &Revocation) -> Option<u64> {
        let mut known = self.known.write();
        if known.issued_before(&revocation.target).is_none() {
            if known.is_over(revocation, now().0) {
                return None;
            }
            if known.len() >= self.options.most {
                self.overflow();
                return Some(revocation.issued_before);
            }
        }
        Some(known.add(revocation))
    }

    fn overflow(&self) {
        if !self.overflowed.swap(true, Ordering::Relaxed) {
            let most = self.options.most;
            tracing::error!(most, "more revocations than can be remembered: nobody is proven any more");
        }
    }

    /// Some of those whose last record says less than one before it; none before all was read, since the next record may mend it.
    fn lowered(&self, most: usize) -> Vec<(Target, u64)> {
        if self.as_of.read().is_none() {
            return Vec::new();
        }
        self.lowered.lock().iter().take(most).map(|(target, before)| (target.clone(), *before)).collect()
    }

    fn count(&self, outcome: Outcome) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// All that stood in the topic at a moment was applied.
    pub fn read_as_of(&self, moment: Instant) {
        if self.as_of.write().replace(moment).is_none() {
            tracing::info!(revocations = self.len(), "revocations read");
        }
    }

    /// Up to where records were applied.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<Applied> {
        self.applied.subscribe()
    }

    fn set_applied(&self, applied: &Applied) {
        self.applied.send_if_modified(|known| {
            let is_news = known != applied;
            if is_news {
                known.clone_from(applied);
            }
            is_news
        });
    }

    /// Forgets what is over, and ends the streams that can't be judged when it is cut off, if it is to do that. For ever.
    pub async fn keep(self: Arc<Self>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut forgot, mut was_cut_off) = (Instant::now(), false);
        loop {
            looks.tick().await;
            if forgot.elapsed() >= FORGET {
                self.known.write().forget(now().0);
                forgot = Instant::now();
            }
            let is_cut_off = self.is_cut_off();
            if is_cut_off && !was_cut_off {
                tracing::warn!(age = ?self.age(), disconnects = self.options.disconnects, "cut off from revocations");
                if self.options.disconnects {
                    self.disconnect().await;
                }
            } else if was_cut_off && !is_cut_off {
                tracing::info!("revocations are read again");
            }
            was_cut_off = is_cut_off;
        }
    }

    async fn disconnect(&self) {
        let mut after = None;
        while let Some((last, page)) = self.connections.identified(after, PAGE)
            && self.is_cut_off()
        {
            for (number, _) in page {
                self.connections.close(number, self.cut_off());
            }
            after = Some(last);
            sleep(PAUSE).await;
        }
    }

    fn cut_off(&self) -> Closing {
        self.options.reconnect.closing(DisconnectReason::IdentityUnavailable)
    }
}

#[cfg(test)]
mod tests;
