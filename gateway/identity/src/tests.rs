//! Good tokens, and as many bad ones as we could think of.

mod hostile;
mod signer;

use events_gateway_crds::identity::TokenAlgorithm;
use serde_json::{Value, json};

use crate::token::{claimed_issuer, verify};
use crate::{Expectations, Identity, KeySet, KeysError, TokenError};
use signer::Signer;

/// Milliseconds since 1970 of these tests: their tokens live from a minute before to an hour after.
const NOW: u64 = 1_800_000_000_000;
const ISSUER: &str = "https://id.example/realms/shop";

fn expectations() -> Expectations {
    Expectations {
        issuer: ISSUER.into(),
        audiences: vec!["events-gateway".into(), "events".into()],
        algorithms: Vec::new(),
        leeway: 30,
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "user-7", "aud": ["account", "events"], "exp": NOW / 1_000 + 3_600,
        "iat": NOW / 1_000 - 60, "jti": "t-1", "roles": ["editor"],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn check(keys: &KeySet, token: &str) -> Result<Identity, TokenError> {
    verify(token, &expectations(), keys, NOW)
}

#[test]
fn a_token_of_every_algorithm_is_proven() {
    for algorithm in TokenAlgorithm::ALL {
        let signer = Signer::of(algorithm);
        let identity = check(&signer.keys(), &signer.token(&claims())).unwrap();
        assert_eq!((&*identity.issuer, &*identity.subject, identity.id.as_deref()), (ISSUER, "user-7", Some("t-1")));
        assert_eq!(identity.expires, NOW + 3_600_000 + 30_000);
        assert_eq!(identity.issued, Some(NOW - 60_000));
        assert_eq!(identity.claims["roles"][0], "editor");
        assert_eq!(claimed_issuer(&signer.token(&claims())).as_deref(), Ok(ISSUER));
    }
}

#[test]
fn no_key_verifies_what_another_one_signed() {
    for one in TokenAlgorithm::ALL {
        let token = Signer::of(one).token(&claims());
        for other in TokenAlgorithm::ALL.into_iter().filter(|other| *other != one) {
            // The same key under another algorithm of its type is the same key.
            if Signer::of(one).kind() == Signer::of(other).kind() {
                continue;
            }
            let refused = check(&Signer::of(other).keys(), &token);
            assert_eq!(refused, Err(TokenError::Algorithm), "{one:?} {other:?}");
        }
    }
}

#[test]
fn time_is_read_with_leeway_and_no_more() {
    let signer = Signer::of(TokenAlgorithm::Es256);
    let keys = signer.keys();
    let seconds = NOW / 1_000;
    for (name, value, expected) in [
        ("exp", json!(seconds - 29), None),
        ("exp", json!(seconds - 30), Some(TokenError::Expired)),
        ("exp", json!(seconds as f64 - 29.5), None),
        ("exp", json!(0), Some(TokenError::Expired)),
        ("nbf", json!(seconds + 30), None),
        ("nbf", json!(seconds + 31), Some(TokenError::NotYet)),
        ("iat", json!(seconds + 30), None),
        ("iat", json!(seconds + 31), Some(TokenError::NotYet)),
    ] {
        assert_eq!(check(&keys, &signer.token(&with(name, value.clone()))).err(), expected, "{name} {value}");
    }
}

#[test]
fn only_algorithms_that_are_allowed_are_looked_at() {
    let signer = Signer::of(TokenAlgorithm::Rs256);
    let expected = Expectations { algorithms: vec![TokenAlgorithm::Ps256, TokenAlgorithm::Es256], ..expectations() };
    assert_eq!(verify(&signer.token(&claims()), &expected, &signer.keys(), NOW), Err(TokenError::Algorithm));
}

#[test]
fn a_set_may_hold_several_keys_and_a_kid_names_one() {
    let (old, new) = (Signer::rsa(1), Signer::rsa(2));
    let set = json!({ "keys": [old.jwk("old"), new.jwk("new")] }).to_string();
    let keys = KeySet::read(set.as_bytes()).unwrap();
    assert_eq!(keys.len(), 2);
    assert!(check(&keys, &old.token_of("old", &claims())).is_ok());
    assert!(check(&keys, &new.token_of("new", &claims())).is_ok());
    assert!(check(&keys, &new.token(&claims())).is_ok(), "without a kid all are tried");
    assert_eq!(check(&keys, &new.token_of("old", &claims())), Err(TokenError::Signature));
    assert_eq!(check(&keys, &new.token_of("newer", &claims())), Err(TokenError::UnknownKey));
}

#[test]
fn pem_keys_are_read() {
    for (pem, kind) in [
        (&include_bytes!("../tests/keys/rsa-1.pem")[..], "Rsa"),
        (include_bytes!("../tests/keys/prime256v1.pem"), "P256"),
        (include_bytes!("../tests/keys/secp384r1.pem"), "P384"),
        (include_bytes!("../tests/keys/ed25519.pem"), "Ed25519"),
    ] {
        assert_eq!(KeySet::read(pem).unwrap().len(), 1, "{kind}");
    }
    let keys = KeySet::read(include_bytes!("../tests/keys/rsa-1.pem")).unwrap();
    assert!(check(&keys, &Signer::rsa(1).token_of("any", &claims())).is_ok());
    assert_eq!(check(&keys, &Signer::rsa(2).token(&claims())), Err(TokenError::Signature));
    let short = KeySet::read(include_bytes!("../tests/keys/rsa-short.pem")).unwrap_err();
    assert!(matches!(short, KeysError::Empty(Some(_))), "{short}");
}

#[test]
fn keys_that_are_not_for_signatures_are_left_out() {
    let good = Signer::rsa(1).jwk("good");
    let changed = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    let bad = [
        changed("use", json!("enc")),
        changed("use", json!(7)),
        changed("key_ops", json!(["encrypt"])),
        changed("key_ops", json!("verify")),
        changed("alg", json!("RSA-OAEP")),
        changed("alg", json!("HS256")),
        changed("alg", json!("none")),
        changed("kty", json!("oct")),
        changed("kty", json!("EC")),
        changed("kid", json!("x".repeat(300))),
        changed("n", json!("AQAB")),
        changed("n", json!("not base64url=")),
        changed("n", Value::Null),
        changed("e", json!("")),
        json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AAAA", "y": "AAAA" }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "AAAA" }),
        json!(7),
        Value::Null,
    ];
    for key in &bad {
        let refused = KeySet::read(json!({ "keys": [key] }).to_string().as_bytes()).unwrap_err();
        assert!(matches!(refused, KeysError::Empty(Some(_))), "{key}: {refused}");
    }
    let with_good: Vec<Value> = bad.into_iter().chain([good]).collect();
    let keys = KeySet::read(json!({ "keys": with_good }).to_string().as_bytes()).unwrap();
    assert_eq!(keys.len(), 1, "and the rest goes on");
    assert!(check(&keys, &Signer::rsa(1).token_of("good", &claims())).is_ok());
}

#[test]
fn what_is_no_set_of_keys_is_refused() {
    for text in ["{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "{", "[]x{"] {
        let refused = KeySet::read(text.as_bytes()).unwrap_err();
        assert!(matches!(refused, KeysError::Unreadable | KeysError::Empty(None)), "{text}: {refused}");
    }
    assert_eq!(KeySet::read(b"").unwrap_err(), KeysError::Empty(None));
    assert_eq!(KeySet::read(&vec![b' '; (256 << 10) + 1]).unwrap_err(), KeysError::TooLarge);
    let many = json!({ "keys": vec![Signer::rsa(1).jwk("k"); 150] }).to_string();
    assert_eq!(KeySet::read(many.as_bytes()).unwrap().len(), 100);
    assert_eq!(KeySet::secret(&[7; 31]).unwrap_err(), KeysError::ShortSecret);
}
