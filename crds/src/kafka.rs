//! Kafka: where events come from.

pub mod binding;
pub mod client_setting;
pub mod security;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, MINUTE, SECOND};
use crate::form::{Form, OnDisk, Translate};
use crate::rule::{Rule, rule};
use crate::text::{HostPort, Identifier, SettingValue, Topic};
pub use binding::{Binding, Isolation, Kind, Start};
pub use client_setting::CLIENT_SETTINGS;
pub use security::{Oauth, Sasl, SaslMechanism, Security, SecurityProtocol};

const RULES: &[Rule] = &[
    rule("self.maxPendingBytes >= self.maxRecordBytes", "maxPendingBytes must be at least maxRecordBytes"),
    rule("duration(self.retryMax) >= duration(self.retryBase)", "retryMax must be at least retryBase"),
    rule(
        "!has(self.deadLetters) || !self.bindings.exists(b, self.deadLetters.topic in b.topics)",
        "deadLetters.topic is read by a binding: dead letters would come back for ever",
    ),
    rule(
        "self.bindings.all(b, self.bindings.exists_one(c, (has(c.groupId) ? c.groupId : 'events-gateway-' + c.name) \
         == (has(b.groupId) ? b.groupId : 'events-gateway-' + b.name)))",
        "two bindings have one consumer group: give each a groupId of its own",
    ),
];

/// Where events come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, bound = "")]
#[schemars(bound = "", extend("x-kubernetes-validations" = RULES))]
pub struct Kafka<F: Form = OnDisk> {
    /// Some brokers of the cluster; the others are found through them.
    #[schemars(length(min = 1, max = 32), extend("x-required" = true, "x-kubernetes-list-type" = "set"))]
    pub bootstrap: Vec<HostPort>,
    /// What the brokers know the gateway by: in their logs and quotas.
    pub client_id: Identifier,
    /// How the brokers are reached and who the gateway is to them.
    pub security: Security<F>,
    /// Which protocol the consumer groups speak.
    pub protocol: GroupProtocol,
    /// How long the brokers wait for a silent member before its partitions go to others. Only the classic protocol takes it
    /// from here; with `consumer` it is the group's setting `consumer.session.timeout.ms` on the brokers (45 s there, unless
    /// changed). Below 6 s only where the brokers' `group.min.session.timeout.ms` allows it.
    pub session_timeout: Duration<SECOND, { 30 * MINUTE }>,
    /// Which topics are read, as what, by which consumer group.
    #[schemars(
        length(min = 1, max = 32),
        extend("x-required" = true, "x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
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
    #[schemars(extend("maxProperties" = 64, "x-properties" = client_setting::properties()))]
    pub client_settings: BTreeMap<String, SettingValue>,
}

impl<F: Form> Default for Kafka<F> {
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

impl<F: Form> Kafka<F> {
    /// The same in another form.
    pub fn translate<T: Form>(&self, leaves: &mut impl Translate<F, T>) -> Kafka<T> {
        Kafka {
            bootstrap: self.bootstrap.clone(),
            client_id: self.client_id.clone(),
            security: self.security.translate(leaves),
            protocol: self.protocol,
            session_timeout: self.session_timeout,
            bindings: self.bindings.clone(),
            dead_letters: self.dead_letters.clone(),
            max_record_bytes: self.max_record_bytes,
            max_pending_bytes: self.max_pending_bytes,
            revoke_timeout: self.revoke_timeout,
            retry_base: self.retry_base,
            retry_max: self.retry_max,
            client_settings: self.client_settings.clone(),
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
