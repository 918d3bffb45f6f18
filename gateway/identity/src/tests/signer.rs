//! Signs tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events_gateway_crds::identity::TokenAlgorithm;
use ring::rand::SystemRandom;
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RsaKeyPair,
};
use ring::{hmac, rsa};
use serde_json::{Value, json};

use crate::KeySet;

pub(super) const SECRET: &[u8; 32] = b"a secret that only we two know!!";

pub(super) struct Signer {
    algorithm: TokenAlgorithm,
    key: Key,
}

enum Key {
    Hmac(hmac::Algorithm),
    Rsa(Box<RsaKeyPair>, &'static dyn signature::RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

pub(super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa_key(number: usize) -> Box<RsaKeyPair> {
    let keys = [&include_bytes!("../../tests/keys/rsa-1.der")[..], include_bytes!("../../tests/keys/rsa-2.der")];
    Box::new(RsaKeyPair::from_der(keys[number - 1]).unwrap())
}

impl Signer {
    /// One for RS256 with the first or second key of these tests.
    pub(super) fn rsa(number: usize) -> Self {
        Self { algorithm: TokenAlgorithm::Rs256, key: Key::Rsa(rsa_key(number), &signature::RSA_PKCS1_SHA256) }
    }

    pub(super) fn of(algorithm: TokenAlgorithm) -> Self {
        let random = SystemRandom::new();
        let ec = |parameters: &'static signature::EcdsaSigningAlgorithm| {
            let key = EcdsaKeyPair::generate_pkcs8(parameters, &random).unwrap();
            Key::Ec(EcdsaKeyPair::from_pkcs8(parameters, key.as_ref(), &random).unwrap())
        };
        let rsa = |encoding| Key::Rsa(rsa_key(1), encoding);
        let key = match algorithm {
            TokenAlgorithm::Hs256 => Key::Hmac(hmac::HMAC_SHA256),
            TokenAlgorithm::Hs384 => Key::Hmac(hmac::HMAC_SHA384),
            TokenAlgorithm::Hs512 => Key::Hmac(hmac::HMAC_SHA512),
            TokenAlgorithm::Rs256 => rsa(&signature::RSA_PKCS1_SHA256),
            TokenAlgorithm::Rs384 => rsa(&signature::RSA_PKCS1_SHA384),
            TokenAlgorithm::Rs512 => rsa(&signature::RSA_PKCS1_SHA512),
            TokenAlgorithm::Ps256 => rsa(&signature::RSA_PSS_SHA256),
            TokenAlgorithm::Ps384 => rsa(&signature::RSA_PSS_SHA384),
            TokenAlgorithm::Ps512 => rsa(&signature::RSA_PSS_SHA512),
            TokenAlgorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            TokenAlgorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            TokenAlgorithm::EdDsa => {
                let key = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                Key::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
            }
        };
        Self { algorithm, key }
    }

    /// What its keys are: those of one kind sign for several algorithms.
    pub(super) fn kind(&self) -> &'static str {
        match &self.key {
            Key::Hmac(_) => "oct",
            Key::Rsa(..) => "RSA",
            Key::Ec(_) if self.algorithm == TokenAlgorithm::Es256 => "P-256",
            Key::Ec(_) => "P-384",
            Key::Ed(_) => "Ed25519",
        }
    }

    pub(super) fn jwk(&self, kid: &str) -> Value {
        match &self.key {
            Key::Hmac(_) => unreachable!("a secret is never published"),
            Key::Rsa(key, _) => {
                let parts = rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({ "kty": "RSA", "kid": kid, "use": "sig", "n": encoded(parts.n), "e": encoded(parts.e) })
            }
            Key::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(key.public_key().as_ref().len() / 2);
                json!({ "kty": "EC", "kid": kid, "crv": self.kind(), "x": encoded(x), "y": encoded(y) })
            }
            Key::Ed(key) => json!({ "kty": "OKP", "kid": kid, "crv": "Ed25519", "x": encoded(key.public_key()) }),
        }
    }

    pub(super) fn keys(&self) -> KeySet {
        match &self.key {
            Key::Hmac(_) => KeySet::secret(SECRET).unwrap(),
            _ => KeySet::read(json!({ "keys": [self.jwk("k")] }).to_string().as_bytes()).unwrap(),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::Hmac(algorithm) => hmac::sign(&hmac::Key::new(*algorithm, SECRET), message).as_ref().to_vec(),
            Key::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Key::Ec(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Key::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// A token whose header and claims are these texts.
    pub(super) fn raw(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = encoded(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    pub(super) fn headed(&self, header: &Value, claims: &Value) -> String {
        self.raw(&header.to_string(), &claims.to_string())
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.headed(&json!({ "alg": self.algorithm, "typ": "JWT" }), claims)
    }

    pub(super) fn token_of(&self, kid: &str, claims: &Value) -> String {
        self.headed(&json!({ "alg": self.algorithm, "kid": kid }), claims)
    }
}
