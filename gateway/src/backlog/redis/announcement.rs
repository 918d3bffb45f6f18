//! The announcements as scripts publish them, decoded strictly.
//!
//! Numbers are big-endian. Byte 0 is the format version (1), byte 1 the kind. Kind 1, events: epoch start, first position
//! (8 bytes each), count (4), generation (8), length of the source (4), source; then per event a head of 37 bytes and its
//! texts: flags (1 byte; 1 = has an id, 2 = has a key), place, time (8 each), the lengths of type, data, attributes (JSON),
//! id and key (4 each); then these five. Kind 2: closed-before (8). Nothing may follow.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use events_gateway_core::source::{Generation, Origin, SourceId};
use events_gateway_core::{Event, Position, Timestamp};

use crate::backlog::{BacklogError, MAX_BATCH_EVENTS};

/// The one format that this release writes and reads.
const VERSION: u8 = 1;

/// What an owner is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Events { epoch: Position, first: Position, events: Vec<Arc<Event>> },
    Closed(Timestamp),
}

/// Why a payload isn't an announcement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("format version {0} is unknown")]
    Version(u8),
    #[error("it ends too early")]
    Short,
    #[error("bytes are left over")]
    Long,
    #[error("its {0} can't be read")]
    Field(&'static str),
}

fn number(payload: &mut Bytes) -> Result<u64, Malformed> {
    payload.try_get_u64().map_err(|_| Malformed::Short)
}

fn length(payload: &mut Bytes) -> Result<usize, Malformed> {
    payload.try_get_u32().map(|length| length as usize).map_err(|_| Malformed::Short)
}

fn byte(payload: &mut Bytes) -> Result<u8, Malformed> {
    payload.try_get_u8().map_err(|_| Malformed::Short)
}

/// The next bytes, sharing the payload's memory.
fn bytes(payload: &mut Bytes, length: usize) -> Result<Bytes, Malformed> {
    if payload.len() < length { Err(Malformed::Short) } else { Ok(payload.split_to(length)) }
}

fn text(payload: &mut Bytes, length: usize, field: &'static str) -> Result<Arc<str>, Malformed> {
    let bytes = bytes(payload, length)?;
    std::str::from_utf8(&bytes).map(Arc::from).map_err(|_| Malformed::Field(field))
}

/// Attributes as the backlog's field holds them: one JSON object of strings.
pub(super) fn attributes(json: &[u8]) -> Option<BTreeMap<String, String>> {
    if json == b"{}" { Some(BTreeMap::new()) } else { serde_json::from_slice(json).ok() }
}

/// Bytes of an event's head.
const HEAD: usize = 37;

/// What stands before the type, data, attributes, id and key of an event, which have these lengths.
pub(super) fn head(flags: u8, place: u64, time: u64, lengths: [usize; 5]) -> Result<[u8; HEAD], BacklogError> {
    let mut head = [0; HEAD];
    let mut rest = &mut head[..];
    rest.put_u8(flags);
    rest.put_u64(place);
    rest.put_u64(time);
    for length in lengths {
        let too_large = |_| BacklogError::Refused(format!("a field of {length} bytes is too large"));
        rest.put_u32(u32::try_from(length).map_err(too_large)?);
    }
    Ok(head)
}

/// Reads a payload. The data of its events share the payload's memory.
pub(super) fn decode(mut payload: Bytes) -> Result<Message, Malformed> {
    let version = byte(&mut payload)?;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    let message = match byte(&mut payload)? {
        1 => events(&mut payload)?,
        2 => Message::Closed(Timestamp(number(&mut payload)?)),
        _ => return Err(Malformed::Field("kind")),
    };
    if payload.has_remaining() { Err(Malformed::Long) } else { Ok(message) }
}

/// Reads `binding/topic/partition`.
fn source(text: &str) -> Option<SourceId> {
    Origin::parse(&format!("{text}/0/0")).map(|origin| origin.source)
}

fn events(payload: &mut Bytes) -> Result<Message, Malformed> {
    let epoch = Position(number(payload)?);
    let first = Position(number(payload)?);
    let count = length(payload)?;
    if count == 0 || count > MAX_BATCH_EVENTS || epoch.0 == 0 || first < epoch || first.0 >= 1 << 53 {
        return Err(Malformed::Field("position or count"));
    }
    let generation = Generation(number(payload)?);
    let source_length = length(payload)?;
    let source = source(&text(payload, source_length, "source")?).ok_or(Malformed::Field("source"))?;
    let mut events = Vec::with_capacity(count);
    for _ in 0..count {
        let flags = byte(payload)?;
        if flags > 3 {
            return Err(Malformed::Field("flags"));
        }
        let place = number(payload)?;
        let time = Timestamp(number(payload)?);
        let mut lengths = [0; 5];
        for length in &mut lengths {
            *length = self::length(payload)?;
        }
        let kind = text(payload, lengths[0], "type")?;
        let data = bytes(payload, lengths[1])?;
        if std::str::from_utf8(&data).is_err() {
            return Err(Malformed::Field("data"));
        }
        let attributes = attributes(&bytes(payload, lengths[2])?).ok_or(Malformed::Field("attributes"))?;
        let (id, key) = (text(payload, lengths[3], "id")?, text(payload, lengths[4], "key")?);
        events.push(Arc::new(Event {
            kind,
            data,
            time,
            attributes,
            id: (flags & 1 != 0).then_some(id),
            key: (flags & 2 != 0).then_some(key),
            origin: Origin { source: source.clone(), generation, place },
        }));
    }
    Ok(Message::Events { epoch, first, events })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Vec<u8> {
        let mut payload = vec![1, 1];
        payload.put_u64(10);
        payload.put_u64(12);
        payload.put_u32(1);
        payload.put_u64(5);
        payload.put_u32(5);
        payload.put_slice(b"b/t/0");
        let texts = ["kind", "data", r#"{"a":"b"}"#, "id", ""];
        payload.put_slice(&head(1, 42, 1_000, texts.map(str::len)).unwrap());
        payload.put_slice(texts.concat().as_bytes());
        payload
    }

    #[test]
    fn a_batch_reads_back() {
        let Message::Events { epoch, first, events } = decode(sample().into()).unwrap() else { panic!("events") };
        assert_eq!((epoch, first), (Position(10), Position(12)));
        assert_eq!(events[0].origin.to_string(), "b/t/0/5/42");
        assert_eq!(&events[0].data[..], b"data");
        assert_eq!(events[0].id.as_deref(), Some("id"));
        assert_eq!(events[0].key, None);
        assert_eq!(events[0].attributes["a"], "b");
    }

    #[test]
    fn whatever_is_cut_or_longer_is_refused() {
        let whole = sample();
        for end in 0..whole.len() {
            assert!(decode(Bytes::copy_from_slice(&whole[..end])).is_err(), "cut at {end}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(decode(longer.into()), Err(Malformed::Long));
        let mut newer = whole;
        newer[0] = 2;
        assert_eq!(decode(newer.into()), Err(Malformed::Version(2)));
    }

    proptest! {
        #[test]
        fn any_payload_is_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(bytes.into());
        }

        #[test]
        fn any_change_of_a_byte_is_decoded_or_refused(at in 0usize..100, to: u8) {
            let mut payload = sample();
            let at = at % payload.len();
            payload[at] = to;
            let _ = decode(payload.into());
        }
    }
}
