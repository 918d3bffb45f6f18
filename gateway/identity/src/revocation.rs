//! Revocations: tokens that are signed and not over, and prove nothing all the same.
//!
//! A revocation is of a subject, whose tokens count from a moment on only, or of one token by its id (`jti`). It stands in a record
//! whose key says of whom it is and whose value says when: so a log that keeps the last record of each key keeps all of them.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::claims::{MAX_ID_BYTES, MAX_NAME_BYTES};
use crate::proof::{Digest, Proof};
use crate::strict;

/// By how much a revocation may lie ahead of its record, in milliseconds: as clocks may differ at most.
pub const MAX_AHEAD: u64 = 60_000;
/// Largest value, in bytes.
const MAX_VALUE_BYTES: usize = 4 << 10;
/// Largest key, in bytes: each byte of a name is six at most, as JSON.
const MAX_KEY_BYTES: usize = 2 * 6 * MAX_NAME_BYTES + 100;

/// Of what a revocation is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// `iss`.
    pub issuer: String,
    /// Which of its tokens.
    pub whom: Whom,
}

/// Which tokens of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Whom {
    /// Those of a subject (`sub`).
    Subject(String),
    /// The one of an id (`jti`).
    Token(String),
}

const SUBJECT: &str = "subject";
const TOKEN: &str = "token";

impl Target {
    /// The same as [`Self::read`] takes: names that aren't empty and not longer than tokens' may be.
    ///
    /// # Errors
    /// The name that can't be.
    pub fn new(issuer: String, whom: Whom) -> Result<Self, &'static str> {
        let fits = |name: &str, most: usize| (1..=most).contains(&name.len());
        if !fits(&issuer, MAX_NAME_BYTES) {
            return Err("issuer");
        }
        match &whom {
            Whom::Subject(name) if !fits(name, MAX_NAME_BYTES) => Err("subject"),
            Whom::Token(id) if !fits(id, MAX_ID_BYTES) => Err("token_id"),
            _ => Ok(Self { issuer, whom }),
        }
    }

    /// The record's key: a JSON array, `["subject","https://issuer","ann"]` or `["token","https://issuer","id"]`. Two targets
    /// never have one key.
    #[must_use]
    pub fn key(&self) -> String {
        let (kind, name) = match &self.whom {
            Whom::Subject(name) => (SUBJECT, name),
            Whom::Token(id) => (TOKEN, id),
        };
        json!([kind, self.issuer, name]).to_string()
    }

    /// Reads a record's key.
    #[must_use]
    pub fn read(key: &[u8]) -> Option<Self> {
        if key.len() > MAX_KEY_BYTES {
            return None;
        }
        let [kind, issuer, name]: [String; 3] = serde_json::from_slice(key).ok()?;
        let whom = match kind.as_str() {
            SUBJECT => Whom::Subject(name),
            TOKEN => Whom::Token(name),
            _ => return None,
        };
        Self::new(issuer, whom).ok()
    }

    /// What proofs of such tokens are found by.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match &self.whom {
            Whom::Subject(name) => Digest::of_subject(&self.issuer, name),
            Whom::Token(id) => Digest::of_token(&self.issuer, id),
        }
    }
}

/// A revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Of what.
    pub target: Target,
    /// Tokens issued before this prove nothing; of a token's revocation only how long it is kept goes by it. Milliseconds since
    /// 1970, as all times here.
    pub issued_before: u64,
    /// When it was made.
    pub revoked: u64,
}

impl Revocation {
    /// The record's value.
    #[must_use]
    pub fn value(&self) -> String {
        json!({ "issued_before": self.issued_before, "revoked": self.revoked }).to_string()
    }
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A revocation.
    Revoked(Revocation),
    /// There is none any more: a record without a value, which is what a log forgets a key by.
    Lifted(Target),
}

/// Why a record says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The key is missing or is another thing.
    #[error(
        "expected a key such as [\"subject\",\"https://issuer\",\"name\"] or [\"token\",\"https://issuer\",\"id\"]"
    )]
    Key,
    /// The value is no JSON object.
    #[error("expected a JSON object of at most {MAX_VALUE_BYTES} bytes as value")]
    Value,
    /// A member isn't a time.
    #[error("{0} is no whole number of milliseconds since 1970")]
    Time(&'static str),
}

/// Reads a record that was written at `time`. What lies ahead of that by more than [`MAX_AHEAD`] is cut to it: nobody is locked out
/// for good by a wrong number. Both members of the value may be absent, which is to say `time`; unknown ones are of later
/// releases, and a revocation is one without them.
///
/// # Errors
/// See [`Malformed`].
pub fn read(key: Option<&[u8]>, value: Option<&[u8]>, time: u64) -> Result<Told, Malformed> {
    let target = key.and_then(Target::read).ok_or(Malformed::Key)?;
    let Some(value) = value else { return Ok(Told::Lifted(target)) };
    if value.len() > MAX_VALUE_BYTES {
        return Err(Malformed::Value);
    }
    let members = strict::object(value).ok_or(Malformed::Value)?;
    let moment = |name: &'static str, otherwise: u64| match members.get(name) {
        None => Ok(otherwise),
        Some(Value::Number(number)) => number.as_u64().ok_or(Malformed::Time(name)),
        Some(_) => Err(Malformed::Time(name)),
    };
    let latest = time.saturating_add(MAX_AHEAD);
    let revoked = moment("revoked", time)?.min(latest);
    let issued_before = moment("issued_before", revoked)?.min(latest);
    Ok(Told::Revoked(Revocation { target, issued_before, revoked }))
}

/// All revocations that are known, by digest: some 50 bytes each.
#[derive(Debug)]
pub struct Revocations {
    retention: u64,
    known: HashMap<Digest, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    issued_before: u64,
    /// Until when any token may be around that this is of.
    until: u64,
}

impl Revocations {
    /// None yet. Each is kept until the longest token life, in milliseconds, has passed since.
    #[must_use]
    pub fn new(retention: u64) -> Self {
        Self { retention, known: HashMap::new() }
    }

    /// Whether any token that a revocation is of is over at a time.
    #[must_use]
    pub fn is_over(&self, revocation: &Revocation, now: u64) -> bool {
        self.until(revocation) <= now
    }

    fn until(&self, revocation: &Revocation) -> u64 {
        revocation.issued_before.max(revocation.revoked).saturating_add(self.retention)
    }

    /// Takes one; answers before when its target's tokens have to be issued now: a later revocation never lowers that.
    pub fn add(&mut self, revocation: &Revocation) -> u64 {
        let until = self.until(revocation);
        let entry = self.known.entry(revocation.target.digest()).or_insert(Entry { issued_before: 0, until });
        entry.issued_before = entry.issued_before.max(revocation.issued_before);
        entry.until = entry.until.max(until);
        entry.issued_before
    }

    /// Takes one back.
    pub fn lift(&mut self, target: &Target) {
        self.known.remove(&target.digest());
    }

    /// What holds for a target.
    #[must_use]
    pub fn issued_before(&self, target: &Target) -> Option<u64> {
        self.known.get(&target.digest()).map(|entry| entry.issued_before)
    }

    /// Whether a token is revoked.
    #[must_use]
    pub fn revoke(&self, proof: &Proof) -> bool {
        if self.known.is_empty() {
            return false;
        }
        let of_subject = self.known.get(&proof.subject).is_some_and(|entry| proof.issued < entry.issued_before);
        of_subject || proof.token.is_some_and(|token| self.known.contains_key(&token))
    }

    /// Forgets those all of whose tokens are over at a time.
    pub fn forget(&mut self, now: u64) {
        self.known.retain(|_, entry| entry.until > now);
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests;
