//! What is kept of a token while its stream is open, so that it can be judged again: digests and a date, of one size whatever stood
//! in the token.

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// A digest of 128 bits: of a subject, of a token's id, of a key. Two of them that are equal are of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest([u8; 16]);

impl Digest {
    /// Of fields, each with its length before it: no two lists of fields give one digest.
    pub(crate) fn of(fields: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for field in fields {
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field);
        }
        Self::cut(context.finish().as_ref())
    }

    /// The beginning of a longer one.
    pub(crate) fn cut(whole: &[u8]) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&whole[..16]);
        Self(bytes)
    }

    pub(crate) fn of_subject(issuer: &str, subject: &str) -> Self {
        Self::of(&[b"subject", issuer.as_bytes(), subject.as_bytes()])
    }

    pub(crate) fn of_token(issuer: &str, id: &str) -> Self {
        Self::of(&[b"token", issuer.as_bytes(), id.as_bytes()])
    }
}

/// What a token that was proven is judged by again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// Whose it is.
    pub subject: Digest,
    /// Its id, if it has one.
    pub token: Option<Digest>,
    /// When it was issued, in milliseconds since 1970; 0 where it doesn't say.
    pub issued: u64,
    /// The key that proved it; absent where no key did.
    pub key: Option<Digest>,
}

impl Proof {
    /// Of a token's claims `iss`, `sub`, `jti` and `iat` (in milliseconds), and the key that proved it.
    #[must_use]
    pub fn new(issuer: &str, subject: &str, id: Option<&str>, issued: Option<u64>, key: Option<Digest>) -> Self {
        Self {
            subject: Digest::of_subject(issuer, subject),
            token: id.map(|id| Digest::of_token(issuer, id)),
            issued: issued.unwrap_or(0),
            key,
        }
    }
}
