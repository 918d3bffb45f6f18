//! What holds for each stream.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, HOUR, MINUTE, SECOND};
use crate::rule::{Rule, rule};

const RULES: &[Rule] =
    &[rule("duration(self.maxAgeJitter) < duration(self.maxAge)", "maxAgeJitter must be less than maxAge")];

/// What holds for each stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Streams {
    /// How long a stream may be silent before a heartbeat goes out.
    pub heartbeat: Duration<SECOND, { 5 * MINUTE }>,
    /// How long written bytes may stay unacknowledged before the peer counts as gone (TCP_USER_TIMEOUT). Silent peers are
    /// noticed within `heartbeat` and this together.
    pub peer_timeout: Duration<SECOND, { 5 * MINUTE }>,
    /// What clients wait at least before they reconnect.
    pub retry: Duration<{ SECOND / 10 }, { 5 * MINUTE }>,
    /// What is added to `retry`, evenly spread from nothing up to this, so that not all come back at once.
    pub retry_jitter: Duration<0, { 5 * MINUTE }>,
    /// How long a stream may last; then its client is asked to reconnect, and balance returns to the replicas.
    pub max_age: Duration<{ 10 * SECOND }, { 24 * 7 * HOUR }>,
    /// What is taken from `maxAge`, evenly spread from nothing up to this.
    pub max_age_jitter: Duration<0, { 24 * HOUR }>,
    /// How long a client without the right to replay may come back with a cursor of its own, at least; twice as long at most. Others
    /// may come back with any cursor of what is retained.
    pub resume_within: Duration<{ 30 * SECOND }, HOUR>,
    /// Most channels of one stream; a cursor has room for 12.
    #[schemars(range(min = 1, max = 12))]
    pub max_channels: i32,
    /// Most events that wait for one slow client; then the overflow policy acts.
    #[schemars(range(min = 16, max = 100_000))]
    pub max_pending_events: i32,
    /// Most bytes that wait for one slow client; at least the largest record.
    #[schemars(range(min = 65_536, max = 1_073_741_824))]
    pub max_pending_bytes: i32,
    /// Most bytes that the kernel is given for a client before it has sent the ones before (Linux' TCP_NOTSENT_LOWAT). Without it, one
    /// that doesn't read has the kernel hold some MiB. What is on its way to a client that reads isn't counted.
    #[schemars(range(min = 16_384, max = 16_777_216))]
    pub max_unsent_bytes: i32,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            heartbeat: Duration::millis(15 * SECOND),
            peer_timeout: Duration::millis(12 * SECOND),
            retry: Duration::millis(SECOND),
            retry_jitter: Duration::millis(2 * SECOND),
            max_age: Duration::millis(HOUR),
            max_age_jitter: Duration::millis(10 * MINUTE),
            resume_within: Duration::millis(5 * MINUTE),
            max_channels: 12,
            max_pending_events: 1_024,
            max_pending_bytes: 4 << 20,
            max_unsent_bytes: 128 << 10,
        }
    }
}
