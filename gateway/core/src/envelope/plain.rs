//! The gateway's own envelope: one JSON object that says which channels, which event.
//!
//! ```json
//! {"type": "order.paid", "channels": ["user:42"], "data": {"order": 7},
//!  "id": "7-paid", "key": "7", "time": "2026-11-21T09:00:00Z", "attributes": {"tenant": "a"}}
//! ```
//! Only `channels` is required. `data` that is a JSON string is delivered as its unescaped text, any other JSON value as
//! exactly the bytes that stand in the record, absent `data` as `null`. `time` is RFC 3339 text or a number of
//! milliseconds. A null `id`, `key`, `time`, `type` or `attributes` is the same as none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::draft::MAX_ATTRIBUTES;
use super::json::{self, Fault, Kind, kind_of};
use super::time;
use super::{Draft, MAX_CHANNELS, Rejection, quoted};

/// Reads an envelope.
pub(crate) fn read(text: &str) -> Result<Draft<'_>, Rejection> {
    let members = json::members(text).map_err(|fault| Rejection::undecodable(format!("value: {fault}")))?;
    let mut draft = Draft::default();
    for (name, value) in &members {
        let null = kind_of(value) == Kind::Null;
        match name.as_ref() {
            "channels" => channels(value, &mut draft)?,
            "data" => draft.data = Some(data(value).map_err(|fault| undecodable("data", &fault))?),
            "type" if !null => draft.kind = Some(string("type", value)?),
            "id" if !null => draft.id = Some(string("id", value)?),
            "key" if !null => draft.key = Some(string("key", value)?),
            "time" if !null => {
                let time = match kind_of(value) {
                    Kind::Number => time::millis(whole(value)),
                    Kind::String => time::rfc3339(&string("time", value)?),
                    _ => None,
                };
                let time = time.ok_or_else(|| Rejection::undecodable(format!("time: expected {}", time::EXPECTED)))?;
                draft.time = Some(time);
            }
            "attributes" if !null => draft.attributes = attributes(value)?,
            "type" | "id" | "key" | "time" | "attributes" => {}
            "specversion" => {
                return Err(Rejection::undecodable(
                    "unknown field \"specversion\"; a CloudEvent in structured mode has the header content-type: \
                     application/cloudevents+json",
                ));
            }
            unknown => {
                return Err(Rejection::undecodable(format!(
                    "unknown field {}; known are type, channels, data, id, key, time and attributes",
                    quoted(unknown)
                )));
            }
        }
    }
    Ok(draft)
}

/// A number without a fraction that is none: many languages write whole numbers of their floating-point types so.
fn whole(number: &str) -> &str {
    match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0') => whole,
        _ => number,
    }
}

/// What is delivered for a JSON value: the text of a string, the exact bytes of anything else.
pub(crate) fn data(value: &str) -> Result<Cow<'_, str>, Fault> {
    match kind_of(value) {
        Kind::String => json::string(value),
        _ => Ok(Cow::Borrowed(value)),
    }
}

fn undecodable(field: &str, fault: &Fault) -> Rejection {
    Rejection::undecodable(format!("{field}: {fault}"))
}

fn string<'a>(field: &str, value: &'a str) -> Result<Cow<'a, str>, Rejection> {
    json::string(value).map_err(|fault| undecodable(field, &fault))
}

fn channels(value: &str, draft: &mut Draft<'_>) -> Result<(), Rejection> {
    let names = json::elements(value, 0, MAX_CHANNELS, true).map_err(|fault| match fault {
        Fault::TooMany(_) => Rejection::unroutable(format!("channels: a record addresses at most {MAX_CHANNELS}")),
        fault => undecodable("channels", &fault),
    })?;
    for (index, name) in names.into_iter().enumerate() {
        let field = format_args!("channels[{index}]").to_string();
        let name = string(&field, name)?;
        draft.channels.add(&name, &field)?;
    }
    Ok(())
}

fn attributes(value: &str) -> Result<BTreeMap<String, String>, Rejection> {
    let members = json::members(value).map_err(|fault| match fault {
        Fault::TooMany(_) => Rejection::undecodable(format!("attributes: at most {MAX_ATTRIBUTES}")),
        fault => undecodable("attributes", &fault),
    })?;
    members
        .into_iter()
        .map(|(name, value)| match json::string(value) {
            Ok(value) => Ok((name.into_owned(), value.into_owned())),
            Err(fault) => Err(Rejection::undecodable(format!("attributes: {}: {fault}", quoted(&name)))),
        })
        .collect()
}
