//! A group's own settings, which the brokers keep for it (KIP-848): with the protocol `consumer` they replace what a client
//! of the classic one says itself.
//!
//! Brokers take them for any group, also for one that speaks the classic protocol and where the new one is switched off
//! (seen with 4.1); they have no effect there. [`Group::protocol`](crate::Group) tells what a group speaks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::cluster::{Cluster, Session};
use crate::error::{Fault, KafkaError};
use crate::native;

/// How long the brokers wait for a silent member.
const SESSION_TIMEOUT: &str = "consumer.session.timeout.ms";
/// How often members show that they are alive.
const HEARTBEAT_INTERVAL: &str = "consumer.heartbeat.interval.ms";
/// How long brokers may take to learn of new values.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);
/// What brokers need.
const NEEDED: &str = "a group's own settings need brokers of Kafka 4.0 or later (KIP-848)";

/// Settings that a group should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupSettings {
    /// `consumer.session.timeout.ms`; `None`: left as it is. The brokers bound it by `group.consumer.min.session.timeout.ms`
    /// (45 s unless changed) and the maximum beside it.
    pub session_timeout: Option<Duration>,
    /// `consumer.heartbeat.interval.ms`; `None`: left as it is. The brokers bound it likewise (5 s unless changed), and it must
    /// be below the session's.
    pub heartbeat_interval: Option<Duration>,
}

impl GroupSettings {
    fn wanted(&self) -> impl Iterator<Item = (&'static str, String)> {
        let each = [(SESSION_TIMEOUT, self.session_timeout), (HEARTBEAT_INTERVAL, self.heartbeat_interval)];
        each.into_iter().filter_map(|(name, value)| Some((name, value?.as_millis().to_string())))
    }

    /// What of it differs from what a group has.
    fn drift(&self, has: &BTreeMap<String, String>) -> Vec<Drift> {
        let differs = |(name, wanted): (&'static str, String)| {
            let was = has.get(name).cloned();
            (was.as_ref() != Some(&wanted)).then_some(Drift { name, wanted, was })
        };
        self.wanted().filter_map(differs).collect()
    }
}

/// A setting that isn't what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Kafka's name of it.
    pub name: &'static str,
    /// What it should be.
    pub wanted: String,
    /// What it is, or was before it was set; `None`: the brokers don't tell.
    pub was: Option<String>,
}

impl std::fmt::Display for Drift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let was = self.was.as_deref().unwrap_or("not told by the brokers");
        write!(f, "{} is {was}, wanted: {}", self.name, self.wanted)
    }
}

impl Cluster {
    /// What of a group's settings differs from what is wanted. Writes nothing.
    ///
    /// # Errors
    /// [`KafkaError::Unsupported`] where brokers keep no settings for groups, with the version that does; else as usual.
    pub async fn settings_drift(&self, group: String, wanted: GroupSettings) -> Result<Vec<Drift>, KafkaError> {
        let act = format!("read the settings of the group {group}");
        self.call(&act, move |session| drift(session, &group, wanted)).await
    }

    /// Sets what of a group's settings differs from what is wanted, and tells what that was; nothing, and no write, if nothing
    /// does. Other settings of the group stay. The group needn't exist yet.
    ///
    /// # Errors
    /// As [`Self::settings_drift`]; [`KafkaError::Invalid`] when the brokers' bounds don't allow the value: nothing is set then.
    pub async fn set_settings(&self, group: String, wanted: GroupSettings) -> Result<Vec<Drift>, KafkaError> {
        let act = format!("set the settings of the group {group}");
        self.call(&act, move |session| {
            let drift = drift(session, &group, wanted)?;
            if !drift.is_empty() {
                let settings = drift.iter().map(|drift| (drift.name, drift.wanted.clone())).collect();
                let set = native::alter_group(session, &group, &settings);
                set.map_err(|fault| session.error(of_brokers(fault)))?;
                wait_until_known(session, &group, wanted);
            }
            Ok(drift)
        })
        .await
    }
}

fn drift(session: &Session, group: &str, wanted: GroupSettings) -> Result<Vec<Drift>, KafkaError> {
    if wanted.wanted().next().is_none() {
        return Ok(Vec::new());
    }
    let has = native::describe_group(session, group).map_err(|fault| session.error(of_brokers(fault)))?;
    if !has.contains_key(SESSION_TIMEOUT) {
        return Err(session.error(unsupported()));
    }
    Ok(wanted.drift(&has))
}

/// Brokers learn of what the controller has stored a little later: whoever asks again would find the old values.
fn wait_until_known(session: &Session, group: &str, wanted: GroupSettings) {
    let known_by = Instant::now() + KNOWN_WITHIN;
    while Instant::now() < known_by && !drift(session, group, wanted).is_ok_and(|drift| drift.is_empty()) {
        // A thread for blocking calls.
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn unsupported() -> Fault {
    Fault { code: Code::UnsupportedVersion, text: NEEDED.to_owned() }
}

/// Brokers that know nothing of groups' settings call the request invalid (the type of what is asked about) or unsupported.
fn of_brokers(fault: Fault) -> Fault {
    match fault.code {
        Code::InvalidRequest | Code::UnsupportedVersion | Code::UnsupportedFeature => unsupported(),
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_and_differs_is_drift() {
        let has = [(SESSION_TIMEOUT, "45000"), (HEARTBEAT_INTERVAL, "5000"), ("consumer.other", "1")];
        let has = has.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let session =
            |seconds| GroupSettings { session_timeout: Some(Duration::from_secs(seconds)), heartbeat_interval: None };
        assert_eq!(GroupSettings::default().drift(&has), []);
        assert_eq!(session(45).drift(&has), []);
        let drift = Drift { name: SESSION_TIMEOUT, wanted: "6000".into(), was: Some("45000".into()) };
        assert_eq!(session(6).drift(&has), [drift]);
    }

    #[test]
    fn brokers_that_know_no_settings_of_groups_are_told_apart_from_values_that_they_refuse() {
        let fault = |code| of_brokers(Fault { code, text: "as the broker says".into() });
        assert!(fault(Code::InvalidRequest).text.contains("Kafka 4.0"));
        assert_eq!(fault(Code::UnsupportedVersion).code, Code::UnsupportedVersion);
        assert_eq!(fault(Code::InvalidConfig).text, "as the broker says");
    }
}
