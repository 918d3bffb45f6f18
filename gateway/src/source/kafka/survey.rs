//! Asks the brokers for everything that decides where partitions go on. Blocking: for a thread of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::context::Context;
use super::native;
use crate::source::{Committed, SourceError, Start, Survey, TopicPartition};

/// Each request to the brokers.
const TIMEOUT: Duration = Duration::from_secs(10);

fn failed(call: &'static str) -> impl Fn(rdkafka::error::KafkaError) -> SourceError {
    move |error| SourceError::Failed {
        call,
        detail: error.to_string(),
    }
}

/// The identity of a topic. Empty on librdkafka's mock cluster, which names no controller and so can't be asked.
pub(super) fn topic_id(consumer: &BaseConsumer<Context>, topic: &str) -> Result<String, SourceError> {
    if native::cluster_id(consumer, TIMEOUT).starts_with("mockCluster") {
        return Ok(String::new());
    }
    let failed = |detail| SourceError::Failed {
        call: "identify a topic",
        detail,
    };
    native::topic_id(consumer, topic, TIMEOUT).map_err(failed)
}

/// What is known of each partition, in the order asked for.
pub(super) fn survey(
    consumer: &BaseConsumer<Context>,
    partitions: &[TopicPartition],
    start: Start,
) -> Result<Vec<Survey>, SourceError> {
    let cluster_id = native::cluster_id(consumer, TIMEOUT);
    let mut topics: BTreeMap<Arc<str>, (String, i32)> = BTreeMap::new();
    let mut wanted = TopicPartitionList::new();
    for at in partitions {
        if topics.contains_key(&at.topic) {
            continue;
        }
        let metadata = consumer
            .fetch_metadata(Some(&at.topic), TIMEOUT)
            .map_err(failed("fetch a topic's metadata"))?;
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        for partition in 0..count {
            wanted.add_partition(&at.topic, partition);
        }
        topics.insert(at.topic.clone(), (topic_id(consumer, &at.topic)?, count));
    }
    let answered = consumer
        .committed_offsets(wanted, TIMEOUT)
        .map_err(failed("fetch committed offsets"))?;
    let texts = native::metadata(&answered);
    let mut committed: BTreeMap<TopicPartition, Committed> = BTreeMap::new();
    for (element, metadata) in answered.elements().iter().zip(texts) {
        element.error().map_err(failed("fetch committed offsets"))?;
        if let Offset::Offset(offset) = element.offset() {
            let at = TopicPartition::new(element.topic(), element.partition());
            committed.insert(
                at,
                Committed {
                    offset: u64::try_from(offset).unwrap_or(0),
                    metadata,
                },
            );
        }
    }
    let times = match start {
        Start::At(time) => {
            let mut list = TopicPartitionList::new();
            for at in partitions.iter().filter(|at| !committed.contains_key(*at)) {
                let time = Offset::Offset(i64::try_from(time.0).unwrap_or(i64::MAX));
                list.add_partition_offset(&at.topic, at.partition, time)
                    .map_err(failed("look up a time"))?;
            }
            if list.count() == 0 {
                list
            } else {
                consumer
                    .offsets_for_times(list, TIMEOUT)
                    .map_err(failed("look up a time"))?
            }
        }
        _ => TopicPartitionList::new(),
    };
    let mut surveys = Vec::with_capacity(partitions.len());
    for at in partitions {
        let (low, high) = consumer
            .fetch_watermarks(&at.topic, at.partition, TIMEOUT)
            .map_err(failed("fetch a log's start and end"))?;
        let (log_start, log_end) = (u64::try_from(low).unwrap_or(0), u64::try_from(high).unwrap_or(0));
        let start = match start {
            Start::Earliest => Some(log_start),
            Start::Latest => Some(log_end),
            Start::Error => None,
            Start::At(_) => match times
                .find_partition(&at.topic, at.partition)
                .map(|element| element.offset())
            {
                Some(Offset::Offset(offset)) => Some(u64::try_from(offset).unwrap_or(log_end)),
                _ => Some(log_end),
            },
        };
        let (topic_id, count) = topics.get(&at.topic).cloned().unwrap_or_default();
        let siblings = committed
            .iter()
            .filter(|(other, _)| other.topic == at.topic && *other != at);
        surveys.push(Survey {
            at: at.clone(),
            topic_id,
            cluster_id: cluster_id.clone(),
            partitions: count,
            committed: committed.get(at).cloned(),
            siblings: siblings.map(|(_, committed)| committed.metadata.clone()).collect(),
            log_start,
            log_end,
            start,
        });
    }
    Ok(surveys)
}
