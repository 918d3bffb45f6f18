//! How far groups are behind.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Cluster, Session};
use crate::error::{KafkaError, listed};
use crate::native::{self, Edge};

/// How far a group is behind in what it reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupLag {
    /// Every partition of its topics, in order.
    pub partitions: Vec<PartitionLag>,
    /// Topics that aren't there.
    pub missing: Vec<String>,
}

impl GroupLag {
    /// Records that it has not committed yet, over the partitions of which that is known: those with a commit and a leader.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.partitions.iter().filter_map(PartitionLag::lag).sum()
    }

    /// How many partitions it has never committed anything for.
    #[must_use]
    pub fn uncommitted(&self) -> usize {
        self.partitions.iter().filter(|partition| partition.committed.is_none()).count()
    }
}

/// How far a group is behind in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionLag {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset that it goes on at; `None`: it has never committed one.
    pub committed: Option<i64>,
    /// The offset after the newest record; `None`: no leader told it.
    pub end: Option<i64>,
}

impl PartitionLag {
    /// Offsets between, 0 when the group is ahead of a log that was shortened. Not each need hold a record: marks of
    /// transactions and compaction leave holes. `None` when one of the two isn't known.
    #[must_use]
    pub fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed?).max(0))
    }
}

/// Groups and the topics that each reads.
pub type Readers = BTreeMap<String, BTreeSet<String>>;

impl Cluster {
    /// How far each group is behind in its topics. One request for all topics, one to each leader for the ends of their logs,
    /// and one for each group.
    ///
    /// # Errors
    /// Of the whole call when the cluster can't be reached; of a group when it, or one of its topics, may not be read.
    pub async fn lag(&self, readers: Readers) -> Result<BTreeMap<String, Result<GroupLag, KafkaError>>, KafkaError> {
        let names: Vec<&String> = readers.keys().collect();
        let act = format!("find the lag of the groups {}", listed(&names));
        self.call(&act, move |session| lag(session, &readers)).await
    }
}

fn lag(session: &Session, readers: &Readers) -> Result<BTreeMap<String, Result<GroupLag, KafkaError>>, KafkaError> {
    let failed = |fault| session.error(fault);
    let all: BTreeSet<String> = readers.values().flatten().cloned().collect();
    let topics = native::describe_topics(session, &all).map_err(failed)?;
    let places = |topic: &String| {
        let found = topics.get(topic).and_then(|topic| topic.as_ref().ok()).and_then(Option::as_ref);
        let count = i32::try_from(found.map_or(0, |topic| topic.partitions.len())).unwrap_or(i32::MAX);
        (0..count).map(|partition| (topic.clone(), partition)).collect::<Vec<_>>()
    };
    let every: Vec<_> = all.iter().flat_map(places).collect();
    let ends = native::list_offsets(session, &every, Edge::End).map_err(failed)?;
    let of_group = |group: &String, read: &BTreeSet<String>| {
        let mut lag = GroupLag::default();
        for topic in read {
            match topics.get(topic) {
                Some(Ok(Some(_))) => {}
                Some(Err(fault)) => {
                    let act = format!("describe the topic {topic} at {}", session.bootstrap());
                    return Err(session.error_of(&act, fault.clone()));
                }
                _ => lag.missing.push(topic.clone()),
            }
        }
        let mine: Vec<_> = read.iter().flat_map(places).collect();
        let failed = |fault| {
            session.error_of(&format!("read the offsets of the group {group} at {}", session.bootstrap()), fault)
        };
        let committed = native::committed(session, group, &mine).map_err(failed)?;
        for at in mine {
            let committed = committed.get(&at).cloned().transpose().map_err(failed)?.flatten();
            let end = ends.get(&at).and_then(|end| end.as_ref().ok().copied()).flatten();
            let (topic, partition) = at;
            lag.partitions.push(PartitionLag { topic, partition, committed: committed.map(|one| one.offset), end });
        }
        Ok(lag)
    };
    Ok(readers.iter().map(|(group, read)| (group.clone(), of_group(group, read))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(committed: Option<i64>, end: Option<i64>) -> PartitionLag {
        PartitionLag { topic: "orders".into(), partition: 0, committed, end }
    }

    #[test]
    fn lag_is_counted_where_both_ends_are_known_and_is_never_negative() {
        assert_eq!(partition(Some(3), Some(10)).lag(), Some(7));
        assert_eq!(partition(Some(12), Some(10)).lag(), Some(0));
        assert_eq!(partition(None, Some(10)).lag(), None);
        assert_eq!(partition(Some(3), None).lag(), None);
        let all = [partition(Some(3), Some(10)), partition(None, Some(10)), partition(Some(1), Some(2))];
        let lag = GroupLag { partitions: all.into(), missing: Vec::new() };
        assert_eq!((lag.total(), lag.uncommitted()), (8, 1));
    }
}
