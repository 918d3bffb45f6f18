//! Kafka.

pub mod binding;
pub mod security;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Duration;

use events_gateway_crds as raw;
pub use raw::kafka::{GroupProtocol, Isolation, Kind};

use super::overrides::Environment;
use super::problem::{Place, Problems};
use super::suggest::closest;
use super::text::{self, HostPort};
pub use binding::{Binding, Start};
pub use security::{Authentication, Oauth, Scram, Security};

/// Where events come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Kafka {
    /// Some brokers, at least one.
    pub bootstrap: Vec<HostPort>,
    /// What the brokers know the gateway by.
    pub client_id: String,
    /// How the brokers are reached.
    pub security: Security,
    /// Which protocol the groups speak.
    pub protocol: GroupProtocol,
    /// Of the classic protocol.
    pub session_timeout: Duration,
    /// What is read; at least one, names, groups and topics distinct.
    pub bindings: Vec<Binding>,
    /// The topic for records that can't become events; none of those that are read.
    pub dead_letters: Option<String>,
    /// Largest record, in bytes of key, value and headers.
    pub max_record_bytes: NonZeroUsize,
    /// Most bytes read and not yet appended, for each binding.
    pub max_pending_bytes: NonZeroUsize,
    /// How long a revoke may take.
    pub revoke_timeout: Duration,
    /// First wait before an append is tried again.
    pub retry_base: Duration,
    /// Longest wait; not shorter than the first.
    pub retry_max: Duration,
    /// Settings of librdkafka, all of them from the allow-list.
    pub client_settings: BTreeMap<String, String>,
}

impl Kafka {
    pub(super) fn prove(
        raw: &raw::kafka::Kafka,
        routes: &[raw::routes::Route],
        environment: &Environment,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        let at = &place.key("bootstrap");
        let bootstrap = text::hosts(&raw.bootstrap, at, problems);
        text::distinct(
            raw.bootstrap.iter().enumerate().map(|(i, node)| (at.index(i), &**node)),
            "the address",
            problems,
        );
        let security = Security::prove(&raw.security, environment, &place.key("security"), problems);
        let routes: BTreeSet<&str> = routes.iter().map(|route| &*route.name).collect();
        let bindings = binding::prove(&raw.bindings, &routes, &place.key("bindings"), problems);
        let max_record_bytes = text::count(raw.max_record_bytes, place.key("maxRecordBytes"), problems);
        let max_pending_bytes = text::count(raw.max_pending_bytes, place.key("maxPendingBytes"), problems);
        if raw.max_pending_bytes < i64::from(raw.max_record_bytes) {
            problems.add(place.key("maxPendingBytes"), "must be at least maxRecordBytes");
        }
        if raw.retry_max.get() < raw.retry_base.get() {
            problems.add(place.key("retryMax"), "must be at least retryBase");
        }
        if let Some(dead) = &raw.dead_letters
            && raw.bindings.iter().any(|binding| binding.topics.contains(&dead.topic))
        {
            problems.add(
                place.key("deadLetters").key("topic"),
                "is read by a binding: dead letters would come back for ever",
            );
        }
        client_settings(raw, &place.key("clientSettings"), problems);
        Some(Self {
            bootstrap: bootstrap?,
            client_id: raw.client_id.0.clone(),
            security: security?,
            protocol: raw.protocol,
            session_timeout: raw.session_timeout.get(),
            bindings: bindings?,
            dead_letters: raw.dead_letters.as_ref().map(|dead| dead.topic.0.clone()),
            max_record_bytes: max_record_bytes?,
            max_pending_bytes: max_pending_bytes?,
            revoke_timeout: raw.revoke_timeout.get(),
            retry_base: raw.retry_base.get(),
            retry_max: raw.retry_max.get(),
            client_settings: raw.client_settings.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect(),
        })
    }
}

fn client_settings(raw: &raw::kafka::Kafka, place: &Place, problems: &mut Problems) {
    let allowed = raw::kafka::CLIENT_SETTINGS;
    for name in raw.client_settings.keys().filter(|name| !allowed.contains(&name.as_str())) {
        let suggestion = closest(name, allowed.iter().copied());
        let suggestion = suggestion.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        problems.add(
            place.key(name),
            format!("is not among the settings that may be set here (see the reference){suggestion}"),
        );
    }
}
