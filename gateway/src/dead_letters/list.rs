//! `events-gateway dead-letters list`: what lies in the dead-letter topic. Blocking: for a thread of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use events_gateway_core::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value as Json;

use super::headers::{self, Epitaph};
use crate::producer::ProducerError;
use crate::source::kafka::options::Client;
use crate::source::kafka::reader;
use crate::source::{OwnedRecord, TopicPartition};

/// Each request to the brokers, and the longest time without a record.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Which letters are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this reason.
    pub reason: Option<String>,
    /// Only written at this time or later.
    pub since: Option<Timestamp>,
    /// Only written before this time.
    pub until: Option<Timestamp>,
    /// Only these: partition and offset in the dead-letter topic. Empty: all.
    pub only: Vec<(i32, u64)>,
    /// Also records that no gateway wrote.
    pub any: bool,
    /// At most so many; `None` for 10,000.
    pub limit: Option<usize>,
}

impl Filter {
    fn wants(&self, at: &TopicPartition, record: &OwnedRecord, epitaph: Option<&Epitaph>) -> bool {
        (self.any || epitaph.is_some())
            && self.reason.as_ref().is_none_or(|reason| epitaph.is_some_and(|epitaph| epitaph.reason == *reason))
            && self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
            && (self.only.is_empty() || self.only.contains(&(at.partition, record.offset)))
    }
}

/// A letter with the record in it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where in the dead-letter topic.
    pub at: TopicPartition,
    /// The record with all headers.
    pub record: OwnedRecord,
    /// What it says; `None` if no gateway wrote it.
    pub epitaph: Option<Epitaph>,
}

impl Found {
    /// Whether its value was too large to be kept.
    #[must_use]
    pub fn value_dropped(&self) -> bool {
        self.epitaph.as_ref().is_some_and(|epitaph| epitaph.value_dropped)
    }
}

/// Why letters can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The client can't be made.
    #[error(transparent)]
    Client(#[from] ProducerError),
    /// The brokers refused, or didn't answer in time.
    #[error("failed to read the dead-letter topic")]
    Read(#[from] KafkaError),
    /// Records that should be there didn't come in time.
    #[error("failed to read the dead-letter topic to its end in time")]
    Incomplete,
}

/// Reads a topic from its start to what is its end now. In order within each partition.
pub fn list(client: &Client, topic: &str, filter: &Filter) -> Result<Vec<Found>, ListError> {
    client.check().map_err(ProducerError::from)?;
    let mut config = client.config();
    // A name is demanded; nothing is joined or committed.
    config
        .set("group.id", "events-gateway-dead-letters")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer<reader::Context> = config.create_with_context(reader::Context::new(client))?;
    if client.oauth().is_some() {
        // Tokens are fetched by a callback of the poll; without one, nothing else gets an answer. There is no message yet.
        drop(consumer.poll(Duration::ZERO));
    }
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    let mut list = TopicPartitionList::new();
    let mut ends = BTreeMap::new();
    for partition in metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions) {
        let (start, end) = consumer.fetch_watermarks(topic, partition.id(), TIMEOUT)?;
        if start < end {
            list.add_partition_offset(topic, partition.id(), Offset::Offset(start))?;
            ends.insert(partition.id(), end);
        }
    }
    let most = filter.limit.unwrap_or(10_000);
    let mut found = Vec::new();
    if list.count() > 0 {
        consumer.assign(&list)?;
    }
    let mut patience = Instant::now() + TIMEOUT;
    while !ends.is_empty() && found.len() < most {
        if Instant::now() > patience {
            return Err(ListError::Incomplete);
        }
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            patience = Instant::now() + TIMEOUT;
            let (at, record) = reader::copied(&message?);
            if ends.contains_key(&at.partition) {
                let epitaph = record.lend(&at, Epitaph::read);
                if filter.wants(&at, &record, epitaph.as_ref()) {
                    found.push(Found { at, record, epitaph });
                }
            }
        }
        // What transactions leave at the end holds no record: the position tells that it was passed.
        for element in consumer.position()?.elements() {
            if matches!(element.offset(), Offset::Offset(next) if ends.get(&element.partition()).is_some_and(|end| next >= *end))
            {
                ends.remove(&element.partition());
            }
        }
    }
    Ok(found)
}

/// A line a letter, for people.
#[must_use]
pub fn table(found: &[Found]) -> String {
    let mut table = format!("{:<12} {:<14} {:<32} {:<24} {}\n", "LETTER", "REASON", "RECORD", "OWED", "DETAIL");
    for epitaph in found.iter().filter_map(|found| found.epitaph.as_ref()) {
        let letter = format!("{}/{}", epitaph.letter.0, epitaph.letter.1);
        let record = format!("{}/{}/{}", epitaph.from.0, epitaph.from.1, epitaph.from.2);
        let owed = if epitaph.owed.is_empty() { "-".to_owned() } else { epitaph.owed.join(",") };
        // What was in a record may not move the cursor of who reads the list.
        let line = format!("{letter:<12} {:<14} {record:<32} {owed:<24} {}", epitaph.reason, epitaph.detail);
        let line: String = line.chars().map(|one| if one.is_control() { '\u{FFFD}' } else { one }).collect();
        let _ = writeln!(table, "{line}");
    }
    table
}

/// A letter as one JSON object: what it says, then the record in it. Key, value and the values of headers are text, or where
/// they aren't UTF-8 `{"base64": "…"}`.
#[derive(serde::Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    epitaph: &'a Epitaph,
    key: Json,
    headers: serde_json::Map<String, Json>,
    value: Json,
}

fn json(bytes: Option<&[u8]>) -> Json {
    let Some(bytes) = bytes else { return Json::Null };
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => serde_json::json!({ "base64": STANDARD.encode(bytes) }),
    }
}

/// A JSON object a line, with key, headers (the gateway's own are told by the other fields) and value.
#[must_use]
pub fn json_lines(found: &[Found]) -> String {
    let lines = found.iter().filter_map(|found| {
        let record = &found.record;
        let headers = record.headers().filter(|(name, _)| !headers::is_ours(name));
        let line = Line {
            epitaph: found.epitaph.as_ref()?,
            key: json(record.key()),
            headers: headers.map(|(name, value)| (name.to_owned(), json(value))).collect(),
            value: json(record.value()),
        };
        serde_json::to_string(&line).ok()
    });
    lines.fold(String::new(), |all, line| all + &line + "\n")
}
