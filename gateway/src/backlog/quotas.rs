//! The port to what is bounded for each subject over all replicas.

use std::time::Duration;

use async_trait::async_trait;

use super::BacklogError;

/// What one holder says that it holds of a quota.
#[derive(Debug, Clone, Copy)]
pub struct Hold<'a> {
    /// Whose quota: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub quota: &'a str,
    /// Who holds: a replica's id.
    pub holder: &'a str,
    /// How many it holds from now on, in all; 0: none.
    pub count: u32,
    /// How many all may hold together. [`u32::MAX`]: what is so is told, and not refused.
    pub most: u32,
    /// Holders that are known to be alive. Others count for `lease` after they said so last.
    pub live: &'a [String],
    /// See `live`.
    pub lease: Duration,
    /// How long the quota is remembered if nobody says anything: not shorter than the longest that anything is held.
    pub expiry: Duration,
}

/// Bounded numbers of things, held by replicas.
///
/// A holder says how many it holds in all, not that it holds one more: the same may be said again, and what was lost is mended by
/// saying it again. Calls of one holder for one quota must not overlap.
#[async_trait]
pub trait Quotas: Send + Sync + 'static {
    /// Says what a holder holds; `false`: all together would hold too many, and nothing has changed. One atomic step.
    async fn hold(&self, hold: Hold<'_>) -> Result<bool, BacklogError>;
}
