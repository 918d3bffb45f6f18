//! Topics are created and grown.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;

use super::Plan;
use crate::cluster::{Cluster, Session};
use crate::error::{Fault, KafkaError, listed};
use crate::native;

/// How long brokers may take to learn of new partitions.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);

/// What became of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicOutcome {
    /// The topic.
    pub topic: String,
    /// What was done, or was done already by somebody else in the meantime.
    pub result: Result<Change, KafkaError>,
}

/// What was done to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was created.
    Created,
    /// Its partitions were added.
    Grown,
    /// Somebody else was faster.
    AlreadyDone,
}

impl Cluster {
    /// Does what is planned. A topic that somebody else creates or grows meanwhile is a success. Adding partitions moves keys
    /// to other ones: records of one key that were produced before and after may be read out of order.
    ///
    /// # Errors
    /// Of the whole call when the cluster can't be reached; of a topic when the brokers refuse.
    pub async fn apply_topics(&self, plan: Plan) -> Result<Vec<TopicOutcome>, KafkaError> {
        let names: Vec<&String> = plan.create.keys().chain(plan.grow.keys()).collect();
        let act = format!("create or grow the topics {}", listed(&names));
        self.call(&act, move |session| apply(session, &plan)).await
    }
}

fn apply(session: &Session, plan: &Plan) -> Result<Vec<TopicOutcome>, KafkaError> {
    let failed = |fault| session.error(fault);
    let mut outcomes = Vec::new();
    for (topic, result) in native::create(session, &plan.create).map_err(failed)? {
        let result = match result {
            Ok(()) => Ok(Change::Created),
            Err(Fault { code: Code::TopicAlreadyExists, .. }) => Ok(Change::AlreadyDone),
            Err(fault) => Err(session.error_of(&format!("create the topic {topic} at {}", session.bootstrap()), fault)),
        };
        outcomes.push(TopicOutcome { topic, result });
    }
    for (topic, result) in native::grow(session, &plan.grow).map_err(failed)? {
        let wanted = plan.grow.get(&topic).copied().unwrap_or(0);
        let result = match result {
            Ok(()) => Ok(Change::Grown),
            // Also the answer when there are as many already.
            Err(fault) if fault.code == Code::InvalidPartitions && has(session, &topic, wanted) => {
                Ok(Change::AlreadyDone)
            }
            Err(fault) => {
                let act = format!("add partitions to the topic {topic} at {}", session.bootstrap());
                Err(session.error_of(&act, fault))
            }
        };
        outcomes.push(TopicOutcome { topic, result });
    }
    Ok(outcomes)
}

/// Whether a topic has as many partitions. Brokers learn of what the controller has done a little later.
fn has(session: &Session, topic: &str, wanted: i32) -> bool {
    let known_by = Instant::now() + KNOWN_WITHIN;
    loop {
        if is_described_with(session, topic, wanted) {
            return true;
        }
        if Instant::now() >= known_by || session.remains().is_none() || session.hopeless().is_some() {
            return false;
        }
        // A thread for blocking calls.
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_described_with(session: &Session, topic: &str, wanted: i32) -> bool {
    let described = native::describe_topics(session, &BTreeSet::from([topic.to_owned()]));
    let mut topics = described
        .into_iter()
        .flat_map(std::collections::BTreeMap::into_values)
        .filter_map(|topic| topic.ok().flatten());
    topics.any(|topic| usize::try_from(wanted).is_ok_and(|wanted| topic.partitions.len() >= wanted))
}
