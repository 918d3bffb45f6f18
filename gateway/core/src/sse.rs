//! Writes Server-Sent Events (WHATWG HTML, section 9.2 «Server-sent events»).
//!
//! An event is written once per format as a *body* that every stream shares (`event:` and `data:` lines); the `id:` line,
//! which differs from stream to stream, goes before it. No value can inject a field: a body is split at CR, LF and CRLF alike
//! and a type or id never holds one (the CVE class of h3 CVE-2026-33128).

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use crate::event::Event;
use crate::position::{Position, Torn};
use crate::{Channel, Timestamp};

/// How an event's data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// The event's data as it came.
    #[default]
    Data,
    /// JSON with channel, type, time, attributes, id, data.
    Envelope,
    /// A structured CloudEvent 1.0.
    CloudEvents,
}

impl Format {
    /// All of them, as the query parameter `format` names them.
    pub const NAMES: [(&'static str, Format); 3] =
        [("data", Format::Data), ("envelope", Format::Envelope), ("cloudevents", Format::CloudEvents)];
}

/// Why a gap is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// Retention removed events before this subscriber had them.
    Trimmed,
    /// The backlog lost its continuity.
    Epoch,
    /// Records were, or may have been, skipped.
    Source,
    /// The subscriber was too slow, and its channel's policy dropped events.
    Overflow,
    /// The cursor is no cursor of these channels.
    UnknownCursor,
}

impl GapReason {
    /// All of them.
    pub const ALL: [GapReason; 5] = [Self::Trimmed, Self::Epoch, Self::Source, Self::Overflow, Self::UnknownCursor];

    /// The stable name, on the wire and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Epoch => "epoch",
            Self::Source => "source",
            Self::Overflow => "overflow",
            Self::UnknownCursor => "unknown-cursor",
        }
    }
}

impl From<Torn> for GapReason {
    fn from(torn: Torn) -> Self {
        match torn {
            Torn::Source => Self::Source,
        }
    }
}

/// A range of one channel that can no longer be delivered: what `gateway.gap` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// In which channel.
    pub channel: Channel,
    /// Why.
    pub reason: GapReason,
    /// The last position that the subscriber had, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Position>,
    /// The stream goes on with what follows this position.
    pub next: Position,
    /// How many events are missing, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
    /// Whether events that were delivered before may come again.
    pub may_repeat: bool,
}

/// The `event:` and `data:` lines and the blank line of an event, to be preceded by an id line.
#[must_use]
pub fn body(channel: &Channel, event: &Event, format: Format) -> Bytes {
    block(&event.kind, &data(channel, event, format))
}

/// The same without the event's type, so that a page hears it as `message`: a browser's `EventSource` has no listener for all
/// types.
#[must_use]
pub fn unnamed_body(channel: &Channel, event: &Event, format: Format) -> Bytes {
    block(crate::event::DEFAULT_TYPE, &data(channel, event, format))
}

/// What an event's data is in a format.
#[must_use]
pub fn data(channel: &Channel, event: &Event, format: Format) -> Bytes {
    match format {
        Format::Data => event.data.clone(),
        Format::Envelope => json(&AsEnvelope::of(channel, event)).into(),
        Format::CloudEvents => json(&AsCloudEvent::of(channel, event)).into(),
    }
}

/// `id: <cursor>` and a line end. `cursor` comes from `ChannelSet::cursor` and holds no line end.
pub fn put_id(buffer: &mut BytesMut, cursor: &str) {
    buffer.reserve(cursor.len() + 5);
    buffer.put_slice(b"id: ");
    buffer.put_slice(cursor.as_bytes());
    buffer.put_u8(b'\n');
}

/// An id-only block: browsers take the id and dispatch nothing.
pub fn put_id_only(buffer: &mut BytesMut, cursor: &str) {
    put_id(buffer, cursor);
    buffer.put_u8(b'\n');
}

/// A comment line: keeps proxies from closing an idle stream, and shows the peer's death to TCP.
pub const HEARTBEAT: &[u8] = b":\n\n";

/// `retry:`: how long a browser waits before it reconnects.
pub fn put_retry(buffer: &mut BytesMut, millis: u64) {
    buffer.put_slice(format!("retry: {millis}\n\n").as_bytes());
}

/// One of the gateway's own events, without an id line.
#[must_use]
pub fn own(kind: &str, data: &impl Serialize) -> Bytes {
    block(kind, &json(data))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("text keys and values without a failing Serialize always encode")
}

fn block(kind: &str, data: &[u8]) -> Bytes {
    let lines = memchr::memchr2_iter(b'\r', b'\n', data).count() + 1;
    let mut buffer = BytesMut::with_capacity(kind.len() + data.len() + 7 * lines + 9);
    if kind != crate::event::DEFAULT_TYPE {
        buffer.put_slice(b"event: ");
        // Types are checked where they enter; here nothing that isn't one line leaves, whoever forgot.
        for byte in kind.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)) {
            buffer.put_u8(byte);
        }
        buffer.put_u8(b'\n');
    }
    let mut rest = data;
    loop {
        let end = memchr::memchr2(b'\r', b'\n', rest);
        buffer.put_slice(b"data: ");
        buffer.put_slice(&rest[..end.unwrap_or(rest.len())]);
        buffer.put_u8(b'\n');
        let Some(end) = end else { break };
        let line_end = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + line_end..];
    }
    buffer.put_u8(b'\n');
    buffer.freeze()
}

/// Data as a JSON value where it is one, else as a string.
fn data_value(event: &Event) -> (Option<&serde_json::value::RawValue>, std::borrow::Cow<'_, str>) {
    let raw = serde_json::from_slice::<&serde_json::value::RawValue>(&event.data).ok();
    (raw, String::from_utf8_lossy(&event.data))
}

struct Data<'a>(Option<&'a serde_json::value::RawValue>, std::borrow::Cow<'a, str>);

impl Serialize for Data<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(raw) => raw.serialize(serializer),
            None => serializer.serialize_str(&self.1),
        }
    }
}

#[derive(Serialize)]
struct AsEnvelope<'a> {
    channel: &'a Channel,
    r#type: &'a str,
    time: Timestamp,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    attributes: &'a std::collections::BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    data: Data<'a>,
}

impl<'a> AsEnvelope<'a> {
    fn of(channel: &'a Channel, event: &'a Event) -> Self {
        let (raw, text) = data_value(event);
        Self {
            channel,
            r#type: &event.kind,
            time: event.time,
            attributes: &event.attributes,
            id: event.id.as_deref(),
            data: Data(raw, text),
        }
    }
}

/// CloudEvents 1.0 JSON format. The id is the publisher's, else the origin: (source, id) is unique either way.
#[derive(Serialize)]
struct AsCloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: &'a str,
    r#type: &'a str,
    time: String,
    channel: &'a Channel,
    #[serde(flatten)]
    extensions: std::collections::BTreeMap<String, &'a str>,
    datacontenttype: &'static str,
    data: Data<'a>,
}

impl<'a> AsCloudEvent<'a> {
    fn of(channel: &'a Channel, event: &'a Event) -> Self {
        let (raw, text) = data_value(event);
        let taken = ["specversion", "id", "source", "type", "time", "channel", "datacontenttype", "data"];
        // Extension names are lower-case letters and digits (CloudEvents 1.0, «Attribute Naming Convention»).
        let extensions = event
            .attributes
            .iter()
            .map(|(name, value)| {
                let name: String =
                    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
                (name, value.as_str())
            })
            .filter(|(name, _)| !name.is_empty() && !taken.contains(&name.as_str()))
            .collect();
        Self {
            specversion: "1.0",
            id: event.id.as_deref().map_or_else(|| event.origin.to_string(), str::to_owned),
            source: event.attributes.get("source").map_or(event.origin.source.as_str(), String::as_str),
            r#type: &event.kind,
            time: event.time.rfc3339(),
            channel,
            extensions,
            datacontenttype: if raw.is_some() { "application/json" } else { "text/plain" },
            data: Data(raw, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Generation, Origin, SourceId};
    use proptest::prelude::*;

    fn event(kind: &str, data: &[u8]) -> Event {
        Event {
            kind: kind.into(),
            data: Bytes::copy_from_slice(data),
            time: Timestamp(1_795_255_200_123),
            attributes: [("agent".to_owned(), "a7".to_owned())].into(),
            id: Some("e-1".into()),
            key: None,
            origin: Origin { source: SourceId::new("b", "t", 0), generation: Generation(1), place: 9 },
        }
    }

    /// An independent reader, line by line as the WHATWG text says: (type, data, id) of each dispatched event.
    fn read(stream: &[u8]) -> Vec<(String, String, String)> {
        let text = std::str::from_utf8(stream).unwrap();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
        let (mut events, mut kind, mut data, mut id) = (vec![], String::new(), String::new(), String::new());
        for line in text.split('\n') {
            if line.is_empty() {
                if !data.is_empty() {
                    data.pop();
                    let name = if kind.is_empty() { "message".to_owned() } else { kind.clone() };
                    events.push((name, data.clone(), id.clone()));
                }
                (kind, data) = (String::new(), String::new());
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => kind = value.to_owned(),
                "data" => data = data + value + "\n",
                "id" if !value.contains('\0') => id = value.to_owned(),
                _ => {}
            }
        }
        events
    }

    fn channel() -> Channel {
        Channel::parse("user:42").unwrap()
    }

    #[test]
    fn every_line_end_makes_a_data_line() {
        let bytes = body(&channel(), &event("note", b"a\rb\nc\r\nd\n"), Format::Data);
        assert_eq!(&bytes[..], b"event: note\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
    }

    #[test]
    fn formats_carry_json_as_json_and_text_as_text() {
        let envelope = read(&body(&channel(), &event("note", b"{\"a\": 1.0}"), Format::Envelope));
        assert_eq!(
            envelope[0].1,
            r#"{"channel":"user:42","type":"note","time":1795255200123,"attributes":{"agent":"a7"},"id":"e-1","data":{"a": 1.0}}"#
        );
        let cloud = read(&body(&channel(), &event("note", b"plain \xe2\x82\xac"), Format::CloudEvents));
        assert_eq!(
            cloud[0].1,
            r#"{"specversion":"1.0","id":"e-1","source":"b/t/0","type":"note","time":"2026-11-21T10:00:00.123Z","channel":"user:42","agent":"a7","datacontenttype":"text/plain","data":"plain €"}"#
        );
        let message = unnamed_body(&channel(), &event("note", b"[1]"), Format::Envelope);
        assert_eq!(
            std::str::from_utf8(&message).unwrap(),
            "data: {\"channel\":\"user:42\",\"type\":\"note\",\"time\":1795255200123,\"attributes\":{\"agent\":\"a7\"},\"id\":\"e-1\",\"data\":[1]}\n\n",
            "every type is a message"
        );
    }

    proptest! {
        #[test]
        fn an_independent_reader_gets_back_what_was_written(
            kind in "[^\u{0}-\u{1f}]{1,20}",
            data in "(\r|\n|\r\n|\u{0}|\u{feff}|:|data|event|id|retry| |\\PC){0,40}",
        ) {
            let mut stream = BytesMut::new();
            put_id(&mut stream, "1abc");
            stream.extend_from_slice(&body(&channel(), &event(&kind, data.as_bytes()), Format::Data));
            let lines = data.replace("\r\n", "\n").replace('\r', "\n");
            // One leading space belongs to the value, since we always write one ourselves.
            prop_assert_eq!(read(&stream), vec![(kind, lines, "1abc".to_owned())]);
        }

        #[test]
        fn no_type_injects_a_field(kind in any::<String>()) {
            let bytes = body(&channel(), &event(&kind, b"x"), Format::Data);
            prop_assert!(bytes.iter().filter(|byte| **byte == b'\n').count() <= 3);
            prop_assert!(!bytes.contains(&b'\r'));
        }

        #[test]
        fn json_formats_stay_on_one_line_or_split_safely(data in any::<Vec<u8>>()) {
            for format in [Format::Envelope, Format::CloudEvents] {
                let events = read(&body(&channel(), &event("note", &data), format));
                prop_assert_eq!(events.len(), 1);
                prop_assert!(serde_json::from_str::<serde_json::Value>(&events[0].1).is_ok());
            }
        }
    }
}
