//! Topics: described, planned, and made to be as is wanted.

mod apply;
mod plan;

use std::collections::{BTreeMap, BTreeSet};

pub use apply::{Change, TopicOutcome};
pub use plan::{Creation, Plan, Shortfall, Wanted, plan};

use crate::cluster::{Cluster, Session};
use crate::error::{KafkaError, listed};
use crate::native;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its partitions, by number.
    pub partitions: Vec<Partition>,
}

/// A partition of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// The broker that leads it, if one does.
    pub leader: Option<i32>,
    /// On how many brokers it should be.
    pub replicas: usize,
    /// On how many it is up to date.
    pub in_sync: usize,
}

impl Topic {
    /// The smallest number of brokers that any of its partitions should be on.
    #[must_use]
    pub fn replication_factor(&self) -> usize {
        self.partitions.iter().map(|partition| partition.replicas).min().unwrap_or(0)
    }

    /// How many partitions are up to date on fewer brokers than they should be.
    #[must_use]
    pub fn under_replicated(&self) -> usize {
        self.partitions.iter().filter(|partition| partition.in_sync < partition.replicas).count()
    }

    /// How many partitions nobody can read or write.
    #[must_use]
    pub fn leaderless(&self) -> usize {
        self.partitions.iter().filter(|partition| partition.leader.is_none()).count()
    }
}

/// What was found of topics: `None` for one that isn't there.
pub type Found = BTreeMap<String, Result<Option<Topic>, KafkaError>>;

impl Cluster {
    /// Describes topics, in one request. It never creates one, whatever the brokers are set to.
    ///
    /// # Errors
    /// Of the whole call when the cluster can't be reached; of a topic when it may not be described.
    pub async fn topics(&self, topics: BTreeSet<String>) -> Result<Found, KafkaError> {
        let names: Vec<&String> = topics.iter().collect();
        let act = format!("describe the topics {}", listed(&names));
        self.call(&act, move |session| describe(session, &topics)).await
    }
}

fn describe(session: &Session, topics: &BTreeSet<String>) -> Result<Found, KafkaError> {
    let described = native::describe_topics(session, topics).map_err(|fault| session.error(fault))?;
    let each = described.into_iter().map(|(name, topic)| {
        let act = format!("describe the topic {name} at {}", session.bootstrap());
        (name, topic.map_err(|fault| session.error_of(&act, fault)))
    });
    Ok(each.collect())
}
