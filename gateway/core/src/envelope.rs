//! A record decoded: which channels, which event.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Channel, Timestamp};

/// Most channels that one record may address.
pub const MAX_CHANNELS: usize = 64;

/// Which channels a record is for, and what their subscribers receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// 1 to [`MAX_CHANNELS`], distinct, in the publisher's order; never `all`, which the gateway addresses itself.
    pub channels: Vec<Channel>,
    /// The event's type.
    pub kind: Arc<str>,
    /// The event's data: UTF-8, byte for byte what the record held where that can be.
    pub data: Bytes,
    /// The envelope's own time, else the record's.
    pub time: Timestamp,
    /// Further values by name.
    pub attributes: BTreeMap<String, String>,
    /// The publisher's id.
    pub id: Option<Arc<str>>,
    /// What repeats of the id are compared within: CloudEvents' `source`, else empty.
    pub scope: String,
    /// The envelope's own key, else the record's where it is UTF-8.
    pub key: Option<Arc<str>>,
}

/// What a record of a topic that is bound as commands asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Close the connections of these channels that were opened before `before`.
    Disconnect {
        /// 1 to [`MAX_CHANNELS`].
        channels: Vec<Channel>,
        /// The record's time.
        before: Timestamp,
    },
    /// Keep these channels' backlogs warm.
    Connect {
        /// 1 to [`MAX_CHANNELS`].
        channels: Vec<Channel>,
    },
}

/// Why a record can't be delivered. The names are stable: they are metric labels and dead-letter headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The value isn't what the binding's format says (not UTF-8, not JSON, a field of the wrong type).
    Undecodable,
    /// Decoded, but no channel results, or not a valid one, or too many.
    Unroutable,
    /// Larger than the configured bound.
    Oversized,
    /// The type is empty, too long, holds control characters or has the gateway's reserved prefix.
    ForbiddenType,
    /// A configured expression exceeded its bounds or failed.
    Expression,
    /// The backlog refused it for good.
    Refused,
}

impl Reason {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Unroutable => "unroutable",
            Self::Oversized => "oversized",
            Self::ForbiddenType => "forbidden-type",
            Self::Expression => "expression",
            Self::Refused => "refused",
        }
    }
}

/// A record that can't be delivered: it goes to the dead letters and its partition goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.as_str())]
pub struct Rejection {
    /// The stable reason.
    pub reason: Reason,
    /// Names the field and says what was expected. At most 500 bytes; never holds data of the record beyond a field's name.
    pub detail: String,
}
