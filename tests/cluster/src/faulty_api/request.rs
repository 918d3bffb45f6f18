//! A request of a client of an API server.

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest request that is taken.
const MOST: usize = 8 << 20;
/// What is passed on: the rest belongs to the connection, or says who asks.
const PASSED_ON: [&str; 3] = ["accept", "content-type", "user-agent"];

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Reads one; `None`: the client had nothing to ask.
    pub(super) async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        let head = loop {
            if socket.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
            ensure!(bytes.len() < MOST, "a request without an end");
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
        };
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let mut lines = text.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = words.next().zip(words.next()).context("no request line")?;
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers: Vec<_> =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length: usize = length.map_or(Ok(0), |(_, value)| value.parse()).context("a length that is none")?;
        let mut body = bytes.split_off(head + 4);
        while body.len() < length {
            ensure!(socket.read_buf(&mut body).await? > 0, "half a body");
        }
        let headers = headers.into_iter().filter(|(name, _)| PASSED_ON.contains(&name.as_str())).collect();
        Ok(Some(Self { method: method.to_owned(), target: target.to_owned(), headers, body }))
    }

    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What is asked for, as Kubernetes names it.
    pub(super) fn verb(&self) -> &'static str {
        let is_watch = self.target.contains("watch=true") || self.target.contains("watch=1");
        // An object has a name after its resource: collections are …/namespaces/NAME/RESOURCE or …/VERSION/RESOURCE.
        let words: Vec<&str> = self.path().trim_matches('/').split('/').collect();
        let root = if words.first() == Some(&"api") { 2 } else { 3 };
        let rest = words.len().saturating_sub(root);
        let is_namespaced = words.get(root) == Some(&"namespaces") && rest > 2;
        match self.method.as_str() {
            "GET" if is_watch => "watch",
            "GET" if rest == if is_namespaced { 3 } else { 1 } => "list",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "get",
        }
    }
}
