//! Who clients are: tokens of the issuers that are configured, with keys that are kept fresh, and sessions that another service knows.

pub mod forward_auth;
pub mod issuer;
mod published;
pub mod recheck;
pub mod tickets;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use events_gateway_identity::token::{claimed_issuer, verify};
use events_gateway_identity::{Identity, Proof, TokenError};

use crate::clock::now;
use crate::revocation::Revocations;
use issuer::Issuer;

/// All issuers that are trusted.
#[derive(Debug)]
pub struct Identities {
    issuers: Vec<Arc<Issuer>>,
    revocations: Option<Arc<Revocations>>,
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
    /// The keys of its issuer, or which tokens are revoked, aren't known now, or who knows its session doesn't answer.
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
        Self { issuers, revocations: None, counts: Default::default() }
    }

    /// Asks these as well.
    #[must_use]
    pub fn with_revocations(self, revocations: Option<Arc<Revocations>>) -> Self {
        Self { revocations, ..self }
    }

    /// Proves a token. Waits some seconds at most, and only where a key may be new.
    ///
    /// # Errors
    /// What is wrong with it; some of it [may pass](TokenError::may_pass) by itself.
    pub async fn prove(&self, token: &str) -> Result<Identity, TokenError> {
        let proven = self.judge(token).await.and_then(|identity| {
            self.revocations.as_ref().map_or(Ok(()), |revocations| revocations.judge(&identity.proof()))?;
            Ok(identity)
        });
        self.count(match &proven {
            Ok(_) => Outcome::Proven,
            Err(error) if error.may_pass() => Outcome::Unavailable,
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

    /// Judges somebody again who was proven before, by a token of `issuer`: whether it isn't revoked, and the key that proved it
    /// is still one of its issuer's. Waits for nothing. Every kind of proof is judged again here, and nowhere else.
    ///
    /// # Errors
    /// As [`Self::prove`]; [`TokenError::UnknownKey`] where the key was withdrawn.
    pub fn prove_again(&self, issuer: &str, proof: &Proof) -> Result<(), TokenError> {
        if let Some(revocations) = &self.revocations {
            revocations.judge(proof)?;
        }
        let Some(key) = &proof.key else { return Ok(()) };
        let issuer = self.issuers.iter().find(|known| known.expectations.issuer == issuer).ok_or(TokenError::Issuer)?;
        let keys = issuer.keys().ok_or(TokenError::NoKeys)?;
        if keys.has(key) { Ok(()) } else { Err(TokenError::UnknownKey) }
    }

    /// The revocations that are asked, if any are.
    #[must_use]
    pub fn revocations(&self) -> Option<&Arc<Revocations>> {
        self.revocations.as_ref()
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
