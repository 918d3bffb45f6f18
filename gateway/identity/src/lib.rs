//! Who a request is from: JSON Web Tokens (RFC 7519), signed (RFC 7515), and the keys that they are signed with (RFC 7517).
//!
//! Strict on purpose (RFC 8725, best current practices): one issuer has one set of keys, a key is for the algorithms of its type
//! alone, nothing that an unverified token says is followed, and what can be read in two ways isn't read. No runtime, client or
//! clock: time and keys come in as arguments.

mod algorithm;
pub mod asserted;
mod claims;
mod der;
mod jws;
pub mod keys;
mod proof;
pub mod revocation;
mod strict;
pub mod token;

pub use keys::{KeySet, KeysError};
pub use proof::{Digest, Proof};
pub use token::{Expectations, Identity, TokenError};

#[cfg(test)]
mod tests;
