//! What a publisher sends over HTTP, taken apart into records that a binding without a route reads as it would read them from
//! any other producer.
//!
//! The modes are those of the HTTP binding of CloudEvents 1.0 (<https://github.com/cloudevents/spec>, http-protocol-binding
//! 1.0.2, section 3) and the gateway's own JSON envelope, by itself or in an array. What stands in a record is what was sent,
//! byte for byte.

use std::borrow::Cow;
use std::str;

use crate::envelope::{Fault, Kind, Rejection, elements, kind_of, members, string};

/// The media type of a structured CloudEvent, as it is written into a record's headers.
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";
/// What the header fields of a CloudEvent in binary mode begin with, and what the headers of its record do.
const FIELD_PREFIX: &str = "ce-";
const HEADER_PREFIX: &str = "ce_";

/// A request's content and what says how it is to be read.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// The field `content-type`.
    pub media_type: Option<&'a str>,
    /// Further fields, names in lower case; only those of CloudEvents (`ce-…`) are looked at.
    pub fields: &'a [(&'a str, &'a [u8])],
    /// The content itself.
    pub body: &'a [u8],
}

/// One event as it is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication<'a> {
    /// The record's headers.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, [u8]>)>,
    /// The record's value.
    pub value: Cow<'a, [u8]>,
}

/// What a request has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publications<'a> {
    /// In the order in which they were sent.
    pub events: Vec<Publication<'a>>,
    /// Whether they were sent as a batch, which may hold one, and is answered event by event.
    pub is_batch: bool,
}

/// Why a request can't be taken apart. What is wrong with one event of it is found later, by who decodes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is of a media type that isn't taken.
    #[error("send application/json, {STRUCTURED}, {BATCH}, or a CloudEvent in binary mode, with ce- fields")]
    MediaType,
    /// It isn't what its media type says.
    #[error("{0}")]
    Content(String),
    /// It has more events than this.
    #[error("a request has at most {0} events")]
    TooMany(usize),
}

impl<'a> Publications<'a> {
    /// Takes a request apart; `most` bounds its events.
    ///
    /// # Errors
    /// See [`Unreadable`]. An empty batch is none.
    pub fn read(content: &Content<'a>, most: usize) -> Result<Self, Unreadable> {
        let essence = content.media_type.map(|text| text.split(';').next().unwrap_or_default().trim());
        let essence = essence.unwrap_or_default().to_ascii_lowercase();
        if essence == STRUCTURED || essence == "application/cloudevents" {
            return Ok(Self::one(structured(content.body)));
        }
        if essence == BATCH {
            let each = batch(text(content.body)?, most)?;
            return Ok(Self {
                events: each.into_iter().map(|event| structured(event.as_bytes())).collect(),
                is_batch: true,
            });
        }
        if essence.starts_with("application/cloudevents") {
            return Err(Unreadable::MediaType);
        }
        if content.fields.iter().any(|(name, _)| *name == "ce-specversion") {
            return binary(content).map(Self::one);
        }
        if essence != "application/json" {
            return Err(Unreadable::MediaType);
        }
        let body = text(content.body)?;
        if kind_of(body) == Kind::Array {
            let events = batch(body, most)?.into_iter().map(|event| plain(event.as_bytes())).collect();
            return Ok(Self { events, is_batch: true });
        }
        Ok(Self::one(plain(content.body)))
    }

    fn one(event: Publication<'a>) -> Self {
        Self { events: vec![event], is_batch: false }
    }
}

/// The event of a broadcast, `{"topic", "type", "data"}`: its topic is the channel. Without a type it has none, and gets the
/// default one.
///
/// # Errors
/// With the member that is wrong. What the members hold is proven by who decodes the event.
pub fn broadcast(body: &[u8]) -> Result<Publication<'static>, Rejection> {
    let body = text(body).map_err(|error| Rejection::undecodable(error.to_string()))?;
    let members = members(body).map_err(|fault| Rejection::undecodable(format!("value: {fault}")))?;
    let mut envelope = String::from("{");
    let mut has_topic = false;
    for (name, value) in &members {
        match name.as_ref() {
            "topic" => {
                string(value).map_err(|fault| Rejection::undecodable(format!("topic: {fault}")))?;
                has_topic = true;
                envelope.push_str(&format!(r#""channels":[{value}],"#));
            }
            "type" | "data" => envelope.push_str(&format!(r#""{name}":{value},"#)),
            unknown => {
                let unknown = crate::envelope::quoted(unknown);
                return Err(Rejection::undecodable(format!("unknown field {unknown}; known are topic, type and data")));
            }
        }
    }
    if !has_topic {
        return Err(Rejection::unroutable("topic: expected the channel to publish to, found none"));
    }
    envelope.pop();
    envelope.push('}');
    Ok(Publication { headers: Vec::new(), value: envelope.into_bytes().into() })
}

fn plain(value: &[u8]) -> Publication<'_> {
    Publication { headers: Vec::new(), value: value.into() }
}

fn structured(value: &[u8]) -> Publication<'_> {
    let media_type = (Cow::Borrowed("content-type"), Cow::Borrowed(STRUCTURED.as_bytes()));
    Publication { headers: vec![media_type], value: value.into() }
}

fn binary<'a>(content: &Content<'a>) -> Result<Publication<'a>, Unreadable> {
    let mut headers = Vec::new();
    if let Some(media_type) = content.media_type {
        headers.push(("content-type".into(), media_type.as_bytes().into()));
    }
    for (field, value) in content.fields {
        let Some(name) = field.strip_prefix(FIELD_PREFIX) else { continue };
        let header = format!("{HEADER_PREFIX}{name}");
        if headers.iter().any(|(other, _)| *other == header) {
            return Err(Unreadable::Content(format!("the field {field} is given twice")));
        }
        let value = unescape(value).ok_or_else(|| {
            Unreadable::Content(format!(
                "the field {field} isn't UTF-8, percent-encoded where it is no printable ASCII"
            ))
        })?;
        headers.push((header.into(), value));
    }
    Ok(Publication { headers, value: content.body.into() })
}

/// The elements of a batch, each as it was written.
fn batch(body: &str, most: usize) -> Result<Vec<&str>, Unreadable> {
    let events = elements(body, 0, most, true).map_err(|fault| match fault {
        Fault::TooMany(most) => Unreadable::TooMany(most),
        fault => Unreadable::Content(fault.to_string()),
    })?;
    if events.is_empty() {
        return Err(Unreadable::Content("expected at least one event, found an empty array".into()));
    }
    Ok(events)
}

fn text(body: &[u8]) -> Result<&str, Unreadable> {
    str::from_utf8(body).map_err(|error| {
        Unreadable::Content(format!("expected UTF-8 text, found other bytes at {}", error.valid_up_to()))
    })
}

/// A field's value as text: without the quotes of a quoted string, percent-decoded (HTTP binding of CloudEvents, section
/// 3.1.3.2). `None`: it begins a quoted string and is none, or what comes out isn't UTF-8.
fn unescape(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let unquoted: Cow<'_, [u8]> = match value.strip_prefix(b"\"") {
        None => value.into(),
        Some(rest) => {
            let inner = rest.strip_suffix(b"\"")?;
            let mut plain = Vec::with_capacity(inner.len());
            let mut bytes = inner.iter();
            while let Some(byte) = bytes.next() {
                plain.push(match byte {
                    b'\\' => *bytes.next()?,
                    b'"' => return None,
                    byte => *byte,
                });
            }
            plain.into()
        }
    };
    let decoded = if unquoted.contains(&b'%') { percent_decoded(&unquoted)?.into() } else { unquoted };
    str::from_utf8(&decoded).is_ok().then_some(decoded)
}

fn percent_decoded(value: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let [high, low, after @ ..] = after else { return None };
        decoded.push((digit(*high)? << 4) | digit(*low)?);
        rest = after;
    }
    Some(decoded)
}

#[cfg(test)]
mod tests;
