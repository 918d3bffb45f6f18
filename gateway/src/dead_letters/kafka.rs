//! Dead letters in a Kafka topic, and redriven records back to theirs.

use std::time::Duration;

use async_trait::async_trait;
use events_gateway_kafka_client::log::log;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::time::{Instant, sleep};

use super::{Buried, DeadLetter, DeadLetters, Silent, headers};
use crate::source::kafka::oauth::{self, OAuth};
use crate::source::kafka::options::{Client, ForbiddenSetting};

/// How long a refusal that may pass is retried (design, section 4).
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two attempts; the client library retries within each.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// One attempt, the client's own retries included.
const ATTEMPT: Duration = Duration::from_secs(30);
/// Largest letter that the client takes: the largest record that may be read (64 MiB) and the headers around it. The
/// library's own bound, 1 MB, would cost larger ones their value although the brokers take them: they are to decide.
const MOST_BYTES: u64 = (64 << 20) + (1 << 20);
/// Most that waits in the client, KiB: one of the largest must fit.
const QUEUE_KIB: u64 = MOST_BYTES / 1024 + (32 << 10);

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

pub(super) struct Context {
    oauth: Option<OAuth>,
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the dead letters' producer");
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        oauth::token(self.oauth.as_ref())
    }
}

pub(super) type Producer = FutureProducer<Context>;

/// A producer that loses and repeats nothing.
pub(super) fn producer(client: &Client) -> Result<Producer, ProducerError> {
    client.check()?;
    let mut config = client.config();
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", ATTEMPT.as_millis().to_string())
        .set("queue.buffering.max.kbytes", QUEUE_KIB.to_string())
        .set("linger.ms", "5");
    if !client.further.contains_key("message.max.bytes") {
        config.set("message.max.bytes", MOST_BYTES.to_string());
    }
    Ok(config.create_with_context(Context { oauth: client.oauth().cloned() })?)
}

/// Writes dead letters to a topic.
pub struct KafkaDeadLetters {
    producer: Producer,
    topic: String,
    patience: Duration,
    silent: Silent,
}

impl KafkaDeadLetters {
    /// Connects when the first letter comes.
    pub fn new(client: &Client, topic: &str) -> Result<Self, ProducerError> {
        Ok(Self { producer: producer(client)?, topic: topic.into(), patience: PATIENCE, silent: Silent::default() })
    }

    async fn write(&self, letter: &DeadLetter, with_value: bool) -> Result<(), KafkaError> {
        let mut all = OwnedHeaders::new();
        for (key, value) in headers::of(letter) {
            all = all.insert(Header { key, value: Some(&value) });
        }
        if !with_value {
            all = all.insert(Header { key: headers::VALUE_DROPPED, value: Some("true") });
        }
        for (key, value) in letter.record.headers().filter(|(name, _)| !headers::is_ours(name)) {
            all = all.insert(Header { key: &key.replace('\0', ""), value });
        }
        let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&self.topic).headers(all);
        if let Some(key) = letter.record.key() {
            record = record.key(key);
        }
        if let Some(value) = letter.record.value().filter(|_| with_value) {
            record = record.payload(value);
        }
        self.producer.send(record, ATTEMPT).await.map(|_| ()).map_err(|(error, _)| error)
    }
}

/// What a failed write means.
fn is_too_large(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::MessageBatchTooLarge
        )
    )
}

fn is_for_good(error: &KafkaError) -> bool {
    is_too_large(error)
        || matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::InvalidMessage | RDKafkaErrorCode::InvalidRecord)
        )
}

#[async_trait]
impl DeadLetters for KafkaDeadLetters {
    async fn bury(&self, letter: DeadLetter) -> Buried {
        let until = Instant::now() + self.patience;
        let mut with_value = true;
        loop {
            let Err(error) = self.write(&letter, with_value).await else {
                return if with_value { Buried::Written } else { Buried::WithoutValue };
            };
            if is_too_large(&error) && with_value {
                with_value = false;
                continue;
            }
            if is_for_good(&error) || Instant::now() + AGAIN_AFTER > until {
                self.silent.tell(&letter, &format!("the dead-letter topic refused it: {error}"));
                return Buried::Lost;
            }
            sleep(AGAIN_AFTER).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::list::{Filter, list};
    use crate::dead_letters::redrive::redrive;
    use crate::source::{OwnedRecord, TopicPartition};
    use events_gateway_core::envelope::{Reason, Rejection};
    use events_gateway_core::{Channel, Timestamp};
    use rdkafka::mocking::MockCluster;

    fn letter(value: &[u8], owed: &[&str]) -> DeadLetter {
        let headers = [("mine", Some(&b"kept"[..]))];
        DeadLetter {
            binding: "orders".into(),
            at: TopicPartition::new("orders", 0),
            record: OwnedRecord::copy(7, Timestamp(1_000), Some(b"key"), Some(value), headers.into_iter()),
            rejection: Rejection { reason: Reason::Refused, detail: "too large".into() },
            owed: owed.iter().map(|name| Channel::parse(name).unwrap()).collect(),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn letters_are_written_listed_and_redriven_to_what_they_are_owed() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("dead", 2, 1).unwrap();
        cluster.create_topic("orders", 1, 1).unwrap();
        // Brokers that refuse more than a million bytes, played by the client: the mock cluster takes everything.
        let client = Client {
            bootstrap: cluster.bootstrap_servers(),
            further: [("message.max.bytes".to_owned(), "1000000".to_owned())].into(),
            ..Client::default()
        };
        let letters = KafkaDeadLetters::new(&client, "dead").unwrap();
        assert_eq!(letters.bury(letter(b"small", &["user:1"])).await, Buried::Written);
        assert_eq!(letters.bury(letter(&vec![b'x'; 1 << 20], &[])).await, Buried::WithoutValue);
        let (found, driven) = tokio::task::spawn_blocking(move || {
            let found = list(&client, "dead", &Filter::default()).unwrap();
            let driven = redrive(&client, &found).unwrap();
            let again = list(&client, "orders", &Filter { any: true, ..Filter::default() }).unwrap();
            let none =
                list(&client, "dead", &Filter { reason: Some("undecodable".into()), ..Filter::default() }).unwrap();
            assert!(none.is_empty());
            (found, (driven, again))
        })
        .await
        .unwrap();
        assert_eq!(found.len(), 2);
        let whole = found.iter().find(|found| !found.value_dropped()).unwrap();
        assert_eq!(whole.record.value(), Some(&b"small"[..]));
        assert_eq!(whole.epitaph.as_ref().unwrap().from, ("orders".into(), 0, 7));
        let (driven, again) = driven;
        assert_eq!((driven.sent, driven.without_value), (1, 1), "what has no value can't be sent again");
        assert_eq!(again.len(), 1);
        again[0].record.lend(&again[0].at, |record| {
            assert_eq!((record.key, record.value), (Some(&b"key"[..]), Some(&b"small"[..])));
            assert_eq!(record.header(crate::ingest::address::REDRIVE_CHANNELS), Some(&b"user:1"[..]));
            assert_eq!(record.header(crate::ingest::address::REDRIVE_FROM), Some(&b"orders/0/7"[..]));
            assert_eq!(record.header("mine"), Some(&b"kept"[..]));
            assert_eq!(record.header(headers::REASON), None);
        });
    }

    #[tokio::test]
    async fn a_letter_that_nobody_takes_is_given_up_in_bounded_time() {
        let client = Client { bootstrap: "127.0.0.1:1".into(), ..Client::default() };
        let mut config = client.config();
        config.set("message.timeout.ms", "300");
        let producer = config.create_with_context(Context { oauth: None }).unwrap();
        let letters = KafkaDeadLetters {
            producer,
            topic: "dead".into(),
            patience: Duration::from_millis(100),
            silent: Silent::default(),
        };
        assert_eq!(letters.bury(letter(b"x", &[])).await, Buried::Lost);
    }
}
