//! What a subscriber receives.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::Timestamp;
use crate::source::Origin;

/// Types beginning so are the gateway's own; a publisher can't use them.
pub const RESERVED_TYPE_PREFIX: &str = "gateway.";

/// The type of an event whose publisher named none (the default of a browser's `EventSource`).
pub const DEFAULT_TYPE: &str = "message";

/// One event of a channel's backlog. Shared, never changed: the ring, the pages and every stream hold the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened, as `event:` in the stream. Never empty, no control characters, not reserved, at most 200 bytes.
    pub kind: Arc<str>,
    /// UTF-8 text as it came, often JSON.
    pub data: Bytes,
    /// The record's timestamp.
    pub time: Timestamp,
    /// Further values by name.
    pub attributes: BTreeMap<String, String>,
    /// The publisher's own id.
    pub id: Option<Arc<str>>,
    /// What `latest-per-key` compares; the record's key unless the envelope names another.
    pub key: Option<Arc<str>>,
    /// Where it came from.
    pub origin: Origin,
}
