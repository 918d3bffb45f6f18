//! Where each partition begins: pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Target;
use crate::lag::Readers;

/// What a reset will do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The time that was meant, ms since 1970 UTC, with [`Target::Time`] and [`Target::Ago`].
    pub time: Option<i64>,
    /// Every partition that is concerned, by group, topic and number.
    pub partitions: Vec<PartitionPlan>,
}

impl Plan {
    /// Offsets that come again, over all partitions; below 0: that are passed over.
    #[must_use]
    pub fn records(&self) -> i64 {
        self.partitions.iter().filter(|plan| plan.problem.is_none()).filter_map(PartitionPlan::records).sum()
    }

    /// What can't be done. A reset with problems had better not be begun.
    pub fn problems(&self) -> impl Iterator<Item = &PartitionPlan> {
        self.partitions.iter().filter(|plan| plan.problem.is_some())
    }
}

/// What a reset will do to a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionPlan {
    /// The group; empty for an offset that no group is concerned with.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset that is committed; `None`: none.
    pub from: Option<i64>,
    /// The offset that is to be.
    pub to: i64,
    /// The oldest offset in the log, when it was planned.
    pub low: i64,
    /// The offset after the newest record, when it was planned.
    pub high: i64,
    /// Why it can't be done.
    pub problem: Option<String>,
}

impl PartitionPlan {
    /// How many offsets come again; below 0: how many are passed over. Offsets that the log no longer or not yet has don't
    /// count, and not each of the others need hold a record. `None` where nothing was committed.
    #[must_use]
    pub fn records(&self) -> Option<i64> {
        Some(inside(self.from?, self.low, self.high) - self.to)
    }
}

/// The nearest offset that the log has, its end included.
fn inside(offset: i64, low: i64, high: i64) -> i64 {
    offset.clamp(low, high.max(low))
}

/// What is known of a group's partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) committed: Option<i64>,
    pub(super) low: i64,
    pub(super) high: i64,
    /// Of the first record that isn't older than the time that is meant.
    pub(super) at_time: Option<i64>,
}

type At = (String, i32);

/// The groups' partitions that are concerned and that there are.
pub(super) fn places(target: &Target, readers: &Readers, counts: &BTreeMap<String, i32>) -> BTreeSet<(String, At)> {
    let mut places = BTreeSet::new();
    for (group, topics) in readers {
        for topic in topics {
            for partition in 0..counts.get(topic).copied().unwrap_or(0) {
                let at = (topic.clone(), partition);
                let is_concerned = match target {
                    Target::Offsets(offsets) => offsets.contains_key(&at),
                    _ => true,
                };
                if is_concerned {
                    places.insert((group.clone(), at));
                }
            }
        }
    }
    places
}

pub(super) fn plan(
    target: &Target,
    readers: &Readers,
    counts: &BTreeMap<String, i32>,
    facts: &BTreeMap<(String, At), Facts>,
) -> Vec<PartitionPlan> {
    let known = facts.iter().map(|((group, at), facts)| planned(target, group, at, *facts));
    let unknown = match target {
        Target::Offsets(offsets) => unknown(offsets, readers, counts),
        _ => Vec::new(),
    };
    let mut all: Vec<PartitionPlan> = known.chain(unknown).collect();
    all.sort_by(|a, b| (&a.group, &a.topic, a.partition).cmp(&(&b.group, &b.topic, b.partition)));
    all
}

fn planned(target: &Target, group: &str, at: &At, facts: Facts) -> PartitionPlan {
    let Facts { committed, low, high, at_time } = facts;
    let (to, problem) = match target {
        Target::Earliest => (low, None),
        Target::Latest => (high, None),
        Target::Time(_) | Target::Ago(_) => (inside(at_time.unwrap_or(high), low, high), None),
        Target::Offsets(offsets) => {
            let wanted = offsets.get(at).copied().unwrap_or(high);
            let is_inside = (low..=high).contains(&wanted);
            (wanted, (!is_inside).then(|| format!("the log has the offsets {low} to {high}, not {wanted}")))
        }
    };
    PartitionPlan {
        group: group.to_owned(),
        topic: at.0.clone(),
        partition: at.1,
        from: committed,
        to,
        low,
        high,
        problem,
    }
}

/// Offsets for what isn't there, or what none of the groups reads.
fn unknown(offsets: &BTreeMap<At, i64>, readers: &Readers, counts: &BTreeMap<String, i32>) -> Vec<PartitionPlan> {
    let mut all = Vec::new();
    for ((topic, partition), to) in offsets {
        let problem = |group: &str, problem: String| PartitionPlan {
            group: group.to_owned(),
            topic: topic.clone(),
            partition: *partition,
            from: None,
            to: *to,
            low: 0,
            high: 0,
            problem: Some(problem),
        };
        let mut groups = readers.iter().filter(|(_, topics)| topics.contains(topic)).map(|(group, _)| group).peekable();
        if groups.peek().is_none() {
            all.push(problem("", format!("none of the groups reads the topic {topic}")));
        }
        all.extend(groups.filter_map(|group| match counts.get(topic) {
            None => Some(problem(group, format!("there is no topic {topic}"))),
            Some(count) if !(0..*count).contains(partition) => {
                Some(problem(group, format!("the topic {topic} has {count} partitions, counted from 0")))
            }
            Some(_) => None,
        }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers() -> Readers {
        [("g".to_owned(), ["orders".to_owned()].into())].into()
    }

    fn counts() -> BTreeMap<String, i32> {
        [("orders".to_owned(), 2)].into()
    }

    fn facts(at_time: Option<i64>) -> BTreeMap<(String, At), Facts> {
        let of = |committed| Facts { committed, low: 100, high: 200, at_time };
        let at = |partition| ("g".to_owned(), ("orders".to_owned(), partition));
        [(at(0), of(Some(150))), (at(1), of(None))].into()
    }

    fn to(target: &Target, at_time: Option<i64>) -> Vec<(i64, Option<i64>)> {
        let plan = plan(target, &readers(), &counts(), &facts(at_time));
        assert!(plan.iter().all(|plan| plan.problem.is_none()));
        plan.iter().map(|plan| (plan.to, plan.records())).collect()
    }

    fn offsets(of: &[(&str, i32, i64)]) -> Target {
        Target::Offsets(of.iter().map(|(topic, partition, to)| (((*topic).to_owned(), *partition), *to)).collect())
    }

    #[test]
    fn every_partition_goes_where_the_target_is() {
        assert_eq!(to(&Target::Earliest, None), [(100, Some(50)), (100, None)]);
        assert_eq!(to(&Target::Latest, None), [(200, Some(-50)), (200, None)]);
        assert_eq!(to(&Target::Time(5), Some(120)), [(120, Some(30)), (120, None)]);
        assert_eq!(to(&Target::Ago(5), None), [(200, Some(-50)), (200, None)], "no record is as young");
        assert_eq!(to(&Target::Time(5), Some(90)), [(100, Some(50)), (100, None)], "never outside the log");
    }

    #[test]
    fn only_partitions_that_are_named_move_to_offsets() {
        let target = offsets(&[("orders", 1, 170)]);
        let places = places(&target, &readers(), &counts());
        assert_eq!(places, [("g".to_owned(), ("orders".to_owned(), 1))].into());
        assert_eq!(super::places(&Target::Earliest, &readers(), &counts()).len(), 2);
    }

    #[test]
    fn offsets_that_are_nowhere_are_problems_that_say_why() {
        let target = offsets(&[("orders", 0, 99), ("orders", 1, 200), ("orders", 2, 0), ("users", 0, 0)]);
        let plan = Plan { time: None, partitions: plan(&target, &readers(), &counts(), &facts(None)) };
        let problems: Vec<_> = plan.problems().map(|plan| plan.problem.as_deref().unwrap()).collect();
        assert_eq!(
            problems,
            [
                "none of the groups reads the topic users",
                "the log has the offsets 100 to 200, not 99",
                "the topic orders has 2 partitions, counted from 0",
            ]
        );
        let gone = super::plan(&offsets(&[("orders", 0, 0)]), &readers(), &BTreeMap::new(), &BTreeMap::new());
        assert_eq!(gone[0].problem.as_deref(), Some("there is no topic orders"));
    }

    #[test]
    fn what_the_log_lost_already_does_not_come_again() {
        let plan = |from| PartitionPlan {
            group: "g".into(),
            topic: "orders".into(),
            partition: 0,
            from,
            to: 100,
            low: 100,
            high: 200,
            problem: None,
        };
        assert_eq!(plan(Some(20)).records(), Some(0));
        assert_eq!(plan(Some(500)).records(), Some(100));
        let all = Plan { time: None, partitions: vec![plan(Some(150)), plan(None), plan(Some(160))] };
        assert_eq!(all.records(), 110);
    }
}
