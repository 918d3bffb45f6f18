//! Who somebody is by the word of a service that knows their session.

use serde_json::Value;

use crate::claims::Asserted;
use crate::strict;
use crate::token::{Identity, TokenError};

/// By how much clocks may differ where claims say that they aren't good yet, in seconds.
const LEEWAY: f64 = 30.0;

/// Reads the claims that a trusted service answers at a time (milliseconds since 1970): an object with `sub`, whose other registered
/// claims are of the right types where they are there. Whatever `iss` it says, the subject is one of `issuer`. Without `exp` they are
/// good for `lifetime` milliseconds.
///
/// # Errors
/// [`TokenError::Malformed`] and [`TokenError::Claim`] where the service doesn't answer what it should; [`TokenError::Expired`] and
/// [`TokenError::NotYet`] of whom it tells.
pub fn read(claims: &[u8], issuer: &str, lifetime: u64, now: u64) -> Result<Identity, TokenError> {
    let mut claims = strict::object(claims).ok_or(TokenError::Malformed)?;
    claims.insert("iss".to_owned(), Value::from(issuer));
    let read = Asserted::read(&claims).map_err(TokenError::Claim)?;
    let seconds = now as f64 / 1_000.0;
    if read.expires.is_some_and(|expires| expires <= seconds) {
        return Err(TokenError::Expired);
    }
    if read.not_before.is_some_and(|date| date > seconds + LEEWAY) {
        return Err(TokenError::NotYet);
    }
    let millis = |seconds: f64| (seconds * 1_000.0) as u64;
    Ok(Identity {
        issuer: issuer.to_owned(),
        subject: read.subject.to_owned(),
        id: read.id.map(str::to_owned),
        expires: read.expires.map_or(now.saturating_add(lifetime), millis),
        issued: read.issued.map(millis),
        key: None,
        claims,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn told(claims: &str) -> Result<Identity, TokenError> {
        read(claims.as_bytes(), "session", 60_000, NOW)
    }

    #[test]
    fn a_subject_is_one_of_the_services_issuer_whatever_it_says() {
        let ann =
            told(r#"{"sub":"ann","iss":"https://id","roles":["a"],"exp":1800000001.5,"iat":1799999999,"jti":"x"}"#);
        let ann = ann.unwrap();
        assert_eq!((ann.issuer.as_str(), ann.subject.as_str(), ann.id.as_deref()), ("session", "ann", Some("x")));
        assert_eq!((ann.expires, ann.issued), (NOW + 1_500, Some(NOW - 1_000)));
        assert_eq!((ann.claims["iss"].as_str(), ann.claims["roles"][0].as_str()), (Some("session"), Some("a")));
        let bob = told(r#"{"sub":"bob"}"#).unwrap();
        assert_eq!((bob.expires, bob.issued, bob.id), (NOW + 60_000, None, None));
        assert!(told(r#"{"sub":"a","nbf":1800000029}"#).is_ok());
        assert_eq!(told(r#"{"sub":"a","nbf":1800000031}"#), Err(TokenError::NotYet));
    }

    #[test]
    fn what_is_of_the_wrong_type_is_never_taken_for_absent() {
        for (claims, expected) in [
            ("", TokenError::Malformed),
            ("null", TokenError::Malformed),
            ("[]", TokenError::Malformed),
            ("\"ann\"", TokenError::Malformed),
            ("<!doctype html>", TokenError::Malformed),
            (r#"{"sub":"ann"} {"sub":"bob"}"#, TokenError::Malformed),
            (r#"{"sub":"ann","sub":"bob"}"#, TokenError::Malformed),
            (r#"{"sub":"ann","roles":{"a":1,"a":2}}"#, TokenError::Malformed),
            (r#"{"sub":"ann"#, TokenError::Malformed),
            ("{}", TokenError::Claim("sub")),
            (r#"{"sub":null}"#, TokenError::Claim("sub")),
            (r#"{"sub":""}"#, TokenError::Claim("sub")),
            (r#"{"sub":7}"#, TokenError::Claim("sub")),
            (r#"{"sub":["ann"]}"#, TokenError::Claim("sub")),
            (r#"{"Sub":"ann"}"#, TokenError::Claim("sub")),
            (r#"{"sub":"ann","exp":"1900000000"}"#, TokenError::Claim("exp")),
            (r#"{"sub":"ann","exp":null}"#, TokenError::Claim("exp")),
            (r#"{"sub":"ann","exp":true}"#, TokenError::Claim("exp")),
            (r#"{"sub":"ann","exp":[1900000000]}"#, TokenError::Claim("exp")),
            (r#"{"sub":"ann","exp":-1}"#, TokenError::Claim("exp")),
            (r#"{"sub":"ann","exp":1e300}"#, TokenError::Claim("exp")),
            (r#"{"sub":"ann","exp":1900000000000}"#, TokenError::Claim("exp")),
            (r#"{"sub":"ann","nbf":"0"}"#, TokenError::Claim("nbf")),
            (r#"{"sub":"ann","iat":{}}"#, TokenError::Claim("iat")),
            (r#"{"sub":"ann","jti":1}"#, TokenError::Claim("jti")),
            (r#"{"sub":"ann","exp":0}"#, TokenError::Expired),
            (r#"{"sub":"ann","exp":1800000000}"#, TokenError::Expired),
            (r#"{"sub":"ann","exp":1799999999.999}"#, TokenError::Expired),
        ] {
            assert_eq!(told(claims), Err(expected), "{claims}");
        }
        let long = format!(r#"{{"sub":"{}"}}"#, "a".repeat(501));
        assert_eq!(told(&long), Err(TokenError::Claim("sub")));
    }
}
