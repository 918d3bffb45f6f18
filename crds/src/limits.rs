//! Bounds of a replica as a whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rate::Rate;
use crate::rule::{Rule, rule};

const RULES: &[Rule] = &[rule(
    "self.softStreams < self.streams",
    "softStreams must be below streams: lower it, or set it to 0 for no soft limit",
)];

/// Bounds of a replica as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Limits {
    /// Most streams at a time; further requests are refused retryably.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub streams: i32,
    /// From how many streams on further requests are refused retryably while another replica that serves has fewer, going by
    /// the leases: crowded replicas even out, and nobody is turned away who has nowhere to go. 0: no such limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub soft_streams: i32,
    /// Most streams of one subject at a time, over all replicas; further ones are refused retryably. A replica that dies counts on
    /// until its lease has ended, and while Redis is away each replica counts its own. A service that opens many streams with one
    /// token is one subject. 0: no such limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub subject_streams: i32,
    /// Most streams of one client address at a time, on each replica by itself; further ones are refused retryably. IPv6 addresses
    /// count by their first 64 bits. Many people share an address behind a company's or a carrier's network, and all do behind an
    /// ingress that isn't one of `listen.trustedProxies`. 0: no such limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub address_streams: i32,
    /// Most connections of one peer at a time, streams or not, on each replica by itself; further ones are closed at once. It is the
    /// peer's own address that counts, since nothing has been read yet; `listen.trustedProxies` are exempt. 0: no such limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub address_connections: i32,
    /// How fast streams may be opened, on each replica by itself; further ones are refused retryably. Absent: no such limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_rate: Option<Rate>,
    /// How fast one client address may open streams, as `addressStreams` counts addresses. Absent: no such limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_stream_rate: Option<Rate>,
    /// Most channels owned at a time; requests that need more are refused retryably.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub channels: i32,
    /// Most memory for events kept to resume from, over all channels, in bytes.
    #[schemars(range(min = 1_048_576, max = 1_099_511_627_776_i64))]
    pub ring_bytes: i64,
    /// Most distinct filters of clients at a time; requests that need more are refused retryably.
    #[schemars(range(min = 0, max = 10_000))]
    pub filters: i32,
    /// Most reads of backlogs at a time; further ones wait for their turn.
    #[schemars(range(min = 1, max = 10_000))]
    pub backlog_reads: i32,
    /// Most refused requests that are held open for a moment to slow their return; further ones are answered at once.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub held_refusals: i32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 9_900,
            soft_streams: 0,
            subject_streams: 0,
            address_streams: 0,
            address_connections: 0,
            stream_rate: None,
            address_stream_rate: None,
            channels: 100_000,
            ring_bytes: 256 << 20,
            filters: 1_000,
            backlog_reads: 64,
            held_refusals: 1_000,
        }
    }
}
