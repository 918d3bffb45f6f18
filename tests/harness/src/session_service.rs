//! A web application that knows its users by a session cookie, or by an opaque token, and tells whose one is.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the application does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It tells.
    Answers,
    /// It says that it can't: 500.
    Fails,
    /// It says nothing.
    Hangs,
}

/// The application, on a task of its own, at `GET /session`; the cookie is `sid`.
#[derive(Debug)]
pub struct SessionService {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    sessions: Mutex<HashMap<String, Value>>,
    mood: Mutex<Mood>,
    asked: AtomicU64,
    heads: Mutex<Vec<String>>,
}

impl SessionService {
    /// Starts one that knows nobody.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("failed to bind the application")?;
        let address = listener.local_addr().context("failed to ask for the application's address")?;
        let state = Arc::new(State {
            sessions: Mutex::default(),
            mood: Mutex::new(Mood::Answers),
            asked: AtomicU64::new(0),
            heads: Mutex::default(),
        });
        let known = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&known)));
            }
        });
        Ok(Self { address, state, task })
    }

    /// Where it is asked.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/session", self.address)
    }

    /// Knows a session, or a token, from now on.
    pub fn sign_in(&self, session: &str, claims: Value) {
        self.state.sessions.lock().insert(session.to_owned(), claims);
    }

    /// Knows it no longer.
    pub fn sign_out(&self, session: &str) {
        self.state.sessions.lock().remove(session);
    }

    /// How it answers from now on.
    pub fn set(&self, mood: Mood) {
        *self.state.mood.lock() = mood;
    }

    /// How often it was asked.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.state.asked.load(Ordering::Relaxed)
    }

    /// The heads of all requests, as they came.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.state.heads.lock().clone()
    }
}

impl Drop for SessionService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut socket: TcpStream, state: Arc<State>) {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    state.asked.fetch_add(1, Ordering::Relaxed);
    state.heads.lock().push(head.clone());
    let mood = *state.mood.lock();
    let (status, body) = match (mood, session(&head)) {
        (Mood::Hangs, _) => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            return;
        }
        (Mood::Fails, _) => ("500 Internal Server Error", "{\"sub\":\"nobody\"}".to_owned()),
        (Mood::Answers, session) => {
            let claims = session.and_then(|session| state.sessions.lock().get(&session).map(Value::to_string));
            claims.map_or(("401 Unauthorized", String::new()), |claims| ("200 OK", claims))
        }
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n");
    let _ = socket.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
}

/// The bearer token or the session of a request.
fn session(head: &str) -> Option<String> {
    let field = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    let token = field("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
    token.or_else(|| {
        let cookies = field("cookie")?;
        cookies.split("; ").find_map(|pair| pair.strip_prefix("sid=").map(str::to_owned))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Request, send};
    use serde_json::json;

    #[tokio::test]
    async fn a_session_is_known_from_signing_in_to_signing_out() {
        let service = SessionService::start().await.expect("an application");
        let asked = Request::get("/session").header("Cookie", "a=b; sid=s1");
        assert_eq!(send(service.address, &asked).await.expect("an answer").status(), 401);
        service.sign_in("s1", json!({ "sub": "ann" }));
        let told = send(service.address, &asked).await.expect("an answer");
        assert_eq!((told.status(), &*told.text()), (200, "{\"sub\":\"ann\"}"));
        service.set(Mood::Fails);
        assert_eq!(send(service.address, &asked).await.expect("an answer").status(), 500);
        service.set(Mood::Answers);
        service.sign_out("s1");
        assert_eq!(send(service.address, &asked).await.expect("an answer").status(), 401);
        assert_eq!(service.asked(), 4);
    }
}
