//! Events as the arguments of a script, and as entries of a stream.

use std::hash::Hasher;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use events_gateway_core::source::Origin;
use events_gateway_core::{Epoch, Epochs, Event, Position, Standing, Timestamp};
use redis::{Cmd, Value};
use siphasher::sip128::{Hasher128, SipHasher24};

use super::announcement::{self, attributes};
use crate::backlog::{BacklogError, Batch, Breaks, Placed};

/// Scripts count in doubles, which hold integers below this exactly.
const EXACT: u64 = 1 << 53;

/// Adds the events of a batch to an append's arguments, ten each.
pub(super) fn write(cmd: &mut Cmd, batch: &Batch) -> Result<(), BacklogError> {
    for Placed { event, once } in &batch.events {
        if event.origin.place >= EXACT {
            return Err(BacklogError::Refused(format!("place {} can't be counted", event.origin.place)));
        }
        let flags = u8::from(event.id.is_some()) | u8::from(event.key.is_some()) << 1;
        let once = once.as_deref().map(|once| digest(batch, once)).unwrap_or_default();
        let time = event.time.0.min(EXACT - 1);
        let attributes = if event.attributes.is_empty() {
            "{}".into()
        } else {
            serde_json::to_string(&event.attributes)
                .map_err(|error| BacklogError::Refused(format!("failed to write the attributes: {error}")))?
        };
        let (id, key) = (event.id.as_deref().unwrap_or_default(), event.key.as_deref().unwrap_or_default());
        cmd.arg(event.origin.place).arg(once).arg(flags).arg(time);
        cmd.arg(&*event.kind).arg(&event.data[..]).arg(&attributes).arg(id).arg(key);
        let lengths = [event.kind.len(), event.data.len(), attributes.len(), id.len(), key.len()];
        cmd.arg(&announcement::head(flags, event.origin.place, time, lengths)?[..]);
    }
    Ok(())
}

/// What an id is remembered as: the same only for the same text from the same source and generation.
fn digest(batch: &Batch, once: &str) -> String {
    let mut hasher = SipHasher24::new_with_keys(0x6577_6761_7465_7761, 0x6f6e_6365_2d76_0001);
    hasher.write_usize(batch.source.as_str().len());
    hasher.write(batch.source.as_str().as_bytes());
    hasher.write_u64(batch.generation.0);
    hasher.write(once.as_bytes());
    URL_SAFE_NO_PAD.encode(hasher.finish128().as_bytes())
}

/// An answer that isn't of the form that our own scripts give.
pub(super) fn malformed(what: &str) -> BacklogError {
    BacklogError::Refused(format!("{what} can't be read"))
}

/// The elements of an array.
pub(super) fn array(value: Value, what: &str) -> Result<Vec<Value>, BacklogError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(malformed(what)),
    }
}

/// A text or bytes.
pub(super) fn bytes(value: Value, what: &str) -> Result<Vec<u8>, BacklogError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        _ => Err(malformed(what)),
    }
}

/// A text that is UTF-8.
pub(super) fn text(value: Value, what: &str) -> Result<String, BacklogError> {
    String::from_utf8(bytes(value, what)?).map_err(|_| malformed(what))
}

/// A number, or a text that is one.
pub(super) fn number(value: Value, what: &str) -> Result<u64, BacklogError> {
    match value {
        Value::Int(number) => u64::try_from(number).map_err(|_| malformed(what)),
        other => text(other, what)?.parse().map_err(|_| malformed(what)),
    }
}

/// Writes the break numbers as scripts read them: their count, then group and number of each.
pub(super) fn write_breaks(command: &mut redis::Cmd, breaks: &Breaks) {
    command.arg(breaks.len());
    for (group, number) in breaks.iter() {
        command.arg(group).arg(number);
    }
}

/// Reads the standing that scripts answer: past epochs, current start, last, torn, closed-before.
pub(super) fn standing(value: Value) -> Result<Standing, BacklogError> {
    let what = "a channel's standing";
    let values: [Value; 5] = array(value, what)?.try_into().map_err(|_| malformed(what))?;
    let [past, start, last, torn, closed] = values;
    let mut epochs = text(past, what)?
        .split(';')
        .filter(|epoch| !epoch.is_empty())
        .map(|epoch| {
            let mut parts = epoch.split(',');
            let mut position = || parts.next()?.parse().ok().map(Position);
            let (start, end) = (position()?, position()?);
            Some(Epoch { start, end, torn: self::torn(parts.next()?)? })
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| malformed(what))?;
    epochs.push(Epoch {
        start: Position(number(start, what)?),
        end: Position(number(last, what)?),
        torn: self::torn(&text(torn, what)?).ok_or_else(|| malformed(what))?,
    });
    let epochs = Epochs::new(epochs).map_err(|error| BacklogError::Refused(format!("{what}: {error}")))?;
    let closed = text(closed, what)?;
    let closed_before =
        if closed.is_empty() { None } else { Some(Timestamp(closed.parse().map_err(|_| malformed(what))?)) };
    Ok(Standing { epochs, closed_before })
}

fn torn(text: &str) -> Option<Option<events_gateway_core::position::Torn>> {
    use events_gateway_core::position::Torn;
    match text {
        "" => Some(None),
        "source" => Some(Some(Torn::Source)),
        _ => None,
    }
}

/// Reads one entry of a stream.
pub(super) fn entry(value: Value) -> Result<(Position, Arc<Event>), BacklogError> {
    let what = "an entry of the backlog";
    let [id, fields]: [Value; 2] = array(value, what)?.try_into().map_err(|_| malformed(what))?;
    let position = text(id, what)?
        .strip_suffix("-0")
        .and_then(|position| position.parse().ok())
        .map(Position)
        .ok_or_else(|| malformed(what))?;
    let (mut kind, mut data, mut time, mut origin) = (None, None, None, None);
    let (mut known, mut id, mut key) = (Default::default(), None, None);
    let mut fields = array(fields, what)?.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        match &bytes(name, what)?[..] {
            b"type" => kind = Some(text(value, what)?),
            b"data" => data = Some(Bytes::from(text(value, what)?)),
            b"time" => time = Some(Timestamp(number(value, what)?)),
            b"attributes" => known = attributes(&bytes(value, what)?).ok_or_else(|| malformed(what))?,
            b"id" => id = Some(Arc::from(text(value, what)?)),
            b"key" => key = Some(Arc::from(text(value, what)?)),
            b"source" => origin = Origin::parse(&text(value, what)?),
            _ => {} // of a later release
        }
    }
    let (Some(kind), Some(data), Some(time), Some(origin)) = (kind, data, time, origin) else {
        return Err(malformed(what));
    };
    Ok((position, Arc::new(Event { kind: kind.into(), data, time, attributes: known, id, key, origin })))
}
