//! A record decoded: which channels, which event.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Channel, Timestamp};

mod addressees;
mod cloudevents;
mod decoder;
mod draft;
mod explanation;
mod format;
mod json;
mod plain;
mod time;

pub(crate) use addressees::Addressees;
pub use decoder::{Decoder, MAX_ROUTES};
pub(crate) use draft::Draft;
pub use draft::{MAX_ATTRIBUTE_NAME_BYTES, MAX_ATTRIBUTES, MAX_ATTRIBUTES_BYTES, MAX_ID_BYTES, MAX_TYPE_BYTES};
pub(crate) use draft::{check_attribute_name, check_kind};
pub use explanation::{Explanation, Outcome, Step, explain, explain_command};
pub use format::Format;
pub(crate) use format::text as value_text;
pub(crate) use json::{Fault, Kind, Text, elements, kind_of, member, members, scalar, string, whole};
pub(crate) use time::{EXPECTED as EXPECTED_TIME, parse_time};

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

/// Longest [`Rejection::detail`], in bytes: it travels as a header of the dead letter.
pub const MAX_DETAIL_BYTES: usize = 500;

impl Rejection {
    /// A rejection whose detail is cut to [`MAX_DETAIL_BYTES`].
    pub(crate) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > MAX_DETAIL_BYTES {
            let end = (0..=MAX_DETAIL_BYTES - 3).rev().find(|at| detail.is_char_boundary(*at)).unwrap_or(0);
            detail.truncate(end);
            detail.push_str("...");
        }
        Self { reason, detail }
    }

    pub(crate) fn undecodable(detail: impl Into<String>) -> Self {
        Self::new(Reason::Undecodable, detail)
    }

    pub(crate) fn unroutable(detail: impl Into<String>) -> Self {
        Self::new(Reason::Unroutable, detail)
    }
}

/// A field's name as it may stand in a message: quoted, escaped, at most 64 characters.
pub(crate) fn quoted(name: &str) -> String {
    let mut text = String::from("\"");
    text.extend(name.chars().take(64).flat_map(char::escape_debug));
    text.push_str(if name.chars().nth(64).is_some() { "...\"" } else { "\"" });
    text
}

#[cfg(test)]
pub(crate) mod tests;
