//! Groups begin elsewhere: their committed offsets are set by hand.
//!
//! The gateway keeps what it calls a generation in the metadata beside every offset that it commits, and skips records of a
//! generation that it has already handled. Offsets are set here without metadata: to the gateway that is a new generation, so
//! what is read again is delivered again, not taken for repeats. Both group protocols can be reset, only while a group has no
//! members.

mod apply;
mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

pub use apply::{Change, Outcome};
pub use plan::{PartitionPlan, Plan};

use crate::cluster::{Cluster, Session};
use crate::error::{KafkaError, listed};
use crate::lag::Readers;
use crate::native::{self, Edge};
use plan::Facts;

/// Where groups begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// At the oldest record of each partition.
    Earliest,
    /// After the newest record of each partition.
    Latest,
    /// At the first record that isn't older than this, ms since 1970 UTC; after the newest where there is none.
    Time(i64),
    /// As [`Self::Time`], so many ms before now. What is planned says which time that was.
    Ago(i64),
    /// At these offsets, by topic and partition. Partitions that aren't named stay where they are.
    Offsets(BTreeMap<(String, i32), i64>),
}

impl Target {
    /// The time that is meant, if one is, `now` being ms since 1970 UTC.
    fn time(&self, now: i64) -> Option<i64> {
        match self {
            Self::Time(time) => Some(*time),
            Self::Ago(ago) => Some(now.saturating_sub(*ago)),
            Self::Earliest | Self::Latest | Self::Offsets(_) => None,
        }
    }
}

impl Cluster {
    /// Finds out where each partition of what these groups read would begin. Writes nothing, and doesn't mind members.
    ///
    /// # Errors
    /// [`KafkaError::NotFound`] when a topic isn't there (with [`Target::Offsets`] that is a problem of its partitions); else
    /// as usual. A partition whose log can't be asked fails the whole plan: half a reset is none.
    pub async fn plan_reset(&self, readers: Readers, target: Target) -> Result<Plan, KafkaError> {
        let names: Vec<&String> = readers.keys().collect();
        let act = format!("plan the offsets of the groups {}", listed(&names));
        self.call(&act, move |session| find_out(session, &readers, &target)).await
    }
}

fn find_out(session: &Session, readers: &Readers, target: &Target) -> Result<Plan, KafkaError> {
    let failed = |fault| session.error(fault);
    let time = target.time(now());
    let topics: BTreeSet<String> = readers.values().flatten().cloned().collect();
    let mut counts = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, topic) in native::describe_topics(session, &topics).map_err(failed)? {
        match topic.map_err(failed)? {
            Some(topic) => {
                counts.insert(name, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX));
            }
            None => missing.push(name),
        }
    }
    if !missing.is_empty() && !matches!(target, Target::Offsets(_)) {
        let reason = format!("there is no topic {}", listed(&missing));
        return Err(KafkaError::NotFound { act: session.act().to_owned(), reason });
    }
    let places = plan::places(target, readers, &counts);
    let all: Vec<(String, i32)> =
        places.iter().map(|(_, at)| at.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let edge = |edge| -> Result<BTreeMap<(String, i32), Option<i64>>, KafkaError> {
        let each = native::list_offsets(session, &all, edge).map_err(failed)?;
        each.into_iter().map(|(at, offset)| Ok((at, offset.map_err(failed)?))).collect()
    };
    let (starts, ends) = (edge(Edge::Start)?, edge(Edge::End)?);
    let times = time.map(|time| edge(Edge::Time(time))).transpose()?.unwrap_or_default();
    let mut facts = BTreeMap::new();
    for group in readers.keys() {
        let mine: Vec<_> = places.iter().filter(|(of, _)| of == group).map(|(_, at)| at.clone()).collect();
        for (at, committed) in native::committed(session, group, &mine).map_err(failed)? {
            let committed = committed.map_err(failed)?.map(|committed| committed.offset);
            let known = |offsets: &BTreeMap<_, Option<i64>>| offsets.get(&at).copied().flatten();
            let facts_of = Facts {
                committed,
                low: known(&starts).unwrap_or(0),
                high: known(&ends).unwrap_or(0),
                at_time: known(&times),
            };
            facts.insert((group.clone(), at), facts_of);
        }
    }
    Ok(Plan { time, partitions: plan::plan(target, readers, &counts, &facts) })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
