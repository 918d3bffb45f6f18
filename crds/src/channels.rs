//! What holds for channels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, HOUR, SECOND};
use crate::rule::{Rule, rule};
use crate::text::{ChannelName, ChannelPattern};

const RULES: &[Rule] = &[rule(
    "self.all || !has(self.defaults) || !('all' in self.defaults)",
    "defaults names the channel all, which does not exist while all is false",
)];

/// What holds for channels: which are public, what is retained, what happens to slow subscribers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Channels {
    /// Channels that are public: whatever goes to them also goes to `all`. Absent: every channel, as long as no identity is
    /// configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub public: Option<Vec<ChannelPattern>>,
    /// Whether the channel `all` exists, which carries every event of public channels.
    pub all: bool,
    /// Channels of a request that names none. Empty: such a request is refused.
    #[schemars(length(max = 12), extend("x-kubernetes-list-type" = "set"))]
    pub defaults: Vec<ChannelName>,
    /// What a channel's backlog keeps; whichever bound is met first.
    pub retention: Retention,
    /// What happens to a subscriber that is too slow, by channel: the first pattern that fits.
    #[schemars(length(max = 256))]
    pub overflow: Vec<Overflow>,
    /// What happens where no pattern fits.
    pub overflow_default: OverflowPolicy,
    /// Most events of a channel that each of its owners keeps in memory, to resume from.
    #[schemars(range(min = 1, max = 100_000))]
    pub ring_events: i32,
    /// Most bytes of a channel that each of its owners keeps in memory.
    #[schemars(range(min = 1_024, max = 1_073_741_824))]
    pub ring_bytes: i32,
    /// How long a channel that its last subscriber left stays owned, for clients that reconnect.
    pub linger: Duration<0, HOUR>,
}

impl Default for Channels {
    fn default() -> Self {
        Self {
            public: None,
            all: false,
            defaults: Vec::new(),
            retention: Retention::default(),
            overflow: Vec::new(),
            overflow_default: OverflowPolicy::Disconnect,
            ring_events: 256,
            ring_bytes: 4 << 20,
            linger: Duration::millis(5 * SECOND),
        }
    }
}

/// What a channel's backlog keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Retention {
    /// Most events of a channel.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub events: i32,
    /// Greatest age of an event.
    pub age: Duration<SECOND, { 24 * 365 * HOUR }>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events: 1_000, age: Duration::millis(4 * HOUR) }
    }
}

/// What happens to slow subscribers of some channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Overflow {
    /// Which channels.
    pub pattern: ChannelPattern,
    /// What happens.
    pub policy: OverflowPolicy,
}

/// What happens to a subscriber whose queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OverflowPolicy {
    /// Its stream is ended; it resumes from its cursor and misses nothing that is retained.
    Disconnect,
    /// The oldest events leave the queue, and a gap event says so.
    DropOldest,
    /// Of several events with one key only the newest stays, and a gap event says so.
    LatestPerKey,
}
