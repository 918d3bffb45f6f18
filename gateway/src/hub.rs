//! Fan-out inside a replica: from the channels that it owns to the streams that it holds.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use events_gateway_core::Timestamp;
use events_gateway_core::cursor::ChannelSet;
use events_gateway_core::disconnect::Closing;
use events_gateway_core::sse::Format;

/// Where a new stream starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// With what comes from now on.
    Live,
    /// With the first event that is retained.
    Earliest,
    /// After this cursor, unread: if it is none of these channels, a gap says so and the stream is live.
    Cursor(String),
}

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct Subscribe {
    /// Which channels.
    pub channels: ChannelSet,
    /// From where.
    pub resume: Resume,
    /// How events are written.
    pub format: Format,
    /// When the connection was opened.
    pub opened: Timestamp,
    /// The connection's id, as `gateway.open` tells it: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub connection: Arc<str>,
}

/// A stream's remote control: closes it from elsewhere (drain, age, an operator). Cheap to clone; holding it doesn't keep
/// the stream open.
#[derive(Debug, Clone)]
pub struct StreamHandle(());
