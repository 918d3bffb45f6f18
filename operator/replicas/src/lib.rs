//! Asks replicas what they do, and tells them to drain, pause and go on: a client of their admin listener.
//!
//! Each call has a connection of its own: a replica is asked seldom, and there are thousands of them. Nothing is tried
//! again here, and no redirect is followed: the token goes to the address that was given and nowhere else.

mod call;
mod error;
mod group;

use std::net::SocketAddr;

pub use error::ReplicaError;
pub use events_gateway_status::Status;
use futures_util::{StreamExt as _, stream};
use hyper::Method;
use hyper::header::HeaderValue;
use serde::Deserialize;

use call::Bounds;

/// How many replicas are asked at the same time.
const AT_A_TIME: usize = 32;

/// A client with the token of one gateway's replicas. Cheap to clone; the token is never shown.
#[derive(Debug, Clone)]
pub struct Client {
    /// Marked as sensitive: its `Debug` tells nothing.
    authorization: HeaderValue,
    bounds: Bounds,
}

/// What `/drain` and `/undrain` answer.
#[derive(Deserialize)]
struct Changed {
    changed: bool,
}

impl Client {
    /// `token`: the admin token of the replicas.
    ///
    /// # Errors
    /// [`ReplicaError::Token`] when it can't stand in a header.
    pub fn new(token: &str) -> Result<Self, ReplicaError> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ReplicaError::Token)?;
        authorization.set_sensitive(true);
        Ok(Self { authorization, bounds: Bounds::default() })
    }

    /// What a replica tells of itself.
    ///
    /// # Errors
    /// When it can't be reached, refuses, or answers something else, each within 5 s.
    pub async fn status(&self, replica: SocketAddr) -> Result<Status, ReplicaError> {
        self.call(replica, Method::GET, "/status").await
    }

    /// Tells a replica to drain; whether it served until now.
    ///
    /// # Errors
    /// As with [`Self::status`]; it may drain all the same.
    pub async fn drain(&self, replica: SocketAddr) -> Result<bool, ReplicaError> {
        self.call(replica, Method::POST, "/drain").await.map(|Changed { changed }| changed)
    }

    /// Tells a replica to serve again; whether it drained until now.
    ///
    /// # Errors
    /// As with [`Self::status`]; it may serve all the same.
    pub async fn undrain(&self, replica: SocketAddr) -> Result<bool, ReplicaError> {
        self.call(replica, Method::POST, "/undrain").await.map(|Changed { changed }| changed)
    }

    /// Has every replica leave the consumer group, through any one of them, until [`Self::resume`].
    ///
    /// # Errors
    /// As with [`Self::status`]; [`ReplicaError::Refused`] when the replica doesn't know the group, or has lost Redis.
    pub async fn pause(&self, replica: SocketAddr, group: &str) -> Result<(), ReplicaError> {
        self.set_paused(replica, "pause", group).await
    }

    /// The reverse of [`Self::pause`].
    ///
    /// # Errors
    /// As with [`Self::pause`].
    pub async fn resume(&self, replica: SocketAddr, group: &str) -> Result<(), ReplicaError> {
        self.set_paused(replica, "resume", group).await
    }

    async fn set_paused(&self, replica: SocketAddr, verb: &str, group: &str) -> Result<(), ReplicaError> {
        let path = format!("/kafka/{verb}?group={}", group::encode(group));
        self.call(replica, Method::POST, &path).await.map(|_: serde_json::Value| ())
    }

    /// Asks many, 32 at a time; the answers are in the order of the addresses. Takes at most 5 s for each 32 of them.
    pub async fn survey(&self, replicas: &[SocketAddr]) -> Vec<Result<Status, ReplicaError>> {
        stream::iter(replicas).map(|replica| self.status(*replica)).buffered(AT_A_TIME).collect().await
    }
}

#[cfg(test)]
mod tests;
