//! The edges of a replica: the public listener, where browsers subscribe, and the admin listener.
//!
//! What a stream *is* (the hub's business) is kept apart from how actix-web carries it: everything here sees a stream as
//! chunks of bytes that end, and a way to close it from elsewhere.

pub mod access;
pub mod admin;
pub mod admission;
pub mod alias;
pub mod body;
pub mod browser;
pub mod client_address;
pub mod content;
pub mod cors;
pub mod credentials;
pub mod door;
pub mod etag;
pub mod events;
mod heads;
pub mod intake;
pub mod listener;
pub mod openapi;
pub mod problem;
pub mod public;
pub mod publish;
pub mod query;
pub mod refusal;
pub mod screen;
pub mod stats;
pub mod tickets;
pub mod tls;
pub mod websocket;

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use events_gateway_core::disconnect::{Closing, DisconnectReason};
use futures_util::Stream;

use crate::hub::{Hub, Subscribe};

/// An accepted stream.
pub struct Opened {
    /// Chunks that are ready to be written, from `retry:` and `gateway.open` to `gateway.closing`; ends after that.
    pub chunks: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
    /// Closes it from elsewhere: idempotent, returns at once.
    pub close: Close,
}

/// Closes a stream from elsewhere.
pub type Close = Arc<dyn Fn(Closing) + Send + Sync>;

/// Opens a stream: never blocks; whatever there is to wait for is waited for inside the stream. Refused, retryably, where this
/// replica has no room for its channels or its filter.
pub type Open = Arc<dyn Fn(Subscribe) -> Result<Opened, DisconnectReason> + Send + Sync>;

/// Opens streams of this hub.
#[must_use]
pub fn open_on(hub: Arc<Hub>) -> Open {
    Arc::new(move |request| {
        let stream = hub.subscribe(request)?;
        let handle = stream.handle();
        Ok(Opened { chunks: Box::pin(stream), close: Arc::new(move |closing| handle.close(closing)) })
    })
}
