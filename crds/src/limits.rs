//! Bounds of a replica as a whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
            channels: 100_000,
            ring_bytes: 256 << 20,
            filters: 1_000,
            backlog_reads: 64,
            held_refusals: 1_000,
        }
    }
}
