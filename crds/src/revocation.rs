//! Revocations: tokens that aren't over, and prove nothing all the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, HOUR, MINUTE, SECOND};
use crate::text::Topic;

/// Revocations of tokens, by subject or by token: by `POST /revoke` of the admin listener, or by a record that is written to the
/// topic. They stand in Kafka, and every replica reads all of them, in no consumer group.
///
/// A replica that hasn't read the topic to its end since it started refuses whoever brings a token, retryably.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revocation {
    /// The topic that revocations stand in. Its `cleanup.policy` has to have `compact`; with `compact,delete` its `retention.ms` has
    /// to be at least `retention`. No binding reads it. Whoever may write to it may end anybody's streams.
    pub topic: Topic,
    /// How long a revocation is kept: at least as long as your tokens live at most. A token that lives longer counts again
    /// afterwards.
    #[serde(default = "retention")]
    pub retention: Duration<MINUTE, { 90 * 24 * HOUR }>,
    /// How long `POST /revoke` waits for the live replicas to confirm.
    #[serde(default = "confirm_within")]
    pub confirm_within: Duration<0, { 30 * SECOND }>,
    /// After how long without having read all of the topic a replica counts as cut off from it.
    #[serde(default = "cut_off_after")]
    pub cut_off_after: Duration<{ 5 * SECOND }, { 24 * HOUR }>,
    /// What a replica does that is cut off.
    #[serde(default)]
    pub when_cut_off: WhenCutOff,
}

/// What a replica does that is cut off from revocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenCutOff {
    /// It goes on with what it knows, and catches up when it can.
    #[default]
    Keep,
    /// It ends the streams of all who have proven who they are, retryably, and refuses whoever brings a token, retryably, until it
    /// has read the topic again.
    Disconnect,
}

fn retention() -> Duration<MINUTE, { 90 * 24 * HOUR }> {
    Duration::millis(24 * HOUR)
}

fn confirm_within() -> Duration<0, { 30 * SECOND }> {
    Duration::millis(2 * SECOND)
}

fn cut_off_after() -> Duration<{ 5 * SECOND }, { 24 * HOUR }> {
    Duration::millis(30 * SECOND)
}
