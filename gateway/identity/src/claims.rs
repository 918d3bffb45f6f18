//! What a verified token says, by type (RFC 7519, section 4.1).

use serde_json::{Map, Value};

/// Longest issuer or subject, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 500;
/// Longest id of a token, in bytes.
pub(crate) const MAX_ID_BYTES: usize = 256;

/// The registered claims.
pub(crate) struct Registered<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) audience: Vec<&'a str>,
    pub(crate) expires: f64,
    pub(crate) not_before: Option<f64>,
    pub(crate) issued: Option<f64>,
    pub(crate) id: Option<&'a str>,
}

impl<'a> Registered<'a> {
    /// Reads them; answers the name of the first that is missing or of another type than it has to be.
    pub(crate) fn read(claims: &'a Map<String, Value>) -> Result<Self, &'static str> {
        Ok(Self {
            issuer: text(claims, "iss", MAX_NAME_BYTES)?.ok_or("iss")?,
            subject: text(claims, "sub", MAX_NAME_BYTES)?.ok_or("sub")?,
            audience: audience(claims.get("aud").ok_or("aud")?)?,
            expires: date(claims, "exp")?.ok_or("exp")?,
            not_before: date(claims, "nbf")?,
            issued: date(claims, "iat")?,
            id: text(claims, "jti", MAX_ID_BYTES)?,
        })
    }
}

/// Those of them that count where a trusted service tells who somebody is.
pub(crate) struct Asserted<'a> {
    pub(crate) subject: &'a str,
    pub(crate) expires: Option<f64>,
    pub(crate) not_before: Option<f64>,
    pub(crate) issued: Option<f64>,
    pub(crate) id: Option<&'a str>,
}

impl<'a> Asserted<'a> {
    /// As [`Registered::read`].
    pub(crate) fn read(claims: &'a Map<String, Value>) -> Result<Self, &'static str> {
        Ok(Self {
            subject: text(claims, "sub", MAX_NAME_BYTES)?.ok_or("sub")?,
            expires: date(claims, "exp")?,
            not_before: date(claims, "nbf")?,
            issued: date(claims, "iat")?,
            id: text(claims, "jti", MAX_ID_BYTES)?,
        })
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &'static str, most: usize) -> Result<Option<&'a str>, &'static str> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if (1..=most).contains(&text.len()) => Ok(Some(text)),
        Some(_) => Err(name),
    }
}

fn audience(value: &Value) -> Result<Vec<&str>, &'static str> {
    match value {
        Value::String(one) => Ok(vec![one]),
        Value::Array(several) => several.iter().map(|one| one.as_str().ok_or("aud")).collect(),
        _ => Err("aud"),
    }
}

/// Seconds since 1970, perhaps with a fraction.
fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<f64>, &'static str> {
    /// The end of the year 9999.
    const LAST: f64 = 253_402_300_800.0;
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            let seconds = number.as_f64().filter(|seconds| (0.0..LAST).contains(seconds));
            seconds.map(Some).ok_or(name)
        }
        Some(_) => Err(name),
    }
}
