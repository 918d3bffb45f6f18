//! Entity tags of what is written once (RFC 9110, section 8.8.3).

use actix_web::http::header::{HeaderMap, HeaderValue, IF_NONE_MATCH};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The tag of a content: another content has another one.
#[must_use]
pub fn of(content: &[u8]) -> HeaderValue {
    let digest = ring::digest::digest(&ring::digest::SHA256, content);
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]));
    HeaderValue::from_str(&tag).expect("base64 between quotes is a field value")
}

/// Whether the client has it already (RFC 9110, 13.1.2: compared weakly, as proxies that compress make tags weak).
#[must_use]
pub fn is_known(fields: &HeaderMap, tag: &HeaderValue) -> bool {
    let listed = fields.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    listed.flat_map(|list| list.split(',')).map(str::trim).any(|known| {
        let known = known.strip_prefix("W/").unwrap_or(known);
        known == "*" || known.as_bytes() == tag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_not_sent_again() {
        let fields = |value: &str| {
            let mut fields = HeaderMap::new();
            fields.insert(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            fields
        };
        for (value, expected) in
            [("\"a\"", true), ("W/\"a\"", true), ("\"b\", \"a\"", true), ("*", true), ("\"b\"", false), ("a", false)]
        {
            assert_eq!(is_known(&fields(value), &HeaderValue::from_static("\"a\"")), expected, "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), &HeaderValue::from_static("\"a\"")));
    }
}
