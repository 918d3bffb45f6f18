//! Consumer groups.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::cluster::{Cluster, Session};
use crate::error::{Fault, KafkaError, listed};
use crate::native;

/// A consumer group, as its coordinator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its state.
    pub state: State,
    /// Which protocol it speaks; `None` where brokers don't tell, and for one that isn't there. A group that only has offsets
    /// counts as classic until its first member comes.
    pub protocol: Option<Protocol>,
    /// Its members.
    pub members: Vec<Member>,
    /// `host:port` of its coordinator.
    pub coordinator: Option<String>,
}

impl Group {
    /// A group that nobody has heard of.
    #[must_use]
    pub fn absent() -> Self {
        Self { state: State::Absent, protocol: None, members: Vec::new(), coordinator: None }
    }

    /// Whether its offsets can be set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.state, State::Empty | State::Absent) && self.members.is_empty()
    }
}

/// The state of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It isn't there, or is being removed.
    Absent,
    /// It has no members, perhaps offsets.
    Empty,
    /// Partitions are being given out.
    Rebalancing,
    /// Every partition has a member.
    Stable,
}

impl State {
    /// A stable word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "Absent",
            Self::Empty => "Empty",
            Self::Rebalancing => "Rebalancing",
            Self::Stable => "Stable",
        }
    }
}

/// The protocol of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// KIP-848.
    Consumer,
    /// The one before.
    Classic,
}

impl Protocol {
    /// Kafka's own word for it: the value of `group.protocol`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Classic => "classic",
        }
    }
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id that it has in the group.
    pub id: String,
    /// What it calls itself.
    pub client_id: String,
    /// The address that it comes from.
    pub host: String,
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} from {} ({})", self.client_id, self.host, self.id)
    }
}

impl Cluster {
    /// Describes groups, all at once. One that doesn't exist is [`State::Absent`].
    ///
    /// # Errors
    /// Of the whole call when the cluster can't be reached; of a group when its coordinator refuses.
    pub async fn groups(
        &self,
        groups: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<Group, KafkaError>>, KafkaError> {
        let names: Vec<String> = groups.into_iter().collect();
        self.call(&format!("describe the groups {}", listed(&names)), move |session| describe(session, &names)).await
    }
}

pub(crate) fn describe(
    session: &Session,
    groups: &[String],
) -> Result<BTreeMap<String, Result<Group, KafkaError>>, KafkaError> {
    let described = native::describe_groups(session, groups).map_err(|fault| session.error(fault))?;
    let each = described.into_iter().map(|(name, group)| {
        let group = match group {
            Err(Fault { code: Code::GroupIdNotFound, .. }) => Ok(Group::absent()),
            Err(fault) => {
                Err(session.error_of(&format!("describe the group {name} at {}", session.bootstrap()), fault))
            }
            Ok(group) => Ok(group),
        };
        (name, group)
    });
    Ok(each.collect())
}
