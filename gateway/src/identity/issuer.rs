//! One issuer, and its keys: read again every so often, and for a key that isn't known.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use events_gateway_identity::{Expectations, KeySet, KeysError};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::published;
pub use super::published::Published;
use crate::config::Secret;

/// How often keys are read again.
const REFRESH: Duration = Duration::from_secs(600);
/// How often they are after a failure, and at most for a key that isn't known.
const AGAIN: Duration = Duration::from_secs(30);
/// How old they may become.
const MOST_AGE: Duration = Duration::from_secs(24 * 3_600);
/// How long whoever brings an unknown key waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where keys come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// They are published.
    Url(Published),
    /// They stand in a file.
    File(PathBuf),
    /// There is one, and it is shared.
    Secret(Secret),
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// What was read are no keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// They aren't published now.
    #[error(transparent)]
    Published(#[from] published::PublishedError),
    /// The file can't be read.
    #[error("failed to read the file")]
    File(#[from] std::io::Error),
    /// The secret can't be had.
    #[error(transparent)]
    Secret(#[from] crate::config::secret::SecretError),
}

impl Source {
    /// Reads them. Blocks.
    fn read(&self) -> Result<KeySet, SourceError> {
        Ok(match self {
            Self::Url(published) => KeySet::read(&published.fetch()?)?,
            Self::File(path) => KeySet::read(&std::fs::read(path)?)?,
            Self::Secret(secret) => KeySet::secret(secret.read()?.expose().as_bytes())?,
        })
    }
}

/// An issuer that is trusted.
#[derive(Debug)]
pub struct Issuer {
    /// What its tokens have to be.
    pub expectations: Expectations,
    source: Source,
    known: ArcSwapOption<Known>,
    /// Somebody brought a key that isn't known.
    asked: Notify,
    attempt: Mutex<Attempt>,
    /// How often.
    attempts: watch::Sender<u64>,
}

/// The last attempt to read keys.
#[derive(Debug, Default)]
struct Attempt {
    is_under_way: bool,
    ended: Option<Instant>,
}

#[derive(Debug)]
struct Known {
    keys: Arc<KeySet>,
    since: Instant,
}

impl Issuer {
    /// Knows no keys before [`Issuer::keep`] runs.
    #[must_use]
    pub fn new(expectations: Expectations, source: Source) -> Self {
        Self {
            expectations,
            source,
            known: ArcSwapOption::default(),
            asked: Notify::new(),
            attempt: Mutex::default(),
            attempts: watch::channel(0).0,
        }
    }

    /// The keys, unless they are unknown or too old.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<KeySet>> {
        let known = self.known.load_full()?;
        (known.since.elapsed() < MOST_AGE).then(|| known.keys.clone())
    }

    /// How old the keys are.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.known.load().as_ref().map(|known| known.since.elapsed())
    }

    /// Reads the keys now, or again every so often, for ever.
    pub async fn keep(self: Arc<Self>) {
        loop {
            let read = self.read().await;
            tokio::select! {
                () = sleep(if read { REFRESH } else { AGAIN }) => {}
                () = self.asked.notified() => {}
            }
        }
    }

    async fn read(self: &Arc<Self>) -> bool {
        {
            let mut attempt = self.attempt.lock();
            attempt.is_under_way = true;
            // Whoever asked before gets this one.
            let _ = self.asked.notified().now_or_never();
        }
        let issuer = self.clone();
        let read = tokio::task::spawn_blocking(move || issuer.source.read()).await;
        let name = &self.expectations.issuer;
        let succeeded = match read {
            Ok(Ok(keys)) => {
                tracing::debug!(issuer = name, keys = keys.len(), "keys read");
                self.known.store(Some(Arc::new(Known { keys: Arc::new(keys), since: Instant::now() })));
                true
            }
            Ok(Err(error)) => {
                let error = anyhow::Error::from(error);
                tracing::warn!(issuer = name, error = format!("{error:#}"), age = ?self.age(), "failed to read an issuer's keys");
                false
            }
            Err(_) => false,
        };
        *self.attempt.lock() = Attempt { is_under_way: false, ended: Some(Instant::now()) };
        self.attempts.send_modify(|attempts| *attempts += 1);
        succeeded
    }

    /// Has the keys read again, unless that was tried a moment ago; waits for it. Whether they were.
    pub(super) async fn ask_again(&self) -> bool {
        let mut attempts = self.attempts.subscribe();
        {
            let attempt = self.attempt.lock();
            if !attempt.is_under_way {
                if attempt.ended.is_some_and(|ended| ended.elapsed() < AGAIN) {
                    return false;
                }
                self.asked.notify_one();
            }
        }
        timeout(PATIENCE, attempts.changed()).await.is_ok_and(|changed| changed.is_ok())
    }
}
