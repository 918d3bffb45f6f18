//! The producer.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use events_gateway_kafka_client::log::log;
use parking_lot::Mutex;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::{Options, Place};
use crate::source::kafka::oauth::{self, OAuth};
use crate::source::kafka::options::{Client, ForbiddenSetting};

/// Between two attempts to make a new client.
const RENEW_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
/// What a record takes in the client beyond its bytes, about; part of the bound on its queue.
const QUEUE_SLACK_KIB: usize = 8 << 10;

/// Why a publisher can't be made.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    /// A further client setting isn't allowed.
    #[error("failed to configure the publisher")]
    Setting(#[from] ForbiddenSetting),
    /// The client library refuses the configuration.
    #[error("failed to create the publisher")]
    Client(#[from] KafkaError),
}

/// Why Kafka doesn't say that it has a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The brokers, or the topic, take none so large.
    TooLarge,
    /// Not now: it may have it all the same.
    Unavailable,
}

struct Context {
    oauth: Option<OAuth>,
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the publisher");
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        oauth::token(self.oauth.as_ref())
    }
}

type Producer = FutureProducer<Context>;

/// Writes records of one topic, in the order of the calls, each once as far as the client goes.
pub(super) struct Kafka(Arc<Shared>);

struct Shared {
    client: Client,
    topic: String,
    queue_kib: usize,
    max_record_bytes: usize,
    timeout: std::time::Duration,
    producer: ArcSwap<Producer>,
    /// When it was made anew last.
    renewed: Mutex<Option<Instant>>,
}

impl Kafka {
    pub(super) fn new(client: Client, options: &Options) -> Result<Self, PublisherError> {
        client.check()?;
        let queue_kib = options.max_pending_bytes / 1024 + QUEUE_SLACK_KIB;
        let producer = producer(&client, queue_kib, options.max_record_bytes, options.timeout)?;
        Ok(Self(Arc::new(Shared {
            client,
            topic: options.topic.clone(),
            queue_kib,
            max_record_bytes: options.max_record_bytes,
            timeout: options.timeout,
            producer: ArcSwap::from_pointee(producer),
            renewed: Mutex::new(None),
        })))
    }

    /// Hands a record over, and tells later what became of it. Never waits by itself.
    pub(super) fn send(
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
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::MessageBatchTooLarge,
            ) => return NotTaken::TooLarge,
            // An idempotent client that can't say any more what it has written is of no use (librdkafka, "Fatal errors").
            Some(RDKafkaErrorCode::Fatal) => self.renew(),
            _ => {}
        }
        tracing::warn!(topic = self.topic, %error, "failed to publish");
        NotTaken::Unavailable
    }

    fn renew(&self) {
        let mut renewed = self.renewed.lock();
        if renewed.is_some_and(|last| last.elapsed() < RENEW_EVERY) {
            return;
        }
        *renewed = Some(Instant::now());
        match producer(&self.client, self.queue_kib, self.max_record_bytes, self.timeout) {
            Ok(fresh) => {
                tracing::warn!(topic = self.topic, "the publisher's client had failed for good and was made anew");
                self.producer.store(Arc::new(fresh));
            }
            Err(error) => tracing::error!(%error, "failed to make the publisher's client anew"),
        }
    }
}

/// A producer that loses and repeats nothing by itself.
fn producer(
    client: &Client,
    queue_kib: usize,
    max_record_bytes: usize,
    timeout: std::time::Duration,
) -> Result<Producer, KafkaError> {
    let mut config = client.config();
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // As Java's clients choose partitions, so that one key has one partition whoever produces.
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", timeout.as_millis().to_string())
        .set("queue.buffering.max.kbytes", queue_kib.to_string())
        .set("linger.ms", "1");
    if !client.further.contains_key("message.max.bytes") {
        // With room for what Kafka puts around a record.
        config.set("message.max.bytes", (max_record_bytes + (64 << 10)).to_string());
    }
    config.create_with_context(Context { oauth: client.oauth().cloned() })
}
