//! One client of a swarm: a socket, its request, and what its stream has said.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, connect, send, socket_with};

use super::decoder::Decoder;
use super::reader::{Reader, Said};
use super::tally::Tally;
use crate::event;

/// Path of the subscribe endpoint.
const PATH: &str = "/api/v1/events";

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// Number of the channel whose events it counts.
    pub channel: u32,
    /// The query of its request.
    pub query: String,
    /// The token that it brings, if any.
    pub token: Option<String>,
    /// Where to resume; empty: from now on.
    pub cursor: String,
    /// Sequence number of the first event to come, where it is known.
    pub next: Option<u64>,
}

impl Target {
    /// A client of a channel, from now on.
    #[must_use]
    pub fn new(address: SocketAddr, channel: u32) -> Self {
        let query = format!("channels={}", event::channel_name(channel));
        Self { address, channel, query, token: None, cursor: String::new(), next: None }
    }
}

/// A client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    target: Target,
    decoder: Decoder,
    reader: Reader,
}

impl Connection {
    /// Begins to connect; the socket becomes writable when that is done.
    pub(super) fn open(target: Target) -> Result<Self> {
        let family = if target.address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, None).context("failed to make a socket")?;
        match connect(&socket, &target.address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error).context("failed to connect"),
        }
        Ok(Self { socket, target, decoder: Decoder::default(), reader: Reader::default() })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn channel(&self) -> u32 {
        self.target.channel
    }

    /// The sequence number of the event to come, once it is known.
    pub(super) fn next(&self) -> Option<u64> {
        self.target.next
    }

    /// Whether the server has answered with 200.
    pub(super) fn is_open(&self) -> bool {
        self.decoder.status() == Some(200)
    }

    /// Whether the server has answered otherwise.
    pub(super) fn is_refused(&self) -> bool {
        self.decoder.status().is_some_and(|status| status != 200)
    }

    /// What it would ask for to go on where it is.
    pub(super) fn resumption(&self) -> Target {
        let cursor = String::from_utf8_lossy(self.reader.cursor()).into_owned();
        Target { cursor, ..self.target.clone() }
    }

    /// Sends the request; a fresh socket's buffer takes it whole.
    pub(super) fn request(&self) -> Result<()> {
        let Target { address, query, token, cursor, .. } = &self.target;
        let mut fields = String::new();
        if !cursor.is_empty() {
            fields.push_str(&format!("Last-Event-ID: {cursor}\r\n"));
        }
        if let Some(token) = token {
            fields.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let head =
            format!("GET {PATH}?{query} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{fields}\r\n");
        let sent = send(&self.socket, head.as_bytes(), SendFlags::NOSIGNAL).context("failed to send a request")?;
        if sent != head.len() {
            bail!("only {sent} of {} bytes of a request were taken", head.len());
        }
        Ok(())
    }

    /// Reads what has come, at most a buffer full. `false`: the stream is over.
    pub(super) fn receive(&mut self, buffer: &mut [u8], tally: &mut Tally) -> Result<bool> {
        let length = match rustix::io::read(&self.socket, &mut *buffer) {
            Ok(0) => return Ok(false),
            Ok(length) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
            Err(error) => return Err(error).context("failed to read a stream"),
        };
        let now = event::now();
        let Self { target: Target { channel, next, .. }, decoder, reader, .. } = self;
        decoder.take(&buffer[..length], |body| {
            reader.take(body, |said| match said {
                Said::Event(stamp) => tally.receive(*channel, next, stamp, now),
                Said::Gap => tally.gaps += 1,
                Said::Closing => tally.closings += 1,
            });
        })?;
        Ok(!decoder.ended())
    }
}
