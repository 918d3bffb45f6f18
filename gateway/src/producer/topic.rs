//! What writes to one topic.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Producer, ProducerError, Settings, is_too_large, producer};
use crate::source::kafka::options::Client;

/// Between two attempts to make a new client.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// Where Kafka has a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// The partition that its key chose.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// Why Kafka doesn't say that it has a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The brokers, or the topic, take none so large.
    TooLarge,
    /// Not now: it may have it all the same.
    Unavailable,
}

/// Writes records of one topic, in the order of the calls, each once as far as the client goes.
#[derive(Clone)]
pub(crate) struct TopicWriter(Arc<Shared>);

struct Shared {
    client: Client,
    topic: String,
    settings: Settings,
    producer: ArcSwap<Producer>,
    /// When it was made anew last.
    renewed: Mutex<Option<Instant>>,
}

impl TopicWriter {
    /// Connects when the first record comes.
    pub(crate) fn new(client: Client, topic: &str, settings: Settings) -> Result<Self, ProducerError> {
        let producer = producer(&client, &settings)?;
        Ok(Self(Arc::new(Shared {
            client,
            topic: topic.to_owned(),
            settings,
            producer: ArcSwap::from_pointee(producer),
            renewed: Mutex::new(None),
        })))
    }

    /// Hands a record over, and tells later what became of it. Never waits by itself.
    pub(crate) fn send(
        &self,
        key: &str,
        headers: &[(&str, &[u8])],
        value: &[u8],
    ) -> Result<impl Future<Output = Result<Place, NotTaken>> + use<>, NotTaken> {
        let shared = self.0.clone();
        let all = headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |all, (name, value)| {
            all.insert(Header { key: name, value: Some(*value) })
        });
        let record = FutureRecord::<str, [u8]>::to(&shared.topic).key(key).payload(value).headers(all);
        let sent = shared.producer.load().send_result(record).map_err(|(error, _)| shared.judge(&error))?;
        Ok(async move {
            match sent.await {
                Ok(Ok(delivery)) => Ok(Place { partition: delivery.partition, offset: delivery.offset }),
                Ok(Err((error, _))) => Err(shared.judge(&error)),
                // The client ended before it knew.
                Err(_) => Err(NotTaken::Unavailable),
            }
        })
    }
}

impl Shared {
    fn judge(&self, error: &KafkaError) -> NotTaken {
        if is_too_large(error) {
            return NotTaken::TooLarge;
        }
        // An idempotent client that can't say any more what it has written is of no use (librdkafka, "Fatal errors").
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.renew();
        }
        tracing::warn!(topic = self.topic, %error, "failed to write to a topic");
        NotTaken::Unavailable
    }

    fn renew(&self) {
        let mut renewed = self.renewed.lock();
        if renewed.is_some_and(|last| last.elapsed() < RENEW_EVERY) {
            return;
        }
        *renewed = Some(Instant::now());
        match producer(&self.client, &self.settings) {
            Ok(fresh) => {
                tracing::warn!(topic = self.topic, "a producer had failed for good and was made anew");
                self.producer.store(Arc::new(fresh));
            }
            Err(error) => tracing::error!(%error, "failed to make a producer anew"),
        }
    }
}
