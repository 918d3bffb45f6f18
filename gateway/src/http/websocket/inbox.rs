//! What a client sends over a WebSocket, from bytes to messages (RFC 6455).

use actix_http::ws::{OpCode, Parser, ProtocolError};
use bytes::{Bytes, BytesMut};

/// Longest message, in bytes, whether it comes in one frame or in several.
pub(super) const MAX_MESSAGE: usize = 16 << 10;

/// Bytes that haven't become a message yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    unread: BytesMut,
    /// The beginning of a message that comes in several frames.
    begun: Option<BytesMut>,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Text(String),
    Ping(Bytes),
    Pong,
    Close,
}

/// What can't be understood; the connection ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("a message has at most {MAX_MESSAGE} bytes")]
    TooLarge,
    #[error("a message is a text with one JSON object, not binary")]
    Binary,
    #[error("a text message is UTF-8")]
    NotText,
    #[error("that is no WebSocket frame of a client")]
    Protocol,
}

impl Fault {
    /// The close frame's code (RFC 6455, section 7.4.1).
    pub(super) fn code(self) -> u16 {
        match self {
            Self::TooLarge => 1009,
            Self::Binary => 1003,
            Self::NotText => 1007,
            Self::Protocol => 1002,
        }
    }
}

impl Inbox {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next message, if all of it is there.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, Fault> {
        loop {
            // No extension was agreed on (RFC 6455, section 5.2).
            if self.unread.first().is_some_and(|first| first & 0x70 != 0) {
                return Err(Fault::Protocol);
            }
            let frame = Parser::parse(&mut self.unread, true, MAX_MESSAGE).map_err(|error| match error {
                ProtocolError::Overflow => Fault::TooLarge,
                _ => Fault::Protocol,
            })?;
            let Some((is_final, code, payload)) = frame else { return Ok(None) };
            let payload = payload.unwrap_or_default();
            let whole = match (code, is_final, self.begun.take()) {
                // Control frames may come between those of a message, and are never in parts (section 5.5).
                (OpCode::Ping | OpCode::Pong | OpCode::Close, is_final, begun) => {
                    self.begun = begun;
                    if !is_final || payload.len() > 125 {
                        return Err(Fault::Protocol);
                    }
                    return Ok(Some(match code {
                        OpCode::Ping => Incoming::Ping(payload.freeze()),
                        OpCode::Pong => Incoming::Pong,
                        _ => Incoming::Close,
                    }));
                }
                (OpCode::Binary, _, None) => return Err(Fault::Binary),
                (OpCode::Text, true, None) => payload,
                (OpCode::Text, false, None) => {
                    self.begun = Some(payload);
                    continue;
                }
                (OpCode::Continue, is_final, Some(mut begun)) => {
                    if begun.len() + payload.len() > MAX_MESSAGE {
                        return Err(Fault::TooLarge);
                    }
                    begun.extend_from_slice(&payload);
                    if !is_final {
                        self.begun = Some(begun);
                        continue;
                    }
                    begun
                }
                _ => return Err(Fault::Protocol),
            };
            return String::from_utf8(whole.into()).map(|text| Some(Incoming::Text(text))).map_err(|_| Fault::NotText);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A client's frame: masked.
    pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        frame.extend(mask);
        frame.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ mask[index % 4]));
        frame
    }

    fn read(frames: &[Vec<u8>]) -> Result<Vec<Incoming>, Fault> {
        let mut inbox = Inbox::default();
        let mut messages = Vec::new();
        for frame in frames {
            inbox.push(frame);
            while let Some(message) = inbox.next()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    #[test]
    fn messages_come_whole_or_in_parts_with_control_frames_between() {
        let text = |text: &str| Incoming::Text(text.to_owned());
        assert_eq!(read(&[frame(0x81, b"{}")]), Ok(vec![text("{}")]));
        let parts = [frame(0x01, b"a"), frame(0x89, b"p"), frame(0x00, b"b"), frame(0x80, b"c"), frame(0x81, b"d")];
        assert_eq!(read(&parts), Ok(vec![Incoming::Ping(Bytes::from_static(b"p")), text("abc"), text("d")]));
        assert_eq!(read(&[frame(0x8a, b""), frame(0x88, b"")]), Ok(vec![Incoming::Pong, Incoming::Close]));
    }

    #[test]
    fn what_a_client_may_not_send_is_told_apart() {
        let large = vec![b'x'; MAX_MESSAGE];
        assert!(read(&[frame(0x81, &large)]).is_ok());
        for (frames, fault) in [
            (vec![frame(0x81, &vec![b'x'; MAX_MESSAGE + 1])], Fault::TooLarge),
            (vec![frame(0x01, &large), frame(0x80, b"x")], Fault::TooLarge),
            (vec![frame(0x82, b"x")], Fault::Binary),
            (vec![frame(0x81, b"\xff")], Fault::NotText),
            (vec![frame(0x80, b"x")], Fault::Protocol),
            (vec![frame(0x01, b"x"), frame(0x81, b"x")], Fault::Protocol),
            (vec![frame(0x09, b"x")], Fault::Protocol),
            (vec![frame(0x83, b"x")], Fault::Protocol),
            (vec![frame(0xc1, b"x")], Fault::Protocol),
            (vec![vec![0x81, 1, b'x']], Fault::Protocol),
        ] {
            assert_eq!(read(&frames), Err(fault), "{fault}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_messages_or_a_fault_and_never_kept_beyond_a_message(chunks in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                (prop::sample::select(vec![0x81_u8, 0x01, 0x00, 0x80, 0x89, 0x8a]), prop::collection::vec(any::<u8>(), 0..300))
                    .prop_map(|(first, payload)| frame(first, &payload)),
            ],
            0..12,
        )) {
            let mut inbox = Inbox::default();
            'all: for chunk in chunks {
                inbox.push(&chunk);
                loop {
                    match inbox.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'all,
                    }
                }
                prop_assert!(inbox.unread.len() <= MAX_MESSAGE + 14);
            }
        }
    }
}
