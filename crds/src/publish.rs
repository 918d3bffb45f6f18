//! Publishing over HTTP.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, MINUTE, SECOND};
use crate::rate::Rate;
use crate::rule::{Rule, rule};
use crate::text::Topic;

const RULES: &[Rule] =
    &[rule("self.maxPendingBytes >= self.maxBodyBytes", "maxPendingBytes must be at least maxBodyBytes")];

/// Publishing over HTTP: `POST {pathPrefix}/events` and `{pathPrefix}/events/broadcast` write to a Kafka topic. Without
/// `access`, whoever reaches the public listener may publish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Publish {
    /// The topic that is written. A binding has to read it as events and without a route: what was published is what is
    /// delivered.
    pub topic: Topic,
    /// Most bytes of a request's content.
    #[serde(default = "max_body_bytes")]
    #[schemars(range(min = 1_024, max = 67_108_864))]
    pub max_body_bytes: i32,
    /// Most events of a request.
    #[serde(default = "max_events")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_events: i32,
    /// Most channels that an event may address.
    #[serde(default = "max_channels")]
    #[schemars(range(min = 1, max = 64))]
    pub max_channels: i32,
    /// Most bytes of requests and of events that wait for Kafka at a time; beyond, requests are answered with 503.
    #[serde(default = "max_pending_bytes")]
    #[schemars(range(min = 1_048_576, max = 1_073_741_824))]
    pub max_pending_bytes: i32,
    /// How long Kafka may take to have an event; then the answer is 503, and nobody knows whether Kafka has it.
    #[serde(default = "timeout")]
    pub timeout: Duration<SECOND, { 5 * MINUTE }>,
    /// How fast one address may publish, to each replica by itself. Whoever is over it gets 429 and `Retry-After`.
    /// Behind an ingress see `listen.trustedProxies`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_rate: Option<Rate>,
    /// How fast one subject may publish, to each replica by itself. Those who haven't said who they are have `addressRate` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher_rate: Option<Rate>,
}

fn max_body_bytes() -> i32 {
    4 << 20
}

fn max_events() -> i32 {
    500
}

fn max_channels() -> i32 {
    64
}

fn max_pending_bytes() -> i32 {
    64 << 20
}

fn timeout() -> Duration<SECOND, { 5 * MINUTE }> {
    Duration::millis(10 * SECOND)
}
