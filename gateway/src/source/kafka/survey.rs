//! Asks the brokers for everything that decides where partitions go on. Blocking: for a thread of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::context::Context;
use super::native;
use crate::source::{Committed, SourceError, Start, Survey, TopicPartition};

/// Each request to the brokers.
const TIMEOUT: Duration = Duration::from_secs(10);

fn failed(call: &'static str) -> impl Fn(rdkafka::error::KafkaError) -> SourceError {
    move |error| SourceError::Failed { call, detail: error.to_string() }
}

/// The cluster's id. Not to be told is a failure: taken for an id, it would make every partition look created anew.
fn cluster_id(consumer: &BaseConsumer<Context>) -> Result<String, SourceError> {
    native::cluster_id(consumer, TIMEOUT).ok_or_else(|| SourceError::Failed {
        call: "identify the cluster",
        detail: "no broker told its id in time".into(),
    })
}

/// The identity of a topic. Empty on librdkafka's mock cluster, which names no controller and so can't be asked.
pub(super) fn topic_id(consumer: &BaseConsumer<Context>, topic: &str) -> Result<String, SourceError> {
    if cluster_id(consumer)?.starts_with("mockCluster") {
        return Ok(String::new());
    }
    let failed = |detail| SourceError::Failed { call: "identify a topic", detail };
    native::topic_id(consumer, topic, TIMEOUT).map_err(failed)
}

type Offsets = BTreeMap<TopicPartition, u64>;
/// By topic: how many partitions it has.
type Counts = BTreeMap<Arc<str>, i32>;
/// What is committed for which partitions.
type Commits = BTreeMap<TopicPartition, Committed>;

/// One offset of each partition, all in one request to each leader: the first at or after a time, or what Kafka takes such
/// numbers for (-2: the start, -1: the end; KIP-79). Partitions without such an offset are left out.
fn offsets<'a>(
    consumer: &BaseConsumer<Context>,
    partitions: impl IntoIterator<Item = &'a TopicPartition>,
    of: Offset,
    call: &'static str,
) -> Result<Offsets, SourceError> {
    let mut list = TopicPartitionList::new();
    for at in partitions {
        list.add_partition_offset(&at.topic, at.partition, of).map_err(failed(call))?;
    }
    if list.count() == 0 {
        return Ok(Offsets::new());
    }
    let answered = consumer.offsets_for_times(list, TIMEOUT).map_err(failed(call))?;
    let mut offsets = Offsets::new();
    for element in answered.elements() {
        element.error().map_err(failed(call))?;
        if let Offset::Offset(offset) = element.offset() {
            let at = TopicPartition::new(element.topic(), element.partition());
            offsets.insert(at, u64::try_from(offset).unwrap_or(0));
        }
    }
    Ok(offsets)
}

/// How many partitions each topic has, and what is committed for all of them.
fn committed(consumer: &BaseConsumer<Context>, topics: &BTreeSet<Arc<str>>) -> Result<(Counts, Commits), SourceError> {
    let mut counts = Counts::new();
    let mut wanted = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).map_err(failed("fetch a topic's metadata"))?;
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        for partition in 0..count {
            wanted.add_partition(topic, partition);
        }
        counts.insert(topic.clone(), count);
    }
    let failed = failed("fetch committed offsets");
    let answered = consumer.committed_offsets(wanted, TIMEOUT).map_err(&failed)?;
    let texts = native::metadata(&answered);
    let mut committed = Commits::new();
    for (element, metadata) in answered.elements().iter().zip(texts) {
        element.error().map_err(&failed)?;
        if let Offset::Offset(offset) = element.offset() {
            let at = TopicPartition::new(element.topic(), element.partition());
            let offset = u64::try_from(offset).unwrap_or(0);
            committed.insert(at, Committed { offset, metadata });
        }
    }
    Ok((counts, committed))
}

/// What is known of each partition, in the order asked for.
///
/// A broker answers the requests of one connection one after the other, and each may stand behind a fetch that waits for
/// records. So everything is asked for at once, and of all partitions together: otherwise that wait is paid for each
/// request, and a group that is handed fifty partitions rests for half a minute.
pub(super) fn survey(
    consumer: &BaseConsumer<Context>,
    partitions: &[TopicPartition],
    start: Start,
) -> Result<Vec<Survey>, SourceError> {
    const ENDS: &str = "fetch a log's start and end";
    let cluster_id = cluster_id(consumer)?;
    let topics: BTreeSet<Arc<str>> = partitions.iter().map(|at| at.topic.clone()).collect();
    let (ids, starts, ends, committed) = std::thread::scope(|scope| {
        let starts = scope.spawn(|| offsets(consumer, partitions, Offset::Beginning, ENDS));
        let ends = scope.spawn(|| offsets(consumer, partitions, Offset::End, ENDS));
        let ids = scope.spawn(|| {
            let identify = |topic: &Arc<str>| Ok((topic.clone(), topic_id(consumer, topic)?));
            topics.iter().map(identify).collect::<Result<BTreeMap<_, _>, SourceError>>()
        });
        let committed = committed(consumer, &topics);
        (joined(ids), joined(starts), joined(ends), committed)
    });
    let (ids, starts, ends, (counts, committed)) = (ids?, starts?, ends?, committed?);
    let times = match start {
        Start::At(time) => {
            let new = partitions.iter().filter(|at| !committed.contains_key(*at));
            offsets(consumer, new, Offset::Offset(i64::try_from(time.0).unwrap_or(i64::MAX)), "look up a time")?
        }
        _ => Offsets::new(),
    };
    let unknown = |at: &TopicPartition| SourceError::Failed { call: ENDS, detail: format!("nothing is known of {at}") };
    let survey = |at: &TopicPartition| {
        let log_start = *starts.get(at).ok_or_else(|| unknown(at))?;
        let log_end = *ends.get(at).ok_or_else(|| unknown(at))?;
        let siblings = committed.iter().filter(|(other, _)| other.topic == at.topic && *other != at);
        Ok(Survey {
            at: at.clone(),
            topic_id: ids.get(&at.topic).cloned().unwrap_or_default(),
            cluster_id: cluster_id.clone(),
            partitions: counts.get(&at.topic).copied().unwrap_or_default(),
            committed: committed.get(at).cloned(),
            siblings: siblings.map(|(_, committed)| committed.metadata.clone()).collect(),
            log_start,
            log_end,
            start: match start {
                Start::Earliest => Some(log_start),
                Start::Latest => Some(log_end),
                Start::Error => None,
                Start::At(_) => Some(times.get(at).copied().unwrap_or(log_end)),
            },
        })
    };
    partitions.iter().map(survey).collect()
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, SourceError>>) -> Result<T, SourceError> {
    thread
        .join()
        .unwrap_or_else(|_| Err(SourceError::Failed { call: "ask the brokers", detail: "a thread panicked".into() }))
}
