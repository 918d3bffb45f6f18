//! Writes events to the in-process Kafka, each with a number, so that whoever watches can tell that none is missing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use events_gateway_core::Timestamp;
use events_gateway_core::envelope::{Decoder, MAX_ATTRIBUTES, MAX_ATTRIBUTES_BYTES, Rejection};
use events_gateway_core::record::Record;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::kafka::{Kafka, KafkaError, Produced};

/// The attribute that numbers what is published here: `RUN/NUMBER`, from 1 on without holes. `RUN` is this process' life.
pub const SEQUENCE_ATTRIBUTE: &str = "dev-sequence";

/// Publishes events of the default envelope to one topic.
#[derive(Debug)]
pub struct Publisher {
    kafka: Kafka,
    topic: String,
    decoder: Decoder,
    max_record_bytes: usize,
    run: String,
    numbered: AtomicU64,
    failed: AtomicU64,
}

/// An event that Kafka has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Where its record stands.
    #[serde(flatten)]
    pub produced: Produced,
    /// Its number.
    pub sequence: u64,
}

/// Why an event wasn't published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The gateway would not deliver it. The reason names the field.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It uses what only this publisher may set.
    #[error("attributes: {0}")]
    Attributes(String),
    /// Kafka didn't take it.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

impl Publisher {
    /// Publishes to `topic`. `max_record_bytes` is the bound of the binding that reads it.
    #[must_use]
    pub fn new(kafka: Kafka, topic: &str, max_record_bytes: usize) -> Self {
        Self {
            kafka,
            topic: topic.to_owned(),
            decoder: Decoder::build(&[], max_record_bytes).expect("without routes there is nothing to refuse"),
            max_record_bytes,
            run: format!("{:08x}", rand::random::<u32>()),
            numbered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Where to.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The cluster that it publishes to.
    #[must_use]
    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// Tells the lives of this process apart: sequences of two runs are not compared.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The highest number given; its record may still be on its way.
    #[must_use]
    pub fn numbered(&self) -> u64 {
        self.numbered.load(Ordering::Relaxed)
    }

    /// How many numbered events Kafka didn't confirm: they may be missing.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Publishes one event: the gateway's JSON envelope, proven as the gateway will prove it. Everything in it stays as it
    /// was written; the attribute [`SEQUENCE_ATTRIBUTE`] is added. The record's key is the event's, else its first channel.
    pub async fn publish(&self, envelope: &[u8]) -> Result<Published, PublishError> {
        let record = Record {
            topic: &self.topic,
            partition: 0,
            offset: 0,
            time: Timestamp(0),
            key: None,
            headers: &[],
            value: Some(envelope),
        };
        let proven = self.decoder.decode(&record)?;
        let key = proven.key.as_deref().unwrap_or_else(|| proven.channels[0].as_str()).to_owned();
        self.check_room(&proven.attributes, envelope.len() + key.len())?;

        // From here on nothing but Kafka can fail, so that a number without its event is a failure of Kafka's.
        let sequence = self.numbered.fetch_add(1, Ordering::Relaxed) + 1;
        let mut attributes = proven.attributes;
        attributes.insert(SEQUENCE_ATTRIBUTE.to_owned(), format!("{}/{sequence}", self.run));
        let attributes = to_raw_value(&attributes).expect("a map of texts always encodes");
        let mut members: BTreeMap<Cow<'_, str>, &RawValue> =
            serde_json::from_slice(envelope).expect("the decoder has read it as a JSON object");
        members.insert(Cow::Borrowed("attributes"), &attributes);
        let value = serde_json::to_vec(&members).expect("raw JSON always encodes");
        match self.kafka.produce(&self.topic, Some(&key), &[], &value).await {
            Ok(produced) => Ok(Published { produced, sequence }),
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                Err(error.into())
            }
        }
    }

    fn check_room(&self, attributes: &BTreeMap<String, String>, bytes: usize) -> Result<(), PublishError> {
        /// More than the attribute takes in the record: a name, a run, a number and their punctuation.
        const OWN: usize = 512;
        let refuse = |problem: String| Err(PublishError::Attributes(problem));
        if attributes.contains_key(SEQUENCE_ATTRIBUTE) {
            return refuse(format!("\"{SEQUENCE_ATTRIBUTE}\" is set by this page"));
        }
        if attributes.len() >= MAX_ATTRIBUTES {
            return refuse(format!("at most {}, and one is added here", MAX_ATTRIBUTES - 1));
        }
        let used: usize = attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        if used + OWN > MAX_ATTRIBUTES_BYTES {
            return refuse(format!("at most {} bytes of names and values", MAX_ATTRIBUTES_BYTES - OWN));
        }
        if bytes + used + OWN > self.max_record_bytes {
            return refuse(format!(
                "the record has {} bytes; at most {} are taken",
                bytes + used + OWN,
                self.max_record_bytes
            ));
        }
        Ok(())
    }
}
