//! The keys of one issuer.

use events_gateway_crds::identity::TokenAlgorithm;
use ring::hmac;
use ring::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Map, Value};

use crate::algorithm::{self, Verification};
use crate::jws::MAX_KID_BYTES;
use crate::proof::Digest;
use crate::{der, strict};

/// Largest set, in bytes of JSON or PEM text.
pub const MAX_BYTES: usize = 256 << 10;
/// Most keys of a set.
pub const MAX_KEYS: usize = 100;
/// Shortest shared secret, in bytes: as long as what SHA-256 gives (RFC 7518, section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// Why there is no set of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Larger than [`MAX_BYTES`].
    #[error("expected at most {MAX_BYTES} bytes of keys")]
    TooLarge,
    /// Neither a JSON Web Key Set nor PEM text.
    #[error("expected a JSON Web Key Set (RFC 7517), or public keys as PEM text")]
    Unreadable,
    /// None of its keys verifies signatures of an algorithm that is known.
    #[error("no key for signatures of a known algorithm{}", .0.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Empty(Option<String>),
    /// A secret that could be guessed.
    #[error("expected a secret of at least {MIN_SECRET_BYTES} bytes")]
    ShortSecret,
}

/// Keys that verify an issuer's signatures.
pub struct KeySet(Vec<Key>);

struct Key {
    /// Absent: it is tried whatever name a token has.
    kid: Option<String>,
    /// Absent: all of its type.
    algorithm: Option<TokenAlgorithm>,
    material: Material,
    /// Names the material, whatever the set calls it.
    digest: Digest,
}

enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
    Secret(Vec<u8>),
}

/// Whether a signature is one of a set's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verified {
    /// By this key.
    Yes(Digest),
    No,
    /// No key of this name: a newer set may have it.
    UnknownKey,
    /// The key, or all keys, are for other algorithms.
    OtherAlgorithm,
}

impl KeySet {
    /// Reads a JSON Web Key Set, or PEM text with public keys (`PUBLIC KEY`). Keys of a set that aren't for signatures, or of an
    /// unknown type, are left out; so are secrets, which have no place in a set that is published.
    ///
    /// # Errors
    /// See [`KeysError`].
    pub fn read(text: &[u8]) -> Result<Self, KeysError> {
        if text.len() > MAX_BYTES {
            return Err(KeysError::TooLarge);
        }
        let (mut keys, mut why) = (Vec::new(), None);
        if text.trim_ascii_start().starts_with(b"{") {
            let set = strict::object(text).ok_or(KeysError::Unreadable)?;
            let listed = set.get("keys").and_then(Value::as_array).ok_or(KeysError::Unreadable)?;
            for key in listed.iter().take(MAX_KEYS) {
                match key.as_object().ok_or("a key is no object").and_then(Key::from_jwk) {
                    Ok(key) => keys.push(key),
                    Err(problem) => why = why.or_else(|| Some(problem.to_owned())),
                }
            }
        } else {
            for key in SubjectPublicKeyInfoDer::pem_slice_iter(text).take(MAX_KEYS) {
                let key = key.map_err(|_| KeysError::Unreadable)?;
                match Material::from_der(&key) {
                    Some(material) => keys.push(Key::new(None, None, material)),
                    None => {
                        why = Some("a PEM key is neither RSA of 2,048 to 8,192 bits, P-256, P-384 nor Ed25519".into());
                    }
                }
            }
        }
        if keys.is_empty() { Err(KeysError::Empty(why)) } else { Ok(Self(keys)) }
    }

    /// The one key that an issuer and we share.
    ///
    /// # Errors
    /// When it is too short.
    pub fn secret(secret: &[u8]) -> Result<Self, KeysError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeysError::ShortSecret);
        }
        Ok(Self(vec![Key::new(None, None, Material::Secret(secret.to_vec()))]))
    }

    /// Whether a key that proved a token is among them still.
    #[must_use]
    pub fn has(&self, key: &Digest) -> bool {
        self.0.iter().any(|known| known.digest == *key)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There is always one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn verify(
        &self,
        algorithm: TokenAlgorithm,
        kid: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Verified {
        let named = self.0.iter().filter(|key| match (&key.kid, kid) {
            (Some(known), Some(kid)) => known == kid,
            _ => true,
        });
        let (mut any, mut fits) = (false, false);
        for key in named {
            any = true;
            if key.is_for(algorithm) {
                fits = true;
                if key.material.verifies(algorithm, signed, signature) {
                    return Verified::Yes(key.digest);
                }
            }
        }
        match (any, fits) {
            (false, _) => Verified::UnknownKey,
            (true, false) => Verified::OtherAlgorithm,
            (true, true) => Verified::No,
        }
    }
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.0.iter().map(|key| key.kid.as_deref()).collect();
        f.debug_tuple("KeySet").field(&names).finish()
    }
}

impl Key {
    fn new(kid: Option<String>, algorithm: Option<TokenAlgorithm>, material: Material) -> Self {
        let digest = material.digest();
        Self { kid, algorithm, material, digest }
    }

    fn is_for(&self, algorithm: TokenAlgorithm) -> bool {
        self.algorithm.is_none_or(|only| only == algorithm) && self.material.is_for(algorithm)
    }

    fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, &'static str> {
        let text = |name: &str| match jwk.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err("a member of a key is no text"),
        };
        if text("use")?.is_some_and(|purpose| purpose != "sig") {
            return Err("a key isn't for signatures");
        }
        if let Some(purposes) = jwk.get("key_ops") {
            let purposes = purposes.as_array().ok_or("key_ops is no array")?;
            if !purposes.iter().any(|purpose| purpose == "verify") {
                return Err("a key isn't for verifying");
            }
        }
        let algorithm = match text("alg")? {
            None => None,
            Some(name) => Some(algorithm::named(name).ok_or("a key is for an unknown algorithm")?),
        };
        let kid = text("kid")?.map(str::to_owned);
        if kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
            return Err("a kid is too long");
        }
        let bytes = |name: &str| {
            text(name)?.and_then(strict::decoded).ok_or("a key lacks a part, or it isn't base64url without padding")
        };
        let material = match (text("kty")?.unwrap_or_default(), text("crv")?) {
            ("RSA", _) => Material::rsa(&bytes("n")?, &bytes("e")?).ok_or("an RSA key has 2,048 to 8,192 bits")?,
            ("EC", Some("P-256")) => Material::P256(point(&bytes("x")?, &bytes("y")?, 32)?),
            ("EC", Some("P-384")) => Material::P384(point(&bytes("x")?, &bytes("y")?, 48)?),
            ("OKP", Some("Ed25519")) => {
                let x = bytes("x")?;
                if x.len() != 32 {
                    return Err("an Ed25519 key has 32 bytes");
                }
                Material::Ed25519(x)
            }
            ("oct", _) => return Err("a published set holds a secret"),
            _ => return Err("a key is of an unknown type or curve"),
        };
        let key = Self::new(kid, algorithm, material);
        match algorithm {
            Some(algorithm) if !key.material.is_for(algorithm) => Err("a key's alg isn't one of its type"),
            _ => Ok(key),
        }
    }
}

/// A point of a curve in its uncompressed form (SEC 1, section 2.3.3).
fn point(x: &[u8], y: &[u8], bytes: usize) -> Result<Vec<u8>, &'static str> {
    if x.len() != bytes || y.len() != bytes {
        return Err("a coordinate hasn't the length of its curve");
    }
    Ok([&[4], x, y].concat())
}

impl Material {
    fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let trimmed = |number: &[u8]| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            number[zeros..].to_vec()
        };
        let (n, e) = (trimmed(n), trimmed(e));
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        ((2_048..=8_192).contains(&bits) && !e.is_empty()).then_some(Self::Rsa { n, e })
    }

    /// From a `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    fn from_der(key: &[u8]) -> Option<Self> {
        let (kind, bits) = der::subject_public_key(key)?;
        match kind {
            der::Kind::Rsa => {
                let (n, e) = der::rsa_public_key(bits)?;
                Self::rsa(n, e)
            }
            der::Kind::P256 => (bits.len() == 65 && bits[0] == 4).then(|| Self::P256(bits.to_vec())),
            der::Kind::P384 => (bits.len() == 97 && bits[0] == 4).then(|| Self::P384(bits.to_vec())),
            der::Kind::Ed25519 => (bits.len() == 32).then(|| Self::Ed25519(bits.to_vec())),
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Self::Rsa { n, e } => Digest::of(&[b"RSA", n, e]),
            Self::P256(point) => Digest::of(&[b"P-256", point]),
            Self::P384(point) => Digest::of(&[b"P-384", point]),
            Self::Ed25519(x) => Digest::of(&[b"Ed25519", x]),
            // It may be stored: it tells no more of the secret than any token does.
            Self::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                Digest::cut(hmac::sign(&key, b"events-gateway: which key").as_ref())
            }
        }
    }

    fn is_for(&self, algorithm: TokenAlgorithm) -> bool {
        use TokenAlgorithm::{EdDsa, Es256, Es384, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        match self {
            Self::Rsa { .. } => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
            Self::P256(_) => algorithm == Es256,
            Self::P384(_) => algorithm == Es384,
            Self::Ed25519(_) => algorithm == EdDsa,
            Self::Secret(_) => matches!(algorithm, Hs256 | Hs384 | Hs512),
        }
    }

    fn verifies(&self, algorithm: TokenAlgorithm, signed: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm::verification(algorithm)) {
            (Self::Secret(secret), Verification::Hmac(algorithm)) => {
                hmac::verify(&hmac::Key::new(algorithm, secret), signed, signature).is_ok()
            }
            (Self::Rsa { n, e }, Verification::Rsa(parameters)) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
            }
            (Self::P256(key) | Self::P384(key) | Self::Ed25519(key), Verification::Other(algorithm)) => {
                UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
            }
            _ => false,
        }
    }
}
