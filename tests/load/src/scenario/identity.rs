//! What it costs to know who a client is: to connect, and to stay.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use events_gateway_harness::directory::Directory;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::{Effort, OPENING_BOUND, progress};
use crate::arena::{self, Arena};
use crate::figure::Figure;
use crate::machine::{self, Part};
use crate::process;
use crate::swarm::{Swarm, Target};

const SCENARIO: &str = "identity";
const CLIENTS: u32 = 5_000;
const CHANNELS: u32 = 500;

/// How long streams are open before their memory is looked at.
const SETTLE: Duration = Duration::from_secs(3);

const ISSUER: &str = "https://identity.example";
const AUDIENCE: &str = "events-gateway";

/// An issuer with a key of its own.
struct Issuer(Ed25519KeyPair);

impl Issuer {
    fn new() -> Result<Self> {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).ok().context("failed to make a key")?;
        let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).ok().context("failed to read a key")?;
        Ok(Self(key))
    }

    /// Its public key as PEM text (RFC 8410).
    fn pem(&self) -> String {
        let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        der.extend_from_slice(self.0.public_key().as_ref());
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(der))
    }

    /// A token of a subject for an hour, as large as they are in practice.
    fn token(&self, subject: u32) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": format!("user-{subject}"), "iat": now, "exp": now + 3_600,
            "jti": format!("{subject:032x}"), "scope": "openid profile email", "email": format!("user-{subject}@shop.example"),
            "realm_access": { "roles": ["offline_access", "default-roles-shop", "customer"] },
        });
        let part = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(json!({ "alg": "EdDSA", "typ": "JWT" })), part(claims));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }
}

/// What one opening of all clients used: processor time and memory of each.
struct Opened {
    cpu: f64,
    memory: f64,
}

/// Measures gateways with and without identity in turns, fresh ones in each round.
///
/// # Errors
/// When a server can't be started or doesn't serve.
pub fn identity(effort: Effort) -> Result<Vec<Figure>> {
    machine::run_on(Part::Whole)?;
    let issuer = Issuer::new()?;
    let directory = Directory::new("issuer")?;
    let keys = directory.write("keys.pem", &issuer.pem())?;
    let sections = json!({
        "identity": { "issuers": [{ "issuer": ISSUER, "audiences": [AUDIENCE], "keysFile": keys }] },
        "access": { "rules": [
            { "claims": { "/realm_access/roles": "operator" }, "subscribe": ["**"] },
            { "subscribe": ["user:{sub}", "load:*"], "replay": ["user:{sub}", "load:*"] },
        ] },
    });
    let tokens: Vec<String> = (0..CLIENTS).map(|subject| issuer.token(subject)).collect();
    let arena = Arena::start()?;
    let open = |name: &str, sections: &Value, tokens: Option<&[String]>| -> Result<Opened> {
        let gateway = arena.gateway_with(name, sections)?;
        let pid = arena::id(&gateway)?;
        let before = (process::cpu(pid)?, process::private_memory(pid)?);
        let mut swarm = Swarm::new()?;
        let targets = (0..CLIENTS).map(|client| Target {
            token: tokens.and_then(|tokens| tokens.get(client as usize).cloned()),
            ..Target::new(gateway.public(), client % CHANNELS)
        });
        swarm.open(targets, OPENING_BOUND)?;
        let cpu = process::cpu(pid)?.saturating_sub(before.0);
        swarm.run_for(SETTLE)?;
        ensure!(swarm.tally().ended == 0, "{} streams ended", swarm.tally().ended);
        let memory = process::private_memory(pid)?.saturating_sub(before.1);
        let each = f64::from(CLIENTS);
        Ok(Opened { cpu: cpu.as_secs_f64() * 1e6 / each, memory: memory as f64 / each / 1_000.0 })
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 1..=effort.rounds {
        without.push(open("anonymous", &json!({}), None)?);
        with.push(open("identified", &sections, Some(&tokens))?);
        progress(&format!("{SCENARIO}: round {round} of {}", effort.rounds));
    }
    let of = |opened: &[Opened], name: &str, unit: &str, value: fn(&Opened) -> f64| {
        Figure::new(SCENARIO, name, unit, opened.iter().map(value).collect())
    };
    let more = with.iter().zip(&without).map(|(with, without)| with.cpu / without.cpu).collect();
    let configured = format!("{CLIENTS} clients of {CHANNELS} channels, each with a token of its own (Ed25519)");
    Ok(vec![
        of(&with, "connections with a token, each core", "/s", |opened| 1e6 / opened.cpu).note(configured),
        of(&without, "connections without identity, each core", "/s", |opened| 1e6 / opened.cpu),
        Figure::new(SCENARIO, "CPU per connection, times that without identity", "", more),
        of(&with, "user memory per stream with a token", "kB", |opened| opened.memory),
        of(&without, "user memory per stream without identity", "kB", |opened| opened.memory),
    ])
}
