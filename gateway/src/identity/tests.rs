//! Issuers whose keys are published by a server that we play, well or badly.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events_gateway_identity::Expectations;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;
use tokio::time::Instant;

use super::issuer::{Published, Source};
use super::recheck::recheck;
use super::*;

/// What the server does with a request.
type Serve = Box<dyn FnMut(TcpStream) + Send>;

/// A server on a port of its own; each connection has one request.
fn server(mut serve: Serve) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut buffer = [0; 4_096];
            let _ = socket.read(&mut buffer);
            serve(socket);
        }
    });
    url
}

fn answer(mut socket: TcpStream, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body));
}

struct Key {
    kid: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    fn new(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
        Self { kid, pair }
    }

    fn jwk(&self) -> serde_json::Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let encoded = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "x": encoded(x), "y": encoded(y) })
    }

    fn token(&self, issuer: &str) -> String {
        let header = json!({ "alg": "ES256", "kid": self.kid });
        let claims = json!({ "iss": issuer, "sub": "ann", "aud": "events", "exp": now().0 / 1_000 + 3_600 });
        let encoded = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn issuer(name: &str, url: String) -> Arc<Issuer> {
    let expectations =
        Expectations { issuer: name.into(), audiences: vec!["events".into()], algorithms: Vec::new(), leeway: 0 };
    let issuer = Arc::new(Issuer::new(expectations, Source::Url(Published { url, ca_file: None })));
    tokio::spawn(issuer.clone().keep());
    issuer
}

/// A set of keys that can be changed, and how often it was fetched.
fn published(keys: &Arc<Mutex<Vec<serde_json::Value>>>) -> (String, Arc<AtomicUsize>) {
    let fetched = Arc::new(AtomicUsize::new(0));
    let (count, keys) = (fetched.clone(), keys.clone());
    let url = server(Box::new(move |socket| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(socket, "200 OK", json!({ "keys": *keys.lock() }).to_string().as_bytes());
    }));
    (url, fetched)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_fetched_and_the_first_who_comes_waits_for_them() {
    let key = Key::new("one");
    let (url, fetched) = published(&Arc::new(Mutex::new(vec![key.jwk()])));
    let identities = Identities::new(vec![issuer("https://id", url)]);
    assert_eq!(identities.prove(&key.token("https://id")).await.unwrap().subject, "ann");
    assert_eq!(identities.prove(&key.token("https://other")).await, Err(TokenError::Issuer));
    assert_eq!(identities.prove(&Key::new("one").token("https://id")).await, Err(TokenError::Signature));
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    let counts: Vec<u64> = identities.counts().map(|(_, count)| count).collect();
    assert_eq!(counts, [0, 1, 2, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_issuers_key_proves_nothing_of_another() {
    let (ours, theirs) = (Key::new("k"), Key::new("k"));
    let (url, _) = published(&Arc::new(Mutex::new(vec![ours.jwk()])));
    let (their_url, _) = published(&Arc::new(Mutex::new(vec![theirs.jwk()])));
    let identities = Identities::new(vec![issuer("https://ours", url), issuer("https://theirs", their_url)]);
    assert!(identities.prove(&theirs.token("https://theirs")).await.is_ok());
    assert_eq!(identities.prove(&theirs.token("https://ours")).await, Err(TokenError::Signature));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_nobody_knows_are_asked_for_at_most_twice_a_minute() {
    let (one, other) = (Key::new("one"), Key::new("other"));
    let keys = Arc::new(Mutex::new(vec![one.jwk()]));
    let (url, fetched) = published(&keys);
    let identities = Identities::new(vec![issuer("https://id", url)]);
    assert!(identities.prove(&one.token("https://id")).await.is_ok());
    keys.lock().push(other.jwk());
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(identities.prove(&other.token("https://id")).await, Err(TokenError::UnknownKey));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "nobody waits for what isn't asked");
    assert_eq!(fetched.load(Ordering::SeqCst), 1, "it was just asked");
}

/// Servers that are hostile, or broken.
fn hostile() -> Vec<(&'static str, Serve)> {
    let good = json!({ "keys": [Key::new("k").jwk()] }).to_string();
    let body =
        move |head: &'static str, body: Vec<u8>| -> Serve { Box::new(move |socket| answer(socket, head, &body)) };
    let elsewhere = server(body("200 OK", good.clone().into_bytes()));
    let redirect = move |status: &'static str| -> Serve {
        let elsewhere = elsewhere.clone();
        Box::new(move |socket| answer(socket, &format!("{status} X\r\nLocation: {elsewhere}"), b""))
    };
    vec![
        ("a redirect", redirect("302")),
        ("a permanent redirect", redirect("308")),
        ("an error with keys", body("500 Oops", good.clone().into_bytes())),
        ("a login page", body("200 OK", b"<!doctype html><title>Log in</title>".to_vec())),
        ("nothing", body("200 OK", Vec::new())),
        ("no content", body("204 No Content", Vec::new())),
        ("no keys", body("200 OK", b"{\"keys\":[]}".to_vec())),
        ("keys twice", body("200 OK", format!("{},\"keys\":[]}}", &good[..good.len() - 1]).into_bytes())),
        ("a secret", body("200 OK", b"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}".to_vec())),
        ("a large set", body("200 OK", [good.as_bytes(), &vec![b' '; 300 << 10]].concat())),
        ("compressed", body("200 OK\r\nContent-Encoding: gzip", b"\x1f\x8b\x08\0\0\0\0\0".to_vec())),
        ("not UTF-8", body("200 OK", vec![0xff; 100])),
        ("no HTTP", Box::new(|mut socket| drop(socket.write_all(b"hello")))),
        (
            "an end before the end",
            Box::new(|mut socket| {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"keys\":[");
            }),
        ),
        (
            "an endless head",
            Box::new(|mut socket| {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n");
                while socket.write_all(b"X: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n").is_ok() {}
            }),
        ),
        (
            "an endless body",
            Box::new(|mut socket| {
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"keys\":[");
                while socket.write_all(&[b' '; 4_096]).is_ok() {}
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_keys_are_taken_from_a_hostile_server() {
    let key = Key::new("k");
    for (what, serve) in hostile() {
        let issuer = issuer("https://id", server(serve));
        let began = Instant::now();
        let identities = Identities::new(vec![issuer.clone()]);
        assert_eq!(identities.prove(&key.token("https://id")).await, Err(TokenError::NoKeys), "{what}");
        assert!(issuer.keys().is_none() && issuer.age().is_none(), "{what}");
        assert!(began.elapsed() < Duration::from_secs(12), "{what}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_a_slow_server_waits_in_bounded_time() {
    let silent = server(Box::new({
        let mut held = Vec::new();
        move |socket| held.push(socket)
    }));
    let identities = Identities::new(vec![issuer("https://id", silent)]);
    let began = Instant::now();
    assert_eq!(identities.prove(&Key::new("k").token("https://id")).await, Err(TokenError::NoKeys));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

/// A set of keys in a file that can be changed.
struct Keys(tempfile::NamedTempFile);

impl Keys {
    fn new(keys: &[&Key]) -> Self {
        let this = Self(tempfile::NamedTempFile::new().unwrap());
        this.write(keys);
        this
    }

    fn write(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        std::fs::write(self.0.path(), json!({ "keys": keys }).to_string()).unwrap();
    }

    fn break_it(&self) {
        std::fs::write(self.0.path(), "no keys").unwrap();
    }

    fn issuer(&self, name: &str) -> Arc<Issuer> {
        let expectations =
            Expectations { issuer: name.into(), audiences: vec!["events".into()], algorithms: Vec::new(), leeway: 0 };
        let issuer = Arc::new(Issuer::new(expectations, Source::File(self.0.path().to_owned())));
        tokio::spawn(issuer.clone().keep());
        issuer
    }
}

/// Lets time pass, and whoever reads files on another thread read them: paused time doesn't wait for such.
async fn pass(time: Duration, holds: impl Fn() -> bool) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_secs(10).min(end - Instant::now())).await;
    }
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
        tokio::task::yield_now().await;
    }
    panic!("it never holds");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_removed_is_dead_after_the_next_reading() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let keys = Keys::new(&[&old, &new]);
    let issuer = keys.issuer("https://id");
    let identities = Identities::new(vec![issuer.clone()]);
    pass(Duration::ZERO, || issuer.keys().is_some()).await;
    let who = identities.prove(&old.token("https://id")).await.unwrap();
    let proof = who.proof();
    keys.write(&[&new]);
    assert_eq!(identities.prove_again(&who.issuer, &proof), Ok(()), "not read again yet");
    pass(Duration::from_secs(601), || issuer.keys().is_some_and(|keys| keys.len() == 1)).await;
    assert_eq!(identities.prove_again(&who.issuer, &proof), Err(TokenError::UnknownKey));
    assert_eq!(identities.prove_again("https://other", &proof), Err(TokenError::Issuer));
    assert_eq!(identities.prove(&old.token("https://id")).await, Err(TokenError::UnknownKey));
    let proof = identities.prove(&new.token("https://id")).await.unwrap().proof();
    assert_eq!(identities.prove_again("https://id", &proof), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn keys_that_could_not_be_read_again_for_a_day_prove_nothing_and_end_nobodys_stream() {
    let key = Key::new("k");
    let keys = Keys::new(&[&key]);
    let issuer = keys.issuer("https://id");
    let identities = Identities::new(vec![issuer.clone()]);
    pass(Duration::ZERO, || issuer.keys().is_some()).await;
    let proof = identities.prove(&key.token("https://id")).await.unwrap().proof();
    keys.break_it();
    // A token that lives for more than a day.
    pass(Duration::from_secs(24 * 3_600 - 60), || issuer.keys().is_some()).await;
    assert_eq!(identities.prove_again("https://id", &proof), Ok(()));
    pass(Duration::from_secs(120), || issuer.keys().is_none()).await;
    let again = identities.prove_again("https://id", &proof).unwrap_err();
    assert!(again == TokenError::NoKeys && again.may_pass());
    assert_eq!(identities.prove(&key.token("https://id")).await, Err(TokenError::NoKeys));
    keys.write(&[&key]);
    pass(Duration::from_secs(40), || issuer.keys().is_some()).await;
    assert!(identities.prove(&key.token("https://id")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn open_streams_are_judged_again_and_end_with_their_key_only() {
    use crate::replica::Connections;
    use crate::replica::connections::tests::entry;
    use crate::replica::reconnect::Reconnect;
    use events_gateway_core::disconnect::DisconnectReason;

    let (old, new) = (Key::new("old"), Key::new("new"));
    let (keys, others) = (Keys::new(&[&old, &new]), Keys::new(&[&old]));
    let (issuer, other) = (keys.issuer("https://id"), others.issuer("https://other"));
    let identities = Arc::new(Identities::new(vec![issuer.clone(), other.clone()]));
    pass(Duration::ZERO, || issuer.keys().is_some() && other.keys().is_some()).await;
    let (connections, ended) = (Connections::new(10), Arc::new(Mutex::new(Vec::new())));
    let mut places = Vec::new();
    for (id, token) in [
        ("old", Some(old.token("https://id"))),
        ("new", Some(new.token("https://id"))),
        ("unknown", Some(old.token("https://other"))),
        ("nobody", None),
    ] {
        let who = match token {
            Some(token) => Some(identities.prove(&token).await.unwrap()),
            None => None,
        };
        let mut place = connections.admit().unwrap();
        let ended = ended.clone();
        let listed = crate::backlog::ConnectionEntry {
            issuer: who.as_ref().map(|who| who.issuer.clone()),
            proof: who.as_ref().map(Identity::proof),
            ..entry(id)
        };
        place.fill(listed, Arc::new(move |closing| ended.lock().push((id, closing.reason, closing.retryable))));
        places.push(place);
    }
    tokio::spawn(recheck(identities.clone(), connections, Duration::from_secs(300), Reconnect::default()));
    pass(Duration::from_secs(400), || ended.lock().is_empty()).await;
    keys.write(&[&new]);
    others.break_it();
    pass(Duration::from_secs(900), || issuer.keys().is_some_and(|keys| keys.len() == 1)).await;
    pass(Duration::from_secs(400), || !ended.lock().is_empty()).await;
    // The keys of the other issuer become too old: that ends nobody's stream.
    pass(Duration::from_secs(25 * 3_600), || other.keys().is_none()).await;
    assert_eq!(*ended.lock(), [("old", DisconnectReason::NoLongerPermitted, false)]);
}
