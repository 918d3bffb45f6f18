//! The Kafka producer of everything that the gateway writes: publications, dead letters, revocations.

pub mod topic;

use std::time::Duration;

use events_gateway_kafka_client::log::log;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::FutureProducer;

use crate::source::kafka::oauth::{self, OAuth};
use crate::source::kafka::options::{Client, ForbiddenSetting};

/// Why a producer can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// A further client setting isn't allowed.
    #[error("failed to configure the Kafka producer")]
    Setting(#[from] ForbiddenSetting),
    /// The client library refuses the configuration.
    #[error("failed to create the Kafka producer")]
    Client(#[from] KafkaError),
}

/// What one producer is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Whose it is, for its log.
    pub(crate) whose: &'static str,
    /// How long one record may take, the client's own retries included.
    pub(crate) timeout: Duration,
    /// Most that waits in the client, KiB.
    pub(crate) queue_kib: usize,
    /// Largest record that the client takes, in bytes; one that the configuration names as a further setting wins.
    pub(crate) max_record_bytes: usize,
    /// How long records wait for others to go with them.
    pub(crate) linger: Duration,
}

pub(crate) struct Context {
    whose: &'static str,
    oauth: Option<OAuth>,
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, producer = self.whose, "a producer");
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        oauth::token(self.oauth.as_ref())
    }
}

pub(crate) type Producer = FutureProducer<Context>;

/// A producer that loses and repeats nothing by itself. It connects when the first record comes.
pub(crate) fn producer(client: &Client, settings: &Settings) -> Result<Producer, ProducerError> {
    client.check()?;
    let mut config = client.config();
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        // As Java's clients choose partitions, so that one key has one partition whoever produces.
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", settings.timeout.as_millis().to_string())
        .set("queue.buffering.max.kbytes", settings.queue_kib.to_string())
        .set("linger.ms", settings.linger.as_millis().to_string());
    if !client.further.contains_key("message.max.bytes") {
        config.set("message.max.bytes", settings.max_record_bytes.to_string());
    }
    let context = Context { whose: settings.whose, oauth: client.oauth().cloned() };
    Ok(config.create_with_context(context)?)
}

/// Whether the client, the brokers or the topic take no record so large.
pub(crate) fn is_too_large(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::MessageBatchTooLarge
        )
    )
}
