//! A WebSocket client that is strict about what it is told: each message is one JSON object with a `type`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// An open connection.
#[derive(Debug)]
pub struct WebSocket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// How a connection was answered.
#[derive(Debug)]
pub enum Answer {
    /// It is open.
    Open(Box<WebSocket>),
    /// It was refused: status and content.
    Refused(u16, Value),
}

/// What came last.
#[derive(Debug, PartialEq, Eq)]
pub struct End {
    /// The close frame's code; absent where the connection broke off.
    pub code: Option<u16>,
    /// The messages before it.
    pub messages: Vec<Value>,
}

impl WebSocket {
    /// Asks for a connection.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(address: SocketAddr, target: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let mut request = format!("ws://{address}{target}").into_client_request()?;
        for (name, value) in fields {
            let name: HeaderName = name.parse()?;
            request.headers_mut().insert(name, HeaderValue::from_str(value)?);
        }
        let connecting = timeout(Duration::from_secs(30), connect_async(request)).await.context("no answer in time")?;
        match connecting {
            Ok((socket, _)) => Ok(Answer::Open(Box::new(Self(socket)))),
            Err(Error::Http(response)) => {
                let content = response.body().as_deref().unwrap_or_default();
                Ok(Answer::Refused(response.status().as_u16(), serde_json::from_slice(content).unwrap_or_default()))
            }
            Err(error) => Err(error).context("failed to connect"),
        }
    }

    /// Opens a connection and reads its first message, `open`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn open(address: SocketAddr, target: &str, fields: &[(&str, &str)]) -> Result<Self> {
        match Self::ask(address, target, fields).await? {
            Answer::Open(mut socket) => {
                let first = socket.next().await?;
                ensure!(first["type"] == "open", "the first message is {first}");
                Ok(*socket)
            }
            Answer::Refused(status, problem) => bail!("refused with {status}: {problem}"),
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, message: &Value) -> Result<()> {
        Ok(self.0.send(Message::text(message.to_string())).await?)
    }

    /// Sends whatever frame.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send_raw(&mut self, message: Message) -> Result<()> {
        Ok(self.0.send(message).await?)
    }

    /// The next message.
    ///
    /// # Errors
    /// When none comes within 60 s, or the connection ends.
    pub async fn next(&mut self) -> Result<Value> {
        loop {
            let message = timeout(Duration::from_secs(60), self.0.next()).await.context("no message in time")?;
            match message.context("the connection ended")?? {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))?;
                    ensure!(message["type"].is_string(), "a message without a type: {message}");
                    return Ok(message);
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => bail!("ended by {other:?}"),
            }
        }
    }

    /// The next message of a type; those before it are passed over.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn next_of(&mut self, kind: &str) -> Result<Value> {
        loop {
            let message = self.next().await.with_context(|| format!("waited for {kind}"))?;
            if message["type"] == kind {
                return Ok(message);
            }
        }
    }

    /// Reads to the end.
    ///
    /// # Errors
    /// When it doesn't come within 60 s.
    pub async fn end(mut self) -> Result<End> {
        let mut end = End { code: None, messages: Vec::new() };
        loop {
            match timeout(Duration::from_secs(60), self.0.next()).await.context("no end in time")? {
                Some(Ok(Message::Text(text))) => end.messages.push(serde_json::from_str(&text)?),
                Some(Ok(Message::Close(frame))) => end.code = frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(end),
            }
        }
    }
}

pub use tokio_tungstenite::tungstenite::Message as Frame;
