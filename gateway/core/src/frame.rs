//! Writes the gateway's messages over WebSocket, as whole frames (RFC 6455, section 5.2: a server's aren't masked).
//!
//! The end of an event's message, which is the same for every stream, is written once and shared; before it go the
//! subscription's name and its cursor.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

/// The final frame of a text message.
const TEXT: u8 = 0x81;

/// A ping without content.
pub const PING: &[u8] = &[0x89, 0];

/// The answer to a ping; its content has at most 125 bytes.
pub fn put_pong(buffer: &mut BytesMut, content: &[u8]) {
    let content = &content[..content.len().min(125)];
    buffer.put_u8(0x8a);
    buffer.put_u8(content.len() as u8);
    buffer.put_slice(content);
}

/// A close frame with a code.
#[must_use]
pub fn close(code: u16) -> Bytes {
    let mut buffer = BytesMut::with_capacity(4);
    buffer.put_slice(&[0x88, 2]);
    buffer.put_u16(code);
    buffer.freeze()
}

/// A text message.
pub fn put_text(buffer: &mut BytesMut, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    buffer.reserve(length + 10);
    buffer.put_u8(TEXT);
    match length {
        0..=125 => buffer.put_u8(length as u8),
        126..=0xffff => {
            buffer.put_u8(126);
            buffer.put_u16(length as u16);
        }
        _ => {
            buffer.put_u8(127);
            buffer.put_u64(length as u64);
        }
    }
    for part in parts {
        buffer.put_slice(part);
    }
}

/// A message of the gateway's own.
pub fn put_message(buffer: &mut BytesMut, message: &impl Serialize) {
    let json = serde_json::to_vec(message).expect("text keys and values without a failing Serialize always encode");
    put_text(buffer, &[&json]);
}

/// The end of an event's message.
#[must_use]
pub fn event_end(kind: &str, data: &[u8]) -> Bytes {
    #[derive(Serialize)]
    struct End<'a> {
        event: &'a str,
        data: &'a str,
    }
    // Data is UTF-8: it was checked where it entered.
    let end = End { event: kind, data: &String::from_utf8_lossy(data) };
    let json = serde_json::to_vec(&end).expect("two texts always encode");
    Bytes::from(json).slice(1..)
}

/// An event. `id` and `cursor` need no escaping: the one is checked where it enters, the other is the gateway's.
pub fn put_event(buffer: &mut BytesMut, id: &str, cursor: &str, end: &[u8]) {
    let parts: [&[u8]; 6] =
        [br#"{"type":"event","id":""#, id.as_bytes(), br#"","cursor":""#, cursor.as_bytes(), br#"","#, end];
    put_text(buffer, &parts);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// An independent reader of one unmasked frame: its first byte and payload.
    fn read(frame: &[u8]) -> (u8, &[u8]) {
        let (length, at) = match frame[1] {
            126 => (u64::from(u16::from_be_bytes([frame[2], frame[3]])), 4),
            127 => (u64::from_be_bytes(frame[2..10].try_into().unwrap()), 10),
            short => (u64::from(short), 2),
        };
        assert_eq!(frame.len() as u64, at as u64 + length);
        (frame[0], &frame[at..])
    }

    #[test]
    fn every_length_is_written_in_its_shortest_form() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (0xffff, 4), (0x1_0000, 10)] {
            let mut buffer = BytesMut::new();
            put_text(&mut buffer, &[&vec![b'x'; length]]);
            assert_eq!(buffer.len(), header + length);
            assert_eq!(read(&buffer).1.len(), length);
        }
    }

    proptest! {
        #[test]
        fn a_reader_gets_back_what_was_written(kind in "\\PC{1,20}", data in any::<String>()) {
            let mut buffer = BytesMut::new();
            put_event(&mut buffer, "s-1", "1aB.", &event_end(&kind, data.as_bytes()));
            let (first, payload) = read(&buffer);
            prop_assert_eq!(first, 0x81);
            let message: Value = serde_json::from_slice(payload).unwrap();
            prop_assert_eq!(
                message,
                json!({ "type": "event", "id": "s-1", "cursor": "1aB.", "event": kind, "data": data })
            );
        }
    }
}
