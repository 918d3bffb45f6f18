//! What can go wrong, and of what kind it is.

use rdkafka::error::RDKafkaErrorCode as Code;

/// A call failed. Each says what was to be done, with the names of brokers, groups and topics, and why it wasn't.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    /// No connection: nobody listens, the name isn't known, TLS fails.
    #[error("failed to {act}: the brokers can't be reached: {reason}")]
    Unreachable {
        /// What was to be done.
        act: String,
        /// What stood in the way.
        reason: String,
    },
    /// The brokers don't know us, or don't allow it.
    #[error("failed to {act}: not authorised: {reason}")]
    Unauthorised {
        /// What was to be done.
        act: String,
        /// Which proof or right is missing.
        reason: String,
    },
    /// The brokers can't do it; the reason says which version can.
    #[error("failed to {act}: {reason}")]
    Unsupported {
        /// What was to be done.
        act: String,
        /// What is needed.
        reason: String,
    },
    /// A topic or a group isn't there.
    #[error("failed to {act}: {reason}")]
    NotFound {
        /// What was to be done.
        act: String,
        /// What isn't there.
        reason: String,
    },
    /// What is wanted can't be: the brokers refuse the value, or the client its settings.
    #[error("failed to {act}: {reason}")]
    Invalid {
        /// What was to be done.
        act: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer within the bound, and no known reason.
    #[error("failed to {act}: no answer in time")]
    Timeout {
        /// What was to be done.
        act: String,
    },
    /// The group has members; its offsets can be set only while it has none.
    #[error("failed to {act}: the group {group} has members: {}", listed(.members))]
    InUse {
        /// What was to be done.
        act: String,
        /// The group.
        group: String,
        /// Who is in it: client id, address and member id of each.
        members: Vec<String>,
    },
    /// As many clusters as may be are in use.
    #[error("failed to {act}: {most} clusters are in use already")]
    Busy {
        /// What was to be done.
        act: String,
        /// How many may be.
        most: usize,
    },
    /// The brokers refuse for another reason; many of these pass.
    #[error("failed to {act}: {reason}")]
    Refused {
        /// What was to be done.
        act: String,
        /// What they say.
        reason: String,
    },
}

impl KafkaError {
    /// A stable word for the kind, for metrics and conditions.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Unauthorised { .. } => "unauthorised",
            Self::Unsupported { .. } => "unsupported",
            Self::NotFound { .. } => "not-found",
            Self::Invalid { .. } => "invalid",
            Self::Timeout { .. } => "timeout",
            Self::InUse { .. } => "in-use",
            Self::Busy { .. } => "busy",
            Self::Refused { .. } => "refused",
        }
    }

    /// From what a broker or the client library answered.
    pub(crate) fn of(act: &str, fault: Fault) -> Self {
        let (act, reason) = (act.to_owned(), fault.text);
        match fault.code {
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::SSL
            | Code::NetworkException => Self::Unreachable { act, reason },
            Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed => Self::Unauthorised { act, reason },
            Code::UnsupportedFeature | Code::UnsupportedVersion | Code::UnsupportedSASLMechanism => {
                Self::Unsupported { act, reason }
            }
            Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::GroupIdNotFound
            | Code::ResourceNotFound => Self::NotFound { act, reason },
            Code::InvalidArgument
            | Code::InvalidConfig
            | Code::InvalidGroupId
            | Code::InvalidPartitions
            | Code::InvalidReplicaAssignment
            | Code::InvalidReplicationFactor
            | Code::InvalidRequest
            | Code::InvalidTopic
            | Code::PolicyViolation => Self::Invalid { act, reason },
            Code::OperationTimedOut | Code::RequestTimedOut => Self::Timeout { act },
            _ => Self::Refused { act, reason },
        }
    }
}

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl Fault {
    pub(crate) fn invalid(text: &str) -> Self {
        Self { code: Code::InvalidArgument, text: text.to_owned() }
    }
}

/// `a, b and 3 more`: names in a message are bounded.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: Code) -> KafkaError {
        KafkaError::of("describe the group orders at kafka:9092", Fault { code, text: "because".into() })
    }

    #[test]
    fn every_kind_has_a_category_and_says_what_failed() {
        for (code, category) in [
            (Code::BrokerTransportFailure, "unreachable"),
            (Code::SaslAuthenticationFailed, "unauthorised"),
            (Code::GroupAuthorizationFailed, "unauthorised"),
            (Code::UnsupportedVersion, "unsupported"),
            (Code::UnknownTopicOrPartition, "not-found"),
            (Code::InvalidConfig, "invalid"),
            (Code::OperationTimedOut, "timeout"),
            (Code::CoordinatorNotAvailable, "refused"),
        ] {
            let error = of(code);
            assert_eq!(error.category(), category, "{code:?}");
            assert!(error.to_string().starts_with("failed to describe the group orders at kafka:9092: "), "{error}");
        }
    }

    #[test]
    fn names_in_a_message_are_bounded() {
        assert_eq!(listed(&["a", "b"]), "a, b");
        assert_eq!(listed(&["a", "b", "c", "d", "e", "f", "g"]), "a, b, c, d, e and 2 more");
    }
}
