//! JSON Web Tokens of an issuer that shares a secret with the gateways.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

/// Its name.
pub const ISSUER: &str = "https://identity.example";
/// For whom its tokens are.
pub const AUDIENCE: &str = "events-gateway";
/// The secret.
pub const SECRET: &str = "the suites' secret, long enough for a key";

/// The section of a configuration that trusts it; no leeway.
#[must_use]
pub fn identity() -> Value {
    let issuer = json!({ "issuer": ISSUER, "audiences": [AUDIENCE], "secret": { "value": SECRET }, "leeway": "0s" });
    json!({ "issuers": [issuer], "cookie": "session", "expiring": "2s" })
}

/// A token of a subject for so long, with further claims laid over.
#[must_use]
pub fn token(subject: &str, lasts: Duration, further: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": (now + lasts).as_secs_f64() });
    for (name, value) in further.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    let encoded = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encoded(json!({ "alg": "HS256", "typ": "JWT" })), encoded(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}
