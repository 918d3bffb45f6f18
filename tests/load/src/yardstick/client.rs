//! One connection to the yardstick.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

/// What the server answers; the stream lasts until the connection ends, so it needs no framing.
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// What a client has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing whole, or nothing of interest.
    Nothing,
    /// It asks for this channel.
    Request(u32),
    /// It is gone, or says what can't be understood.
    End,
}

#[derive(Debug)]
pub(super) struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    channel: Option<u32>,
}

impl Client {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, request: Vec::new(), channel: None }
    }

    /// The channel that it asked for.
    pub(super) fn channel(&self) -> Option<u32> {
        self.channel
    }

    pub(super) fn receive(&mut self) -> Heard {
        let mut bytes = [0; 1_024];
        match self.socket.read(&mut bytes) {
            Ok(0) => return Heard::End,
            Ok(length) => self.request.extend_from_slice(&bytes[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Heard::Nothing;
            }
            Err(_) => return Heard::End,
        }
        if self.channel.is_some() || self.request.len() > 4_096 {
            return Heard::End;
        }
        if !self.request.ends_with(b"\r\n\r\n") {
            return Heard::Nothing;
        }
        self.channel = requested_channel(&self.request);
        self.request = Vec::new();
        self.channel.map_or(Heard::End, Heard::Request)
    }

    /// Sends the response's head.
    pub(super) fn greet(&mut self) -> bool {
        self.send(HEAD)
    }

    /// Writes once; `false` when the socket doesn't take all of it.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        matches!(self.socket.write(bytes), Ok(length) if length == bytes.len())
    }
}

/// The number in `?channels=load:000123 HTTP/1.1`.
fn requested_channel(request: &[u8]) -> Option<u32> {
    let (line, _) = std::str::from_utf8(request).ok()?.split_once("\r\n")?;
    let (_, query) = line.split_once("?channels=load:")?;
    query.split([' ', '&']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_is_found_in_the_request_line() {
        let request = b"GET /api/v1/events?channels=load:000123 HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(requested_channel(request), Some(123));
        assert_eq!(requested_channel(b"GET / HTTP/1.1\r\n\r\n"), None);
    }
}
