//! The signature algorithms (RFC 7518, section 3.1; RFC 8037) and what verifies them.

use ring::{hmac, signature};

/// How a token is signed. There is no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// What verifies the signatures of an algorithm.
pub(crate) enum Verification {
    Hmac(hmac::Algorithm),
    Rsa(&'static signature::RsaParameters),
    Other(&'static dyn signature::VerificationAlgorithm),
}

impl Algorithm {
    /// All of them, by the names of RFC 7518 and RFC 8037.
    pub const NAMES: [(&'static str, Self); 12] = [
        ("HS256", Self::Hs256),
        ("HS384", Self::Hs384),
        ("HS512", Self::Hs512),
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];

    /// That of a name, exactly as it is registered.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find_map(|(known, algorithm)| (known == name).then_some(algorithm))
    }

    /// Its registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.into_iter().find_map(|(name, algorithm)| (algorithm == self).then_some(name)).unwrap_or_default()
    }

    pub(crate) fn verification(self) -> Verification {
        match self {
            Self::Hs256 => Verification::Hmac(hmac::HMAC_SHA256),
            Self::Hs384 => Verification::Hmac(hmac::HMAC_SHA384),
            Self::Hs512 => Verification::Hmac(hmac::HMAC_SHA512),
            Self::Rs256 => Verification::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Verification::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Verification::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Verification::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Verification::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Verification::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Verification::Other(&signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Verification::Other(&signature::ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => Verification::Other(&signature::ED25519),
        }
    }
}
