//! What verifies the signatures of each algorithm.

use events_gateway_crds::identity::TokenAlgorithm;
use ring::{hmac, signature};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};

/// What verifies the signatures of an algorithm.
pub(crate) enum Verification {
    Hmac(hmac::Algorithm),
    Rsa(&'static signature::RsaParameters),
    Other(&'static dyn signature::VerificationAlgorithm),
}

/// That of a name, exactly as it is registered.
pub(crate) fn named(name: &str) -> Option<TokenAlgorithm> {
    let name: StrDeserializer<'_, Error> = name.into_deserializer();
    TokenAlgorithm::deserialize(name).ok()
}

pub(crate) fn verification(algorithm: TokenAlgorithm) -> Verification {
    match algorithm {
        TokenAlgorithm::Hs256 => Verification::Hmac(hmac::HMAC_SHA256),
        TokenAlgorithm::Hs384 => Verification::Hmac(hmac::HMAC_SHA384),
        TokenAlgorithm::Hs512 => Verification::Hmac(hmac::HMAC_SHA512),
        TokenAlgorithm::Rs256 => Verification::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        TokenAlgorithm::Rs384 => Verification::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        TokenAlgorithm::Rs512 => Verification::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        TokenAlgorithm::Ps256 => Verification::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        TokenAlgorithm::Ps384 => Verification::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
        TokenAlgorithm::Ps512 => Verification::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
        TokenAlgorithm::Es256 => Verification::Other(&signature::ECDSA_P256_SHA256_FIXED),
        TokenAlgorithm::Es384 => Verification::Other(&signature::ECDSA_P384_SHA384_FIXED),
        TokenAlgorithm::EdDsa => Verification::Other(&signature::ED25519),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_algorithm_has_its_registered_name_and_no_other() {
        for algorithm in TokenAlgorithm::ALL {
            let name = serde_json::to_value(algorithm).unwrap();
            assert_eq!(named(name.as_str().unwrap()), Some(algorithm));
        }
        for name in ["none", "None", "", "hs256", "HS256 ", "EDDSA", "Ed25519", "ES512", "HS"] {
            assert_eq!(named(name), None, "{name}");
        }
    }
}
