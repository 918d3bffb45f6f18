//! From a token to whom it is of.

use events_gateway_crds::identity::TokenAlgorithm;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::claims::Registered;
use crate::jws::{Jws, Malformed};
use crate::keys::{KeySet, Verified};
use crate::proof::{Digest, Proof};
use crate::strict;

/// What one issuer's tokens have to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectations {
    /// `iss`, exactly.
    pub issuer: String,
    /// One of these stands in `aud`.
    pub audiences: Vec<String>,
    /// The algorithms that are allowed; empty: all that the issuer's keys are for.
    pub algorithms: Vec<TokenAlgorithm>,
    /// By how much clocks may differ, in seconds.
    pub leeway: u64,
}

/// Whom a token is of, proven.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `jti`.
    pub id: Option<String>,
    /// Until when it counts, leeway included: milliseconds since 1970.
    pub expires: u64,
    /// `iat`, in milliseconds since 1970.
    pub issued: Option<u64>,
    /// The key that proved it; absent where no key did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest>,
    /// All claims.
    pub claims: Map<String, Value>,
}

impl Identity {
    /// What it is judged by again while a stream of it is open.
    #[must_use]
    pub fn proof(&self) -> Proof {
        Proof::new(&self.issuer, &self.subject, self.id.as_deref(), self.issued, self.key)
    }

    /// A text of 22 characters for this subject of this issuer, and no other.
    #[must_use]
    pub fn scope(&self) -> String {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        // The length first: no two subjects give one text.
        digest.update(&(self.issuer.len() as u64).to_be_bytes());
        digest.update(self.issuer.as_bytes());
        digest.update(self.subject.as_bytes());
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &digest.finish().as_ref()[..16])
    }
}

/// Why a token proves nothing. The texts hold nothing of the token but a claim's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url, or not the JSON that belongs there.
    #[error("it is no signed JSON Web Token")]
    Malformed,
    /// An unknown algorithm, one that isn't allowed, or one that the issuer's key isn't for.
    #[error("its algorithm isn't allowed")]
    Algorithm,
    /// It asks for extensions to be understood.
    #[error("it has critical extensions, and none are understood")]
    Critical,
    /// A registered claim is missing or of the wrong type.
    #[error("its claim {0} is missing or of the wrong type")]
    Claim(&'static str),
    /// Of no issuer that is configured.
    #[error("its issuer isn't trusted")]
    Issuer,
    /// The issuer's keys aren't known, or no longer trusted; they may be soon.
    #[error("the keys of its issuer aren't known now")]
    NoKeys,
    /// The issuer's set has no such key; a newer one may.
    #[error("its key isn't known")]
    UnknownKey,
    /// Not signed with the issuer's key, or changed since.
    #[error("its signature is wrong")]
    Signature,
    /// For somebody else.
    #[error("its audience is another")]
    Audience,
    /// Over.
    #[error("it has expired")]
    Expired,
    /// Not yet.
    #[error("it isn't valid yet")]
    NotYet,
    /// It, or all that its subject had then, has been revoked.
    #[error("it is revoked")]
    Revoked,
    /// Which tokens are revoked isn't known; it may be soon.
    #[error("which tokens are revoked isn't known now")]
    NoRevocations,
}

impl TokenError {
    /// Whether it says nothing of the token, and may pass by itself.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(self, Self::NoKeys | Self::NoRevocations)
    }
}

/// The issuer that a token says it is of: unproven, good for looking its keys up among those that are configured and for nothing
/// else.
///
/// # Errors
/// When it can't be read.
pub fn claimed_issuer(token: &str) -> Result<String, TokenError> {
    let claims = strict::object(&Jws::read(token)?.payload).ok_or(TokenError::Malformed)?;
    Ok(Registered::read(&claims).map_err(TokenError::Claim)?.issuer.to_owned())
}

/// Whether a text looks like a token of one of these issuers, good or bad: nobody else is to see it, and nobody else can say whose it
/// is.
pub fn is_of(token: &str, mut is_known: impl FnMut(&str) -> bool) -> bool {
    let mut parts = token.split('.');
    let payload = parts.nth(1).and_then(strict::decoded);
    let claims = payload.and_then(|payload| serde_json::from_slice::<Map<String, Value>>(&payload).ok());
    claims.is_some_and(|claims| claims.get("iss").and_then(Value::as_str).is_some_and(&mut is_known))
}

/// Proves a token at a time (milliseconds since 1970).
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(token: &str, expected: &Expectations, keys: &KeySet, now: u64) -> Result<Identity, TokenError> {
    let jws = Jws::read(token)?;
    if !expected.algorithms.is_empty() && !expected.algorithms.contains(&jws.algorithm) {
        return Err(TokenError::Algorithm);
    }
    let key = match keys.verify(jws.algorithm, jws.kid.as_deref(), jws.signed.as_bytes(), &jws.signature) {
        Verified::Yes(key) => key,
        Verified::No => return Err(TokenError::Signature),
        Verified::UnknownKey => return Err(TokenError::UnknownKey),
        Verified::OtherAlgorithm => return Err(TokenError::Algorithm),
    };
    let claims = strict::object(&jws.payload).ok_or(TokenError::Malformed)?;
    let registered = Registered::read(&claims).map_err(TokenError::Claim)?;
    if registered.issuer != expected.issuer {
        return Err(TokenError::Issuer);
    }
    if !registered.audience.iter().any(|audience| expected.audiences.iter().any(|ours| ours == audience)) {
        return Err(TokenError::Audience);
    }
    let (now, leeway) = (now as f64 / 1_000.0, expected.leeway as f64);
    if registered.expires + leeway <= now {
        return Err(TokenError::Expired);
    }
    if [registered.not_before, registered.issued].into_iter().flatten().any(|date| date > now + leeway) {
        return Err(TokenError::NotYet);
    }
    Ok(Identity {
        issuer: registered.issuer.to_owned(),
        subject: registered.subject.to_owned(),
        id: registered.id.map(str::to_owned),
        expires: ((registered.expires + leeway) * 1_000.0) as u64,
        issued: registered.issued.map(|seconds| (seconds * 1_000.0) as u64),
        key: Some(key),
        claims,
    })
}

impl From<Malformed> for TokenError {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Form => Self::Malformed,
            Malformed::Algorithm => Self::Algorithm,
            Malformed::Critical => Self::Critical,
        }
    }
}
