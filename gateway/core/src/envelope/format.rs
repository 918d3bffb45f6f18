//! Which format a record is in, told by its headers alone, and what every format needs first: the value as text.

use std::fmt;
use std::str;

use super::Rejection;
use crate::record::Record;

/// How a record is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The gateway's own JSON object: `{"type", "channels", "data", …}`.
    Json,
    /// A CloudEvent whose attributes are headers (`ce_…`) and whose data is the record's value.
    CloudEventBinary,
    /// A CloudEvent as a JSON object.
    CloudEventStructured,
    /// The binding has routes: the first whose condition holds says how.
    Routes,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON envelope",
            Self::CloudEventBinary => "CloudEvent, binary mode",
            Self::CloudEventStructured => "CloudEvent, structured mode",
            Self::Routes => "routes",
        })
    }
}

impl Format {
    /// Recognises the format of a record that no route reads, and says by what. The content type decides before the
    /// `ce_` headers, as the Kafka binding of CloudEvents (section 3) demands.
    pub(crate) fn recognise(record: &Record<'_>) -> Result<(Self, &'static str), Rejection> {
        if let Some(media_type) = content_type(record)?.map(essence) {
            if starts_with_ignoring_case(media_type, "application/cloudevents-batch") {
                return Err(Rejection::undecodable(
                    "content-type: CloudEvents in batch mode are not read; the Kafka binding of CloudEvents has none: write one \
                     record per event",
                ));
            }
            if media_type.eq_ignore_ascii_case("application/cloudevents+json")
                || media_type.eq_ignore_ascii_case("application/cloudevents")
            {
                return Ok((Self::CloudEventStructured, "the content-type header says application/cloudevents"));
            }
            if starts_with_ignoring_case(media_type, "application/cloudevents") {
                return Err(Rejection::undecodable(
                    "content-type: of the CloudEvents formats only application/cloudevents+json is read",
                ));
            }
        }
        if record.header("ce_specversion").is_some() {
            return Ok((Self::CloudEventBinary, "there is a ce_specversion header"));
        }
        Ok((Self::Json, "no route is configured and no header announces a CloudEvent"))
    }
}

/// The last `content-type` header, in any case of its name.
pub(crate) fn content_type<'a>(record: &Record<'a>) -> Result<Option<&'a str>, Rejection> {
    let header = record.headers.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    match header.and_then(|(_, value)| *value) {
        None => Ok(None),
        Some(value) => match str::from_utf8(value) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Rejection::undecodable("content-type: the header is not UTF-8 text")),
        },
    }
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Whether data of this media type is JSON: `application/json`, `text/json`, or any `+json`; also when there is none
/// (CloudEvents JSON format, section 3.1).
pub(crate) fn is_json(media_type: Option<&str>) -> bool {
    media_type.is_none_or(|media_type| {
        let essence = essence(media_type).to_ascii_lowercase();
        matches!(essence.split_once('/'), Some((_, subtype)) if subtype == "json" || subtype.ends_with("+json"))
    })
}

fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    text.as_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// The record's value as text; `None` for a tombstone. What Avro and Protobuf serializers write is named as such.
pub(crate) fn text<'a>(record: &Record<'a>) -> Result<Option<&'a str>, Rejection> {
    let Some(value) = record.value else { return Ok(None) };
    // The Confluent wire format: a zero byte, then a schema id of four bytes. No JSON and no sane text begins with NUL.
    if value.first() == Some(&0) {
        return Err(Rejection::undecodable(
            "value: expected UTF-8 text or JSON, found a zero byte first, as Avro, Protobuf and JSON Schema serializers with a \
             schema registry write it; these are not read",
        ));
    }
    str::from_utf8(value).map(Some).map_err(|error| {
        Rejection::undecodable(format!(
            "value: expected UTF-8 text or JSON, found other bytes at {}; Avro, Protobuf and compressed values are not read",
            error.valid_up_to()
        ))
    })
}
