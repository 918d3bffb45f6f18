//! What has to be done to topics: pure.

use std::collections::BTreeMap;

use super::Found;

/// What a topic should be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// How many partitions it has at least; `None`: any number.
    pub partitions: Option<i32>,
    /// How many replicas it is created with; `None`: as many as the brokers take by default. Of a topic that is there they
    /// are never changed.
    pub replication_factor: Option<i32>,
    /// Whether it is created so that it keeps the last record of each key. Of a topic that is there nothing is changed.
    pub compacted: bool,
}

/// How a topic is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Creation {
    /// With so many partitions.
    pub partitions: i32,
    /// With so many replicas; `None`: as many as the brokers take by default.
    pub replication_factor: Option<i32>,
    /// Keeping the last record of each key.
    pub compacted: bool,
}

/// What has to be done: never more than to create and to grow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Topics that aren't there.
    pub create: BTreeMap<String, Creation>,
    /// Topics with too few partitions, and how many they should have.
    pub grow: BTreeMap<String, i32>,
    /// What isn't as wanted, in words' place: the same topics, and those with fewer replicas than wanted, which nothing is
    /// done about.
    pub shortfalls: Vec<Shortfall>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.grow.is_empty()
    }
}

/// What isn't as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortfall {
    /// There is no such topic.
    Missing {
        /// The topic.
        topic: String,
    },
    /// It has fewer partitions than wanted.
    Partitions {
        /// The topic.
        topic: String,
        /// How many it has.
        has: usize,
        /// How many are wanted.
        wanted: i32,
    },
    /// It has fewer replicas than wanted. An administrator has to move its partitions.
    Replicas {
        /// The topic.
        topic: String,
        /// How many it has.
        has: usize,
        /// How many are wanted.
        wanted: i32,
    },
}

impl Shortfall {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        match self {
            Self::Missing { topic } | Self::Partitions { topic, .. } | Self::Replicas { topic, .. } => topic,
        }
    }
}

impl std::fmt::Display for Shortfall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { topic } => write!(f, "there is no topic {topic}"),
            Self::Partitions { topic, has, wanted } => {
                write!(f, "the topic {topic} has {has} partitions, fewer than {wanted}")
            }
            Self::Replicas { topic, has, wanted } => {
                write!(f, "the topic {topic} has {has} replicas, fewer than {wanted}")
            }
        }
    }
}

/// Compares what is wanted with what is there. Topics of `found` that nobody wants, and more partitions than wanted, are left
/// alone; one that couldn't be described is neither created nor grown.
#[must_use]
pub fn plan(wanted: &[Wanted], found: &Found) -> Plan {
    let mut plan = Plan::default();
    for topic in wanted {
        let name = topic.name.clone();
        match found.get(&name) {
            None | Some(Err(_)) => {}
            Some(Ok(None)) => {
                let creation = Creation {
                    partitions: topic.partitions.unwrap_or(1).max(1),
                    replication_factor: topic.replication_factor,
                    compacted: topic.compacted,
                };
                plan.create.insert(name.clone(), creation);
                plan.shortfalls.push(Shortfall::Missing { topic: name });
            }
            Some(Ok(Some(is))) => {
                let fewer = |has: usize, wanted: i32| usize::try_from(wanted).is_ok_and(|wanted| has < wanted);
                if let Some(wanted) = topic.partitions.filter(|wanted| fewer(is.partitions.len(), *wanted)) {
                    plan.grow.insert(name.clone(), wanted);
                    let has = is.partitions.len();
                    plan.shortfalls.push(Shortfall::Partitions { topic: name.clone(), has, wanted });
                }
                if let Some(wanted) = topic.replication_factor.filter(|wanted| fewer(is.replication_factor(), *wanted))
                {
                    plan.shortfalls.push(Shortfall::Replicas { topic: name, has: is.replication_factor(), wanted });
                }
            }
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::super::{Partition, Topic};
    use super::*;
    use crate::KafkaError;

    fn wanted(name: &str, partitions: i32, replicas: i32) -> Wanted {
        Wanted { name: name.into(), partitions: Some(partitions), replication_factor: Some(replicas), compacted: false }
    }

    fn topic(partitions: usize, replicas: usize) -> Result<Option<Topic>, KafkaError> {
        let partition = Partition { leader: Some(1), replicas, in_sync: replicas };
        Ok(Some(Topic { partitions: vec![partition; partitions] }))
    }

    #[test]
    fn what_is_missing_is_created_and_what_is_small_grows() {
        let found = [("a".into(), Ok(None)), ("b".into(), topic(2, 3)), ("c".into(), topic(6, 3))].into();
        let plan = plan(&[wanted("a", 6, 3), wanted("b", 6, 3), wanted("c", 6, 3)], &found);
        let creation = Creation { partitions: 6, replication_factor: Some(3), compacted: false };
        assert_eq!(plan.create, [("a".into(), creation)].into());
        assert_eq!(plan.grow, [("b".into(), 6)].into());
        let told: Vec<String> = plan.shortfalls.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["there is no topic a", "the topic b has 2 partitions, fewer than 6"]);
    }

    #[test]
    fn nothing_shrinks_and_replicas_are_only_told() {
        let found = [("a".into(), topic(12, 1)), ("unwanted".into(), topic(1, 1))].into();
        let plan = plan(&[wanted("a", 6, 3)], &found);
        assert!(plan.is_empty());
        assert_eq!(plan.shortfalls, [Shortfall::Replicas { topic: "a".into(), has: 1, wanted: 3 }]);
    }

    #[test]
    fn a_topic_that_could_not_be_described_is_left_alone() {
        let error = KafkaError::Timeout { act: "describe the topic a".into() };
        for found in [Found::new(), [("a".into(), Err(error))].into()] {
            assert_eq!(plan(&[wanted("a", 6, 3)], &found), Plan::default());
        }
    }

    #[test]
    fn any_number_of_partitions_suffices_where_none_is_wanted() {
        let any = Wanted { name: "a".into(), partitions: None, replication_factor: None, compacted: true };
        assert_eq!(plan(std::slice::from_ref(&any), &[("a".into(), topic(1, 1))].into()), Plan::default());
        let creation = Creation { partitions: 1, replication_factor: None, compacted: true };
        assert_eq!(plan(&[any], &[("a".into(), Ok(None))].into()).create, [("a".into(), creation)].into());
    }
}
