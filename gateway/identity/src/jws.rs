//! A signed text, taken apart (RFC 7515, section 7.1). Nothing of it is proven yet.

use events_gateway_crds::identity::TokenAlgorithm;
use serde_json::Value;

use crate::algorithm;
use crate::strict;

/// Longest token, in bytes.
pub(crate) const MAX_TOKEN_BYTES: usize = 8 << 10;
/// Longest name of a key, in bytes.
pub(crate) const MAX_KID_BYTES: usize = 256;

pub(crate) struct Jws<'a> {
    pub(crate) algorithm: TokenAlgorithm,
    pub(crate) kid: Option<String>,
    pub(crate) payload: Vec<u8>,
    /// What is signed.
    pub(crate) signed: &'a str,
    pub(crate) signature: Vec<u8>,
}

/// Why it is none that could be verified.
pub(crate) enum Malformed {
    Form,
    Algorithm,
    /// It has extensions that have to be understood (RFC 7515, section 4.1.11); none are.
    Critical,
}

impl<'a> Jws<'a> {
    /// Takes it apart. Of the header only `alg`, `kid` and `crit` are looked at: keys and URLs that stand in it (`jwk`, `jku`,
    /// `x5u`, `x5c`) are the sender's and nothing to be followed.
    pub(crate) fn read(token: &'a str) -> Result<Self, Malformed> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Malformed::Form);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed::Form)?;
        let decoded = |part| strict::decoded(part).ok_or(Malformed::Form);
        let header = strict::object(&decoded(header)?).ok_or(Malformed::Form)?;
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(Malformed::Critical);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(Malformed::Form)?;
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= MAX_KID_BYTES => Some(kid.clone()),
            Some(_) => return Err(Malformed::Form),
        };
        Ok(Self {
            algorithm: algorithm::named(algorithm).ok_or(Malformed::Algorithm)?,
            kid,
            payload: decoded(payload)?,
            signed,
            signature: decoded(signature)?,
        })
    }
}
