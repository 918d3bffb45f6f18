//! The smallest HTTP/1.1 client that shows exactly what came over the wire.

pub mod body;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use body::Framing;

/// The longest head that is accepted.
const MAX_HEAD: usize = 64 * 1024;
/// How long connecting, and the head of a response, may take.
pub const HEAD_BOUND: Duration = Duration::from_secs(30);

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query, already percent-encoded.
    pub target: String,
    /// Sent in this order, besides Host and, with a body, Content-Length.
    pub headers: Vec<(String, String)>,
    /// Sent as it is.
    pub body: Bytes,
}

impl Request {
    /// A GET without further headers.
    #[must_use]
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: "GET".to_owned(), target: target.into(), headers: Vec::new(), body: Bytes::new() }
    }

    /// A POST of JSON.
    #[must_use]
    pub fn post(target: impl Into<String>, json: &serde_json::Value) -> Self {
        Self {
            method: "POST".to_owned(),
            target: target.into(),
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: json.to_string().into(),
        }
    }

    /// With one more header. One named `Host` replaces that of the address.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn encode(&self, host: SocketAddr) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text.push_str(&format!("Host: {host}\r\n"));
        }
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || self.method == "POST" {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Status and headers of a response.
#[derive(Debug, Clone)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// As they came, in order.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first header of that name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let mut words = first.splitn(3, ' ');
        ensure!(words.next().is_some_and(|version| version.starts_with("HTTP/1.")), "no HTTP response: {first:?}");
        let status =
            words.next().and_then(|code| code.parse().ok()).with_context(|| format!("no status: {first:?}"))?;
        let headers = lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                let (name, value) = line.split_once(':').with_context(|| format!("no header: {line:?}"))?;
                Ok((name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Result<_>>()?;
        Ok(Self { status, headers })
    }
}

/// A response, read to its end.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status and headers.
    pub head: Head,
    /// All of the body.
    pub body: Bytes,
}

impl Response {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it isn't JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.text()))
    }
}

/// Sends a request on a connection of its own and reads the whole response, within [`HEAD_BOUND`].
///
/// # Errors
/// When the peer can't be reached, breaks off, or takes too long.
pub async fn send(address: SocketAddr, request: &Request) -> Result<Response> {
    let request = request.clone().header("Connection", "close");
    let exchange = async {
        let mut stream = Stream::open(address, &request).await?;
        let mut body = BytesMut::new();
        while let Some(part) = stream.part().await? {
            body.extend_from_slice(&part);
        }
        Ok(Response { head: stream.head, body: body.freeze() })
    };
    timeout(HEAD_BOUND, exchange)
        .await
        .with_context(|| format!("{} {} of {address} took too long", request.method, request.target))?
}

/// [`send`] of a plain GET.
///
/// # Errors
/// As [`send`].
pub async fn get(address: SocketAddr, target: &str) -> Result<Response> {
    send(address, &Request::get(target)).await
}

/// A response whose body is read as it comes.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    head: Head,
    framing: Framing,
    buffer: BytesMut,
}

impl Stream {
    /// Connects, sends the request and reads the head, each within [`HEAD_BOUND`].
    ///
    /// # Errors
    /// When the peer can't be reached, answers something else than HTTP, or takes too long.
    pub async fn open(address: SocketAddr, request: &Request) -> Result<Self> {
        let connecting = timeout(HEAD_BOUND, TcpStream::connect(address)).await.context("connecting took too long")?;
        let mut socket = connecting.with_context(|| format!("failed to connect to {address}"))?;
        socket.set_nodelay(true).context("failed to set TCP_NODELAY")?;
        socket.write_all(&request.encode(address)).await.context("failed to send the request")?;
        let mut buffer = BytesMut::new();
        let head = timeout(HEAD_BOUND, read_head(&mut socket, &mut buffer)).await.context("no head in time")??;
        let framing = Framing::of(&head, &request.method)?;
        Ok(Self { socket, head, framing, buffer })
    }

    /// Status and headers.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The local port, by which a server's log knows this stream.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn local_address(&self) -> Result<SocketAddr> {
        self.socket.local_addr().context("failed to ask for the local address")
    }

    /// The next part of the body, or nothing at its proper end. Cancelling loses nothing.
    ///
    /// # Errors
    /// When the connection breaks before the body's end.
    pub async fn part(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(part) = self.framing.take(&mut self.buffer)? {
                return Ok(Some(part));
            }
            if self.framing.complete() {
                return Ok(None);
            }
            if self.buffer.capacity() == self.buffer.len() {
                self.buffer.reserve(4096);
            }
            if self.socket.read_buf(&mut self.buffer).await.context("failed to read the body")? == 0 {
                if self.framing.ends_with_the_connection() {
                    return Ok(None);
                }
                bail!("the connection was closed within a body");
            }
        }
    }
}

async fn read_head(socket: &mut TcpStream, buffer: &mut BytesMut) -> Result<Head> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = buffer.split_to(end + 4);
            return Head::parse(std::str::from_utf8(&head).context("the head isn't text")?);
        }
        ensure!(buffer.len() < MAX_HEAD, "the head has no end");
        ensure!(socket.read_buf(buffer).await.context("failed to read the head")? > 0, "closed before any head");
    }
}
