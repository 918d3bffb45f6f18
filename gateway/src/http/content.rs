//! The content of a request, read to its end within bounds.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde::de::Error as _;
use tokio::time::timeout;

use super::intake::Intake;
use super::problem::{Kind, Problem};

/// How long a client may take to send its content.
const PATIENCE: Duration = Duration::from_secs(30);

/// Checks that it is JSON by its media type, which no page of another origin can send without being allowed to (Fetch standard,
/// CORS-safelisted request-header). Nothing is read: a refusal ends the connection.
///
/// # Errors
/// When it is of another type, or of none.
pub fn require_json(fields: &HeaderMap) -> Result<(), Problem> {
    let mut types = fields.get_all(CONTENT_TYPE).map(HeaderValue::to_str);
    let essence = match (types.next(), types.next()) {
        (Some(Ok(media_type)), None) => media_type.split(';').next().unwrap_or_default().trim(),
        _ => "",
    };
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Kind::UnsupportedMediaType.because("send content-type: application/json").closing())
}

/// Reads an object of JSON: serde alone would take an array of its members' values for it.
///
/// # Errors
/// When it is none, or another one than is asked for.
pub fn object<'a, T: Deserialize<'a>>(content: &'a [u8]) -> Result<T, serde_json::Error> {
    match content.trim_ascii_start().first() {
        Some(b'{') | None => serde_json::from_slice(content),
        Some(_) => Err(serde_json::Error::custom("expected an object")),
    }
}

/// Reads it: at most `most` bytes, for each part of which `has_room` is asked first. What isn't read ends the connection.
///
/// # Errors
/// Too large, too slow, broken off, encoded, or no room for it.
pub async fn read(
    request: &HttpRequest,
    mut content: Payload,
    most: usize,
    mut has_room: impl FnMut(usize) -> bool,
) -> Result<Bytes, Problem> {
    let fields = request.headers();
    if fields.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Kind::UnsupportedMediaType.because("send the content without a content-encoding").closing());
    }
    let too_large = || Kind::ContentTooLarge.because(format!("at most {most} bytes of content")).closing();
    let announced = fields.get(CONTENT_LENGTH).and_then(|length| HeaderValue::to_str(length).ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let _content = request.conn_data::<Intake>().map(Intake::content);
    let reading = async {
        let mut whole = BytesMut::new();
        while let Some(part) = content.next().await {
            let part = part
                .map_err(|error| Kind::BadRequest.because(format!("failed to read the content: {error}")).closing())?;
            if whole.len() + part.len() > most {
                return Err(too_large());
            }
            if !has_room(part.len()) {
                return Err(Kind::Unavailable.because("too much waits to be published").after_seconds(1).closing());
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    };
    let late =
        || Kind::RequestTimeout.because(format!("the content took longer than {} s", PATIENCE.as_secs())).closing();
    timeout(PATIENCE, reading).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_one_field_says_and_nothing_that_a_form_can_send() {
        let check = |values: &[&'static str]| {
            let mut fields = HeaderMap::new();
            for value in values {
                fields.append(CONTENT_TYPE, HeaderValue::from_static(value));
            }
            require_json(&fields).is_ok()
        };
        assert!(check(&["application/json"]) && check(&["Application/JSON ; charset=utf-8"]));
        for bad in [
            &[][..],
            &[""],
            &["text/plain"],
            &["application/x-www-form-urlencoded"],
            &["multipart/form-data; boundary=application/json"],
            &["text/plain; application/json"],
            &["application/json-seq"],
            &["application/json", "text/plain"],
            &["text/plain", "application/json"],
        ] {
            assert!(!check(bad), "{bad:?}");
        }
    }

    #[test]
    fn an_array_is_no_object() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Wanted {
            a: u8,
        }
        assert_eq!(object::<Wanted>(b" {\"a\":1}").unwrap(), Wanted { a: 1 });
        for other in ["[1]", "\n[[1]]", "1", "", "null"] {
            assert!(object::<Wanted>(other.as_bytes()).is_err(), "{other}");
        }
    }
}
