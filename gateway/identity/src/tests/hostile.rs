//! Tokens that must not be taken.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::signer::{SECRET, encoded};
use super::*;

/// (what it tries, the token)
type Case = (String, String);

fn cases(signer: &Signer) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let good = signer.token(&claims());
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let mut add = |what: &str, token: String| cases.push((what.to_owned(), token));

    // No signature, or no algorithm.
    for name in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        " ",
        "null",
        "HS0",
        "RS256 ",
        " RS256",
        "rs256",
        "RS-256",
        "ES512",
        "ES256K",
        "HS256,RS256",
        "RS256\0",
        "RSA-OAEP",
        "dir",
        "A128KW",
        "EdDSA25519",
        "Ed25519",
    ] {
        let header = encoded(json!({ "alg": name, "typ": "JWT" }).to_string());
        add(&format!("alg {name:?} unsigned"), format!("{header}.{payload}."));
        add(&format!("alg {name:?} with a signature"), format!("{header}.{payload}.{signature}"));
        add(&format!("alg {name:?} well signed"), signer.headed(&json!({ "alg": name }), &claims()));
    }
    for alg in [json!(null), json!(7), json!(["RS256"]), json!({ "a": "RS256" }), json!(true)] {
        add(&format!("alg {alg}"), signer.headed(&json!({ "alg": alg }), &claims()));
    }
    add("no alg", signer.headed(&json!({ "typ": "JWT" }), &claims()));
    add("an empty header", signer.headed(&json!({}), &claims()));
    add("alg twice, none last", signer.raw(r#"{"alg":"RS256","alg":"none"}"#, &claims().to_string()));
    add("alg twice, none first", signer.raw(r#"{"alg":"none","alg":"RS256"}"#, &claims().to_string()));
    add("alg twice by an escape", signer.raw(r#"{"alg":"RS256","\u0061lg":"RS256"}"#, &claims().to_string()));

    // Algorithm confusion: the public key as a secret, in every form in which it is published.
    let jwk = signer.jwk("k");
    let publics: Vec<Vec<u8>> = vec![
        include_bytes!("../../tests/keys/rsa-1.pem").to_vec(),
        include_str!("../../tests/keys/rsa-1.pem").trim().as_bytes().to_vec(),
        include_str!("../../tests/keys/rsa-1.pem").replace('\n', "\r\n").into_bytes(),
        jwk.to_string().into_bytes(),
        json!({ "keys": [jwk] }).to_string().into_bytes(),
        jwk["n"].as_str().unwrap().as_bytes().to_vec(),
        Vec::new(),
        vec![0],
        SECRET.to_vec(),
    ];
    for (number, public) in publics.iter().enumerate() {
        for (name, algorithm) in
            [("HS256", ring::hmac::HMAC_SHA256), ("HS384", ring::hmac::HMAC_SHA384), ("HS512", ring::hmac::HMAC_SHA512)]
        {
            let signed = format!("{}.{payload}", encoded(json!({ "alg": name }).to_string()));
            let tag = ring::hmac::sign(&ring::hmac::Key::new(algorithm, public), signed.as_bytes());
            add(&format!("{name} with public key {number}"), format!("{signed}.{}", encoded(tag)));
        }
    }
    // The right key under an algorithm of its type that it didn't sign for, and others' keys.
    for name in TokenAlgorithm::ALL.into_iter().filter(|algorithm| *algorithm != TokenAlgorithm::Rs256) {
        add(&format!("signed RS256, says {name:?}"), signer.headed(&json!({ "alg": name }), &claims()));
    }
    for algorithm in TokenAlgorithm::ALL {
        let other = if algorithm == TokenAlgorithm::Rs256 { Signer::rsa(2) } else { Signer::of(algorithm) };
        if other.kind() != "RSA" || algorithm == TokenAlgorithm::Rs256 {
            add(&format!("another's {algorithm:?} key"), other.token(&claims()));
            add(&format!("another's {algorithm:?} key under our kid"), other.token_of("k", &claims()));
        }
    }

    // Names of keys, and keys that a token brings along.
    for kid in [
        "../../dev/null",
        "/dev/null",
        "k'--",
        "k\0",
        "K",
        "",
        "k ",
        "https://evil.example/k",
        "k\u{0}k",
        "' OR '1'='1",
    ] {
        add(&format!("kid {kid:?}"), signer.token_of(kid, &claims()));
    }
    for kid in [json!(7), json!(null), json!(["k"]), json!({ "k": 1 }), json!(true), json!("k".repeat(300))] {
        add(
            &format!("kid of a wrong type {:.20}", kid.to_string()),
            signer.headed(&json!({ "alg": "RS256", "kid": kid }), &claims()),
        );
    }
    let evil = Signer::rsa(2);
    for (name, value) in [
        ("jwk", evil.jwk("k")),
        ("jku", json!("https://evil.example/jwks")),
        ("jku", json!("http://127.0.0.1/jwks")),
        ("jku", json!("file:///etc/passwd")),
        ("x5u", json!("https://evil.example/certificate")),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("abc")),
    ] {
        add(
            &format!("{name} of the attacker"),
            evil.headed(&json!({ "alg": "RS256", "kid": "k", name: value }), &claims()),
        );
        add(
            &format!("{name} of the attacker, no kid"),
            evil.headed(&json!({ "alg": "RS256", name: value }), &claims()),
        );
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        add(&format!("{name} {value}"), signer.headed(&json!({ "alg": "RS256", name: value }), &claims()));
    }

    // Claims that are missing, of another type, or somebody else's.
    for name in ["iss", "sub", "aud", "exp"] {
        add(&format!("no {name}"), signer.token(&without(name)));
    }
    let wrong = [
        json!(null),
        json!(true),
        json!(7),
        json!([]),
        json!({}),
        json!(""),
        json!([7]),
        json!([null]),
        json!({ "a": 1 }),
    ];
    for name in ["iss", "sub"] {
        for value in &wrong {
            add(&format!("{name} {value}"), signer.token(&with(name, value.clone())));
        }
        add(&format!("{name} in an array"), signer.token(&with(name, json!([ISSUER]))));
        add(&format!("{name} too long"), signer.token(&with(name, json!("x".repeat(501)))));
    }
    for value in [
        json!(null),
        json!(7),
        json!([]),
        json!({}),
        json!(""),
        json!([7]),
        json!(["events", 7]),
        json!({ "events": 1 }),
        json!("Events"),
        json!("events "),
        json!("event"),
        json!("events,other"),
        json!(["account"]),
        json!("*"),
        json!([["events"]]),
    ] {
        add(&format!("aud {value}"), signer.token(&with("aud", value)));
    }
    let seconds = NOW / 1_000;
    let dates = [
        json!(null),
        json!("soon"),
        json!((seconds + 3_600).to_string()),
        json!([seconds + 3_600]),
        json!({}),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(NOW + 3_600_000),
        json!(-0.5),
    ];
    for value in &dates {
        for name in ["exp", "nbf", "iat"] {
            add(&format!("{name} {value}"), signer.token(&with(name, value.clone())));
        }
    }
    for (name, value) in [("exp", seconds - 3_600), ("exp", 1), ("nbf", seconds + 3_600), ("iat", seconds + 3_600)] {
        add(&format!("{name} {value}"), signer.token(&with(name, json!(value))));
    }
    for value in [
        "https://id.example/realms/shop/",
        "https://id.example/realms",
        "https://evil.example",
        "HTTPS://id.example/realms/shop",
        "https://id.example/realms/shop#",
        " https://id.example/realms/shop",
        "https://id.example/realms/%73hop",
    ] {
        add(&format!("iss {value}"), signer.token(&with("iss", json!(value))));
    }
    for value in [json!(7), json!(null), json!([]), json!(""), json!("x".repeat(257))] {
        add(&format!("jti {:.20}", value.to_string()), signer.token(&with("jti", value)));
    }
    let text = claims().to_string();
    for (name, second) in [
        ("sub", json!("admin")),
        ("iss", json!(ISSUER)),
        ("exp", json!(seconds + 9_999)),
        ("aud", json!("events")),
        ("roles", json!(["admin"])),
    ] {
        let twice = format!("{},\"{name}\":{second}}}", &text[..text.len() - 1]);
        add(&format!("{name} twice"), signer.raw(r#"{"alg":"RS256"}"#, &twice));
    }
    for claims in ["", "null", "[]", "7", "\"x\"", "{", "{}", "{\"sub\":}", "{} {}"] {
        add(&format!("claims {claims:?}"), signer.raw(r#"{"alg":"RS256"}"#, claims));
    }
    for header in ["", "null", "[]", "7", "\"RS256\"", "{", "{\"alg\":\"RS256\"} {}", "{\"alg\":\"RS256\",}"] {
        add(&format!("header {header:?}"), signer.raw(header, &text));
    }

    // Forms.
    for (what, token) in [
        ("nothing", String::new()),
        ("dots", "..".into()),
        ("four dots", "....".into()),
        ("one part", header.into()),
        ("two parts", format!("{header}.{payload}")),
        ("no signature", format!("{header}.{payload}.")),
        ("four parts", format!("{good}.{signature}")),
        ("five parts, as if encrypted", format!("{header}..{payload}.{payload}.{signature}")),
        ("an empty payload", format!("{header}..{signature}")),
        ("padded", format!("{header}.{payload}.{signature}==")),
        ("a padded payload", format!("{header}.{payload}=.{signature}")),
        ("white space before", format!(" {good}")),
        ("white space behind", format!("{good} ")),
        ("a line's end", format!("{good}\n")),
        ("a NUL", format!("{good}\0")),
        ("Bearer", format!("Bearer {good}")),
        ("the plain alphabet of base64", good.replace('-', "+").replace('_', "/") + "+"),
        ("upper case", good.to_uppercase()),
        ("a signature cut by a byte", good[..good.len() - 2].to_owned()),
        ("a longer signature", format!("{good}AAAA")),
        ("a signature of zeros", format!("{header}.{payload}.{}", encoded([0; 256]))),
        (
            "an empty signature of the right length in text",
            format!("{header}.{payload}.{}", "A".repeat(signature.len())),
        ),
        ("nested", signer.raw(r#"{"alg":"RS256","cty":"JWT"}"#, &good)),
        ("JSON serialization", json!({ "payload": payload, "protected": header, "signature": signature }).to_string()),
        ("oversized", signer.token(&with("x", json!("x".repeat(9_000))))),
        ("deep", signer.raw(r#"{"alg":"RS256"}"#, &format!("{{\"a\":{}1{}}}", "[".repeat(2_000), "]".repeat(2_000)))),
        ("a detached payload", format!("{header}..{}", encoded(signer.sign(format!("{header}.{payload}").as_bytes())))),
        ("another's payload", format!("{header}.{}.{signature}", encoded(with("sub", json!("admin")).to_string()))),
        ("another's header", format!("{}.{payload}.{signature}", encoded(r#"{"alg":"RS256","kid":"k"}"#))),
    ] {
        add(what, token);
    }
    cases
}

#[test]
fn no_hostile_token_is_taken() {
    let signer = Signer::rsa(1);
    let keys = signer.keys();
    let cases = cases(&signer);
    assert!(cases.len() >= 200, "{}", cases.len());
    for (what, token) in &cases {
        assert!(check(&keys, token).is_err(), "{what}: {token}");
    }
    println!("{} hostile tokens, 0 taken", cases.len());
}

/// How many mutations are tried; `EVENTS_GATEWAY_MUTATIONS=1000000` for a million.
fn mutations() -> usize {
    std::env::var("EVENTS_GATEWAY_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000)
}

#[test]
fn no_mutation_of_a_good_token_is_taken() {
    let seed: u64 = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let signers =
        [TokenAlgorithm::Hs256, TokenAlgorithm::Es256, TokenAlgorithm::EdDsa, TokenAlgorithm::Rs256].map(Signer::of);
    let good: Vec<(KeySet, Vec<u8>)> =
        signers.iter().map(|signer| (signer.keys(), signer.token(&claims()).into_bytes())).collect();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+/= \0";
    let (mut tried, mut taken) = (0, 0);
    for _ in 0..mutations() {
        let (keys, token) = good.choose(&mut random).unwrap();
        let mut mutant = token.clone();
        for _ in 0..random.random_range(1..4) {
            if mutant.is_empty() {
                break;
            }
            let at = random.random_range(0..mutant.len());
            match random.random_range(0..5) {
                0 => mutant[at] = *alphabet.choose(&mut random).unwrap(),
                1 => mutant.insert(at, *alphabet.choose(&mut random).unwrap()),
                2 => drop(mutant.remove(at)),
                3 => {
                    let other = random.random_range(0..mutant.len());
                    mutant.swap(at, other);
                }
                _ => mutant.truncate(at),
            }
        }
        let Ok(mutant) = String::from_utf8(mutant) else { continue };
        if mutant.as_bytes() == token.as_slice() {
            continue;
        }
        tried += 1;
        taken += usize::from(check(keys, &mutant).is_ok());
    }
    println!("{tried} mutated tokens, {taken} taken (seed {seed})");
    assert_eq!(taken, 0, "seed {seed}");
}
