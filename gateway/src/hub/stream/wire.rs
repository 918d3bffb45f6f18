//! What a stream's chunks are made of: blocks of an event stream, or frames of a WebSocket.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use events_gateway_core::Channel;
use events_gateway_core::cursor::ChannelSet;
use events_gateway_core::disconnect::Closing;
use events_gateway_core::entry::Seen;
use events_gateway_core::frame;
use events_gateway_core::sse::{self, Format, Gap};
use serde::Serialize;

/// How a stream is written.
#[derive(Debug, Clone)]
pub enum Wire {
    /// Server-Sent Events.
    EventStream,
    /// Messages of one subscription of a WebSocket; its name is 1 to 64 of `A-Z a-z 0-9 _ -`.
    WebSocket(Arc<str>),
    /// Messages that are the events' data, as they are.
    Plain,
}

/// What is told when a stream opens.
pub(super) struct Opening<'a> {
    pub(super) connection: &'a str,
    pub(super) replica: &'a str,
    pub(super) set: &'a ChannelSet,
    pub(super) cursor: &'a str,
    pub(super) retry_ms: u64,
}

/// One of the gateway's own messages.
#[derive(Serialize)]
struct Own<'a, T> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(flatten)]
    content: T,
}

/// What says all by its type.
#[derive(Serialize)]
struct Empty {}

impl Wire {
    /// The preamble.
    pub(super) fn opened(&self, opening: &Opening<'_>) -> Bytes {
        #[derive(Serialize)]
        struct Opened<'a> {
            connection: &'a str,
            channels: &'a [Channel],
            replica: &'a str,
        }
        #[derive(Serialize)]
        struct Subscribed<'a> {
            r#type: &'static str,
            id: &'a str,
            channels: &'a [Channel],
            cursor: &'a str,
        }
        let Opening { connection, replica, set, cursor, retry_ms } = *opening;
        let mut buffer = BytesMut::with_capacity(512);
        match self {
            Self::EventStream => {
                sse::put_retry(&mut buffer, retry_ms);
                sse::put_id(&mut buffer, cursor);
                let opened = Opened { connection, channels: set.as_slice(), replica };
                buffer.extend_from_slice(&sse::own("gateway.open", &opened));
            }
            Self::WebSocket(id) => {
                let subscribed = Subscribed { r#type: "subscribed", id, channels: set.as_slice(), cursor };
                frame::put_message(&mut buffer, &subscribed);
            }
            Self::Plain => {}
        }
        buffer.freeze()
    }

    /// The last there is.
    #[must_use]
    pub fn closing(&self, closing: &Closing) -> Bytes {
        let mut buffer = BytesMut::new();
        match self {
            Self::EventStream => {
                sse::put_retry(&mut buffer, closing.reconnect_after_ms);
                buffer.extend_from_slice(&sse::own("gateway.closing", closing));
            }
            Self::WebSocket(id) => {
                frame::put_message(&mut buffer, &Own { r#type: "closing", id: Some(id), content: closing });
            }
            Self::Plain => {
                frame::put_message(&mut buffer, &Own { r#type: "gateway.closing", id: None, content: closing });
            }
        }
        buffer.freeze()
    }

    /// A sign of life where there is nothing to tell. A WebSocket has its own.
    pub(super) fn heartbeat(&self) -> Bytes {
        match self {
            Self::EventStream => Bytes::from_static(sse::HEARTBEAT),
            Self::WebSocket(_) | Self::Plain => Bytes::new(),
        }
    }

    /// A cursor that moved without an event.
    pub(super) fn cursor(&self, cursor: &str, (format, named): (Format, bool)) -> Bytes {
        #[derive(Serialize)]
        struct Message<'a> {
            r#type: &'static str,
            id: &'a str,
            cursor: &'a str,
        }
        let mut buffer = BytesMut::new();
        match self {
            // A page that makes each connection itself can't see what its `EventSource` keeps for its own ones.
            Self::EventStream if format == Format::Envelope && !named => {
                sse::put_id(&mut buffer, cursor);
                buffer.extend_from_slice(&sse::own("gateway.cursor", &Empty {}));
            }
            Self::EventStream => sse::put_id_only(&mut buffer, cursor),
            Self::WebSocket(id) => frame::put_message(&mut buffer, &Message { r#type: "cursor", id, cursor }),
            Self::Plain => {}
        }
        buffer.freeze()
    }

    /// The client's right to be open ends. On a WebSocket it is told once, for all subscriptions.
    pub(super) fn expiring(&self, expires_in_ms: u64) -> Bytes {
        #[derive(Serialize)]
        struct Expiring {
            expires_in_ms: u64,
        }
        match self {
            Self::EventStream => sse::own("gateway.expiring", &Expiring { expires_in_ms }),
            Self::WebSocket(_) | Self::Plain => Bytes::new(),
        }
    }

    /// An event with its cursor.
    pub(super) fn put_event(
        &self,
        buffer: &mut BytesMut,
        cursor: &str,
        seen: &Seen<'_>,
        (format, named): (Format, bool),
    ) {
        match self {
            Self::EventStream => {
                sse::put_id(buffer, cursor);
                buffer.extend_from_slice(seen.body(format, named));
            }
            Self::WebSocket(id) => frame::put_event(buffer, id, cursor, seen.frame(format)),
            Self::Plain => frame::put_text(buffer, &[seen.text(format)]),
        }
    }

    /// A gap with its cursor.
    pub(super) fn put_gap(&self, buffer: &mut BytesMut, cursor: &str, gap: &Gap) {
        #[derive(Serialize)]
        struct Message<'a> {
            r#type: &'static str,
            id: &'a str,
            cursor: &'a str,
            gap: &'a Gap,
        }
        match self {
            Self::EventStream => {
                sse::put_id(buffer, cursor);
                buffer.extend_from_slice(&sse::own("gateway.gap", gap));
            }
            Self::WebSocket(id) => frame::put_message(buffer, &Message { r#type: "gap", id, cursor, gap }),
            Self::Plain => {
                frame::put_message(buffer, &Own { r#type: "gateway.gap", id: None, content: gap });
            }
        }
    }
}
