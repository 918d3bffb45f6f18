//! Who clients are: tokens of the issuers that are configured, with keys that are kept fresh, and sessions that another service knows.

pub mod forward_auth;
pub mod issuer;
mod published;
pub mod tickets;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use events_gateway_identity::token::{claimed_issuer, verify};
use events_gateway_identity::{Identity, TokenError};

use crate::clock::now;
use issuer::Issuer;

/// All issuers that are trusted.
#[derive(Debug)]
pub struct Identities {
    issuers: Vec<Arc<Issuer>>,
    counts: [AtomicU64; Outcome::ALL.len()],
}

/// What came of asking who a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It brought no token.
    Anonymous,
    /// It is who its token says.
    Proven,
    /// Its token proves nothing, or nobody knows its session.
    Refused,
    /// The keys of its issuer aren't known now, or who knows its session doesn't answer.
    Unavailable,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Anonymous, Self::Proven, Self::Refused, Self::Unavailable];

    /// The metrics' label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Proven => "proven",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Identities {
    /// Trusts these issuers; each [keeps its keys](Issuer::keep) by itself.
    #[must_use]
    pub fn new(issuers: Vec<Arc<Issuer>>) -> Self {
        Self { issuers, counts: Default::default() }
    }

    /// Proves a token. Waits some seconds at most, and only where a key may be new.
    ///
    /// # Errors
    /// What is wrong with it; [`TokenError::NoKeys`] may pass by itself.
    pub async fn prove(&self, token: &str) -> Result<Identity, TokenError> {
        let proven = self.judge(token).await;
        self.count(match &proven {
            Ok(_) => Outcome::Proven,
            Err(TokenError::NoKeys) => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        });
        proven
    }

    async fn judge(&self, token: &str) -> Result<Identity, TokenError> {
        let claimed = claimed_issuer(token)?;
        let issuer = self.issuers.iter().find(|issuer| issuer.expectations.issuer == claimed);
        let issuer = issuer.ok_or(TokenError::Issuer)?;
        let attempt = || {
            let keys = issuer.keys().ok_or(TokenError::NoKeys)?;
            verify(token, &issuer.expectations, &keys, now().0)
        };
        match attempt() {
            Err(TokenError::UnknownKey | TokenError::NoKeys) if issuer.ask_again().await => attempt(),
            judged => judged,
        }
    }

    /// Whether this is the name of an issuer.
    #[must_use]
    pub fn knows(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|known| known.expectations.issuer == issuer)
    }

    /// Counts what came of asking who a client is, where it wasn't [proven here](Self::prove).
    pub fn count(&self, outcome: Outcome) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often each came of it.
    pub fn counts(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(&self.counts).map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed)))
    }

    /// Them.
    #[must_use]
    pub fn issuers(&self) -> &[Arc<Issuer>] {
        &self.issuers
    }
}

#[cfg(test)]
mod tests;
