//! One call, on a connection of its own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Client, ReplicaError};

/// Longest answer, in bytes: a replica with 32 bindings says some 5 kB.
const MAX_ANSWER: usize = 1 << 20;
/// Most that is told of a refusal, in characters.
const MAX_DETAIL: usize = 200;

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) connect: Duration,
    /// In all.
    pub(crate) call: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), call: Duration::from_secs(5) }
    }
}

/// What a problem says (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

impl Client {
    /// `target`: path and query.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        replica: SocketAddr,
        method: Method,
        target: &str,
    ) -> Result<T, ReplicaError> {
        let call = async {
            let (status, body) = self.exchange(replica, method, target).await?;
            match status {
                StatusCode::OK => serde_json::from_slice(&body).map_err(ReplicaError::Malformed),
                StatusCode::UNAUTHORIZED => Err(ReplicaError::Unauthorized),
                other => Err(ReplicaError::Refused { status: other.as_u16(), detail: detail(&body) }),
            }
        };
        timeout(self.bounds.call, call).await.unwrap_or(Err(ReplicaError::TimedOut))
    }

    async fn exchange(
        &self,
        replica: SocketAddr,
        method: Method,
        target: &str,
    ) -> Result<(StatusCode, Bytes), ReplicaError> {
        let socket = timeout(self.bounds.connect, TcpStream::connect(replica)).await;
        let socket = socket.unwrap_or(Err(std::io::ErrorKind::TimedOut.into())).map_err(ReplicaError::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(ReplicaError::Exchange)?;
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, replica.to_string())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .expect("the parts are valid: a path written here, an address, a header value");
        let exchange = async { read(sender.send_request(request).await.map_err(ReplicaError::Exchange)?).await };
        tokio::select! {
            biased;
            answer = exchange => answer,
            // It moves the bytes. When it ends first, what it brought is still to be read, and so is its error.
            () = async {
                let _ = connection.await;
                std::future::pending::<()>().await;
            } => Err(ReplicaError::TimedOut),
        }
    }
}

async fn read(response: Response<Incoming>) -> Result<(StatusCode, Bytes), ReplicaError> {
    let status = response.status();
    match Limited::new(response.into_body(), MAX_ANSWER).collect().await {
        Ok(body) => Ok((status, body.to_bytes())),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(error) => ReplicaError::Exchange(*error),
            Err(other) => {
                debug_assert!(other.is::<LengthLimitError>());
                ReplicaError::TooLarge
            }
        }),
    }
}

fn detail(body: &[u8]) -> String {
    let said = serde_json::from_slice(body).map_or_else(|_| "no reason given".to_owned(), |Problem { detail }| detail);
    said.chars().take(MAX_DETAIL).collect()
}
