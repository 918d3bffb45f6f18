//! Offsets are set as planned.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::error::RDKafkaErrorCode as Code;

use super::{PartitionPlan, Plan};
use crate::cluster::{Cluster, Session};
use crate::error::{Fault, KafkaError, listed};
use crate::group::{self, Member};
use crate::native::{self, Committed};

/// What became of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// What was done, or why nothing was.
    pub result: Result<Change, KafkaError>,
}

/// What was done to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The offset was set.
    Set,
    /// It was there already: the group stood there when it was planned, or this was done before.
    AlreadyThere,
}

type At = (String, i32);

impl Cluster {
    /// Sets the offsets of a plan, without metadata. Can be repeated: what is set already isn't written again. Partitions with
    /// a problem are left alone and aren't among the outcomes.
    ///
    /// # Errors
    /// [`KafkaError::InUse`], naming members, when one of the groups has any: nothing is set then. Of a single partition when
    /// the brokers refuse it; so do they all when a member comes in between.
    pub async fn apply_reset(&self, plan: Plan) -> Result<Vec<Outcome>, KafkaError> {
        let names: Vec<String> = groups(&plan).into_iter().collect();
        let act = format!("set the offsets of the groups {}", listed(&names));
        self.call(&act, move |session| apply(session, &plan, &names)).await
    }
}

fn feasible(plan: &Plan) -> impl Iterator<Item = &PartitionPlan> {
    plan.partitions.iter().filter(|plan| plan.problem.is_none())
}

fn groups(plan: &Plan) -> BTreeSet<String> {
    feasible(plan).map(|plan| plan.group.clone()).collect()
}

fn apply(session: &Session, plan: &Plan, groups: &[String]) -> Result<Vec<Outcome>, KafkaError> {
    for (name, group) in group::describe(session, groups)? {
        let group = group?;
        if !group.is_empty() {
            let members = group.members.iter().map(Member::to_string).collect();
            return Err(KafkaError::InUse { act: session.act().to_owned(), group: name, members });
        }
    }
    let mut outcomes = Vec::new();
    for group in groups {
        let mine: Vec<&PartitionPlan> = feasible(plan).filter(|plan| plan.group == *group).collect();
        let act = format!("set the offsets of the group {group} at {}", session.bootstrap());
        let of_group = set(session, group, &act, &mine);
        outcomes.extend(mine.iter().map(|plan| {
            let at = (plan.topic.clone(), plan.partition);
            let result = match &of_group {
                Ok(results) => results.get(&at).cloned().unwrap_or_else(|| {
                    Err(KafkaError::Refused { act: act.clone(), reason: "the brokers told nothing".to_owned() })
                }),
                Err(error) => Err(error.clone()),
            };
            Outcome { group: group.clone(), topic: at.0, partition: at.1, result }
        }));
    }
    Ok(outcomes)
}

fn set(
    session: &Session,
    group: &str,
    act: &str,
    plans: &[&PartitionPlan],
) -> Result<BTreeMap<At, Result<Change, KafkaError>>, KafkaError> {
    let failed = |fault| session.error_of(act, fault);
    let at = |plan: &PartitionPlan| (plan.topic.clone(), plan.partition);
    let all: Vec<At> = plans.iter().map(|plan| at(plan)).collect();
    let committed = native::committed(session, group, &all).map_err(failed)?;
    let mut results = BTreeMap::new();
    let mut due = BTreeMap::new();
    for plan in plans {
        match committed.get(&at(plan)) {
            Some(Err(fault)) => {
                results.insert(at(plan), Err(failed(fault.clone())));
            }
            Some(Ok(Some(is))) if is_done(plan, *is) => {
                results.insert(at(plan), Ok(Change::AlreadyThere));
            }
            _ => {
                due.insert(at(plan), plan.to);
            }
        }
    }
    for (at, result) in native::alter(session, group, &due).map_err(failed)? {
        let act = format!("set the offset of {}/{} for the group {group} at {}", at.0, at.1, session.bootstrap());
        let result = result.map(|()| Change::Set).map_err(|fault| match fault.code {
            // What brokers answer to who isn't a member, while there are some.
            Code::UnknownMemberId | Code::NonEmptyGroup | Code::StaleMemberEpoch | Code::IllegalGeneration => {
                let text = format!("the group has got members meanwhile ({})", fault.text);
                session.error_of(&act, Fault { code: Code::NonEmptyGroup, text })
            }
            _ => session.error_of(&act, fault),
        });
        results.insert(at, result);
    }
    Ok(results)
}

/// Whether a committed offset is what was planned. An offset with metadata was committed by the group itself: only where it
/// stood there from the beginning is there nothing to do; otherwise it has read on from what was set, and begins again.
fn is_done(plan: &PartitionPlan, is: Committed) -> bool {
    is.offset == plan.to && (!is.has_metadata || plan.from == Some(plan.to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(from: Option<i64>, to: i64) -> PartitionPlan {
        PartitionPlan {
            group: "g".into(),
            topic: "orders".into(),
            partition: 0,
            from,
            to,
            low: 0,
            high: 9,
            problem: None,
        }
    }

    fn is(offset: i64, has_metadata: bool) -> Committed {
        Committed { offset, has_metadata }
    }

    #[test]
    fn what_was_set_is_not_set_again_and_what_the_group_committed_meanwhile_is() {
        assert!(!is_done(&plan(Some(7), 3), is(7, true)));
        assert!(is_done(&plan(Some(7), 3), is(3, false)), "set before");
        assert!(!is_done(&plan(Some(7), 3), is(3, true)), "it began there, and may have gone on");
        assert!(is_done(&plan(Some(3), 3), is(3, true)), "it stood there");
        assert!(!is_done(&plan(None, 3), is(4, false)));
    }
}
