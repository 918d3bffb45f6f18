//! Kafka: where events come from.

pub mod binding;
pub mod security;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, MINUTE, SECOND};
use crate::text::{HostPort, Identifier, SettingValue, Topic};
pub use binding::{Binding, Isolation, Kind, Start};
pub use security::{Oauth, Sasl, SaslMechanism, Security, SecurityProtocol};

/// The settings of librdkafka that `clientSettings` takes. None of them names a file, a command, a plugin or a URL (whoever
/// writes those runs code or reads files), none is the gateway's own business (commits, assignment, identity).
pub const CLIENT_SETTINGS: &[&str] = &[
    "api.version.request.timeout.ms",
    "broker.address.family",
    "broker.address.ttl",
    "check.crcs",
    "client.dns.lookup",
    "client.rack",
    "compression.codec",
    "connections.max.idle.ms",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "linger.ms",
    "log.connection.close",
    "max.poll.interval.ms",
    "message.max.bytes",
    "metadata.max.age.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.interval.ms",
];

/// Where events come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Kafka {
    /// Some brokers of the cluster; the others are found through them.
    #[schemars(length(min = 1, max = 32), extend("x-required" = true))]
    pub bootstrap: Vec<HostPort>,
    /// What the brokers know the gateway by: in their logs and quotas.
    pub client_id: Identifier,
    /// How the brokers are reached and who the gateway is to them.
    pub security: Security,
    /// Which protocol the consumer groups speak.
    pub protocol: GroupProtocol,
    /// How long the brokers wait for a silent member before its partitions go to others. Only the classic protocol takes it
    /// from here; with `consumer` it is the group's setting `consumer.session.timeout.ms` on the brokers (45 s there, unless
    /// changed). Below 6 s only where the brokers' `group.min.session.timeout.ms` allows it.
    pub session_timeout: Duration<SECOND, { 30 * MINUTE }>,
    /// Which topics are read, as what, by which consumer group.
    #[schemars(length(min = 1, max = 32), extend("x-required" = true))]
    pub bindings: Vec<Binding>,
    /// Where records go that can't become events. Absent: they are counted and logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<DeadLetters>,
    /// Largest record taken, in bytes of key, value and headers together; larger ones are dead letters, undecoded. The default is 1 MiB of data and
    /// 64 KiB for what is around it.
    #[schemars(range(min = 1_024, max = 67_108_864))]
    pub max_record_bytes: i32,
    /// Most bytes of records that are read and not yet appended, for each binding of a replica. Reading pauses beyond it.
    #[schemars(range(min = 1_048_576, max = 17_179_869_184_i64))]
    pub max_pending_bytes: i64,
    /// How long a revoked partition's last appends may take before they are given up (and read again by the next owner).
    pub revoke_timeout: Duration<{ SECOND / 10 }, MINUTE>,
    /// First wait before a failed append is tried again; it doubles up to `retryMax`.
    pub retry_base: Duration<10, MINUTE>,
    /// Longest wait before a failed append is tried again.
    pub retry_max: Duration<10, { 10 * MINUTE }>,
    /// Further settings of librdkafka, by its own names, from the list below the table.
    #[schemars(extend("maxProperties" = 64))]
    pub client_settings: BTreeMap<String, SettingValue>,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap: Vec::new(),
            client_id: "events-gateway".into(),
            security: Security::default(),
            protocol: GroupProtocol::Auto,
            session_timeout: Duration::millis(6 * SECOND),
            bindings: Vec::new(),
            dead_letters: None,
            max_record_bytes: (1 << 20) + (64 << 10),
            max_pending_bytes: 64 << 20,
            revoke_timeout: Duration::millis(5 * SECOND),
            retry_base: Duration::millis(100),
            retry_max: Duration::millis(10 * SECOND),
            client_settings: BTreeMap::new(),
        }
    }
}

/// Which protocol the consumer groups speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GroupProtocol {
    /// `consumer` where the brokers have it, `classic` elsewhere.
    Auto,
    /// KIP-848: assignment by the brokers, without a stop of the whole group. Kafka 4.0 or newer.
    Consumer,
    /// The protocol of older brokers.
    Classic,
}

/// Where records go that can't become events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeadLetters {
    /// The topic; it must exist and take records as large as those that are read.
    pub topic: Topic,
}
