//! Revocations of tokens.

use std::time::Duration;

use events_gateway_crds as raw;
pub use raw::revocation::WhenCutOff;

use super::problem::{Place, Problems};

/// Revocations of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// A topic of their own.
    pub topic: String,
    /// How long each is kept.
    pub retention: Duration,
    /// How long whoever revokes waits for confirmations.
    pub confirm_within: Duration,
    /// After how long a replica counts as cut off.
    pub cut_off_after: Duration,
    /// What it does then.
    pub when_cut_off: WhenCutOff,
}

impl Revocation {
    pub(super) fn prove(
        raw: &raw::revocation::Revocation,
        kafka: &raw::kafka::Kafka,
        place: &Place,
        problems: &mut Problems,
    ) -> Self {
        let reader = kafka.bindings.iter().find(|binding| binding.topics.contains(&raw.topic));
        if let Some(binding) = reader {
            let problem = format!("is read by the binding {}: give revocations a topic of their own", &*binding.name);
            problems.add(place.key("topic"), problem);
        }
        if kafka.dead_letters.as_ref().is_some_and(|dead| dead.topic == raw.topic) {
            problems.add(place.key("topic"), "is the topic of dead letters: give revocations a topic of their own");
        }
        Self {
            topic: raw.topic.0.clone(),
            retention: raw.retention.get(),
            confirm_within: raw.confirm_within.get(),
            cut_off_after: raw.cut_off_after.get(),
            when_cut_off: raw.when_cut_off,
        }
    }
}
