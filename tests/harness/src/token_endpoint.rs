//! An OAuth 2.0 token endpoint (RFC 6749, section 4.4: client credentials) whose tokens the test broker takes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The client that is known.
pub const CLIENT_ID: &str = "events-gateway";
/// Its secret.
pub const CLIENT_SECRET: &str = "client-secret";

/// The endpoint, on a task of its own, at `POST /token`.
#[derive(Debug)]
pub struct TokenEndpoint {
    address: SocketAddr,
    issued: Arc<AtomicU64>,
    refuses: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl TokenEndpoint {
    /// Starts one whose tokens are good for `lifetime`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(lifetime: Duration) -> Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("failed to bind the token endpoint")?;
        let address = listener.local_addr().context("failed to ask for the endpoint's address")?;
        let (issued, refuses) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, refusing) = (Arc::clone(&issued), Arc::clone(&refuses));
        let task = tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let request = read_request(&mut socket).await;
                let known = request.is_some_and(|request| is_known(&request)) && !refusing.load(Ordering::Relaxed);
                let (status, body) = if known {
                    count.fetch_add(1, Ordering::Relaxed);
                    let token = unsecured_token(CLIENT_ID, lifetime);
                    let body =
                        json!({ "access_token": token, "token_type": "Bearer", "expires_in": lifetime.as_secs() });
                    ("200 OK", body)
                } else {
                    ("401 Unauthorized", json!({ "error": "invalid_client" }))
                };
                let body = body.to_string();
                let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n");
                let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        Ok(Self { address, issued, refuses, task })
    }

    /// Where tokens are asked for.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// How many tokens were given.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }

    /// Refuses from now on, or no longer.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }
}

impl Drop for TokenEndpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A token that says who it is for and is signed by nobody (RFC 7519, section 6): the test broker believes it.
#[must_use]
pub fn unsecured_token(subject: &str, lifetime: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({ "sub": subject, "iat": now, "exp": now + lifetime.as_secs() });
    let encode = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", encode(json!({ "alg": "none" })), encode(claims))
}

/// The head and as much of the body as its length says, or nothing when it takes too long.
async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let reading = async {
        let mut bytes = Vec::new();
        loop {
            socket.read_buf(&mut bytes).await.ok().filter(|length| *length > 0)?;
            let text = String::from_utf8_lossy(&bytes);
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reading).await.ok()?
}

/// The client shows itself in the Authorization header or in the form (RFC 6749, section 2.3.1).
fn is_known(request: &str) -> bool {
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")));
    let by_header = request.lines().any(|line| {
        line.split_once(':')
            .is_some_and(|(name, value)| name.eq_ignore_ascii_case("authorization") && value.trim() == basic)
    });
    let form = request.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let has = |field: &str| form.split('&').any(|pair| pair == field);
    let by_form = has(&format!("client_id={CLIENT_ID}")) && has(&format!("client_secret={CLIENT_SECRET}"));
    request.starts_with("POST /token ") && has("grant_type=client_credentials") && (by_header || by_form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Request, send};

    #[tokio::test]
    async fn only_the_known_client_gets_a_token() {
        let endpoint = TokenEndpoint::start(Duration::from_secs(60)).await.expect("an endpoint");
        let form = |secret: &str| {
            let body = format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={secret}");
            Request { method: "POST".to_owned(), target: "/token".to_owned(), headers: Vec::new(), body: body.into() }
        };
        let answer = send(endpoint.address, &form(CLIENT_SECRET)).await.expect("an answer");
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(send(endpoint.address, &form("wrong")).await.expect("an answer").status(), 401);
        endpoint.refuse(true);
        assert_eq!(send(endpoint.address, &form(CLIENT_SECRET)).await.expect("an answer").status(), 401);
        assert_eq!(endpoint.issued(), 1);
    }
}
