//! What a replica tells of itself: the JSON of `GET /status` on the admin listener.
//!
//! The gateway writes it and the operator reads it, and during an update the two are of different releases. So readers
//! skip fields that they don't know, and fields that come later get a default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a replica tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Its id: random per life, and per lease that was lost.
    pub replica: String,
    /// Name of its pod or host.
    pub pod: String,
    /// The program's version.
    pub version: String,
    /// What it does with new connections.
    pub state: State,
    /// Whether a drain has run to its end, and wasn't undone: no stream is open, and the partitions are handed over or their
    /// time has passed. An end of the process now disturbs nobody.
    pub drained: bool,
    /// How long the drain has gone on, in milliseconds, or since when it is over; absent while it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining_ms: Option<u64>,
    /// Open streams.
    pub connections: u64,
    /// Channels that somebody here is subscribed to.
    pub channels: u64,
    /// Redis, as seen from here.
    pub redis: Redis,
    /// Its consumers, one entry for each binding.
    pub kafka: Vec<Binding>,
}

impl Status {
    /// Whether Redis and the consumers of every binding that isn't paused work without complaint.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.redis.up && self.kafka.iter().all(|binding| binding.up || binding.paused)
    }
}

/// What a replica does with new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Takes them.
    Serving,
    /// Hands over.
    Draining,
    /// Something that the reader's release doesn't know.
    #[serde(other)]
    #[schemars(skip)]
    Unknown,
}

/// Redis, as seen from a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redis {
    /// Whether the last renewal of its lease succeeded.
    pub up: bool,
}

/// Longest [`Binding::trouble`], in bytes.
pub const MAX_TROUBLE: usize = 300;

/// What a replica's consumers of one binding do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Binding {
    /// The binding.
    pub binding: String,
    /// Its consumer group.
    pub group: String,
    /// Whether they work without complaint.
    pub up: bool,
    /// What they complain of, at most 300 bytes; absent while they don't, or don't run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Whether consumption rests by the group's control.
    pub paused: bool,
    /// Records of the assigned partitions that aren't appended yet; `null` while that isn't known: nobody consumes here, the
    /// group rests, or a partition was assigned a moment ago.
    pub lag: Option<u64>,
    /// How many partitions are assigned to this replica.
    pub assigned: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = concat!(
        r#"{"replica":"r1","pod":"gateway-0","version":"0.1.0","state":"draining","drained":false,"draining_ms":1500,"#,
        r#""connections":3,"channels":2,"redis":{"up":true},"#,
        r#""kafka":[{"binding":"orders","group":"g","up":true,"paused":false,"lag":null,"assigned":0}]}"#,
    );

    #[test]
    fn the_names_of_the_fields_are_a_promise() {
        let status: Status = serde_json::from_str(TEXT).unwrap();
        assert_eq!(serde_json::to_string(&status).unwrap(), TEXT);
        assert_eq!((status.state, status.kafka[0].lag), (State::Draining, None));
    }

    #[test]
    fn what_another_release_says_is_read_as_far_as_it_is_known() {
        let newer = TEXT.replace("draining\",", "resting\",\"mood\":{},").replace(",\"draining_ms\":1500", "");
        let status: Status = serde_json::from_str(&newer).unwrap();
        assert_eq!((status.state, status.draining_ms), (State::Unknown, None));
    }
}
