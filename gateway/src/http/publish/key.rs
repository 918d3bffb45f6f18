//! The field `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a string in quotes as RFC 8941 has it, or, as many
//! clients send it, without quotes.

use actix_web::HttpRequest;

use super::super::problem::{Kind, Problem};
use super::text_field;
use crate::publish::MAX_KEY_BYTES;

/// Reads it.
///
/// # Errors
/// When it is given twice, or is no key.
pub(super) fn read(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let Some(text) = text_field(request, "idempotency-key")? else { return Ok(None) };
    parse(text).map(Some).ok_or_else(|| {
        let detail =
            format!("Idempotency-Key: expected 1 to {MAX_KEY_BYTES} visible characters, in quotes or without any");
        Kind::BadRequest.because(detail).closing()
    })
}

fn parse(text: &str) -> Option<String> {
    let key = match text.strip_prefix('"') {
        None if text.contains(['"', '\\']) => return None,
        None => text.to_owned(),
        Some(rest) => {
            let mut key = String::new();
            let mut characters = rest.strip_suffix('"')?.chars();
            while let Some(character) = characters.next() {
                match character {
                    '\\' => key.push(characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
                    '"' => return None,
                    plain => key.push(plain),
                }
            }
            key
        }
    };
    let is_key = (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    is_key.then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_string_with_or_without_quotes() {
        for (text, expected) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", Some("8e03978e-40d5-43dd-bc93-6894a57f9324")),
            (r#""8e03978e""#, Some("8e03978e")),
            (r#""a\"b\\c""#, Some(r#"a"b\c"#)),
            ("", None),
            (r#""""#, None),
            (r#"""#, None),
            (r#""a"#, None),
            (r#"a""#, None),
            (r#""a"b""#, None),
            (r#""a\n""#, None),
            (r#""a\""#, None),
            ("two words", None),
            (r#""two words""#, None),
        ] {
            assert_eq!(parse(text).as_deref(), expected, "{text}");
        }
        assert!(parse(&"x".repeat(MAX_KEY_BYTES)).is_some());
        assert!(parse(&"x".repeat(MAX_KEY_BYTES + 1)).is_none());
    }
}
