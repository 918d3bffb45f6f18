//! Dead letters in a Kafka topic, and redriven records back to theirs.

use std::time::Duration;

use async_trait::async_trait;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use tokio::time::{Instant, sleep};

use super::{Buried, DeadLetter, DeadLetters, Silent, headers};
use crate::producer::{Producer, ProducerError, Settings, is_too_large};
use crate::source::kafka::options::Client;

/// How long a refusal that may pass is retried (design, section 4).
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two attempts; the client library retries within each.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// One attempt, the client's own retries included.
const ATTEMPT: Duration = Duration::from_secs(30);
/// Largest letter that the client takes: the largest record that may be read (64 MiB) and the headers around it. The
/// library's own bound, 1 MB, would cost larger ones their value although the brokers take them: they are to decide.
const MOST_BYTES: usize = (64 << 20) + (1 << 20);
/// Most that waits in the client, KiB: one of the largest must fit.
const QUEUE_KIB: usize = MOST_BYTES / 1024 + (32 << 10);

/// The producer of letters, and of records that go back.
pub(super) fn producer(client: &Client) -> Result<Producer, ProducerError> {
    let settings = Settings {
        whose: "dead letters",
        timeout: ATTEMPT,
        queue_kib: QUEUE_KIB,
        max_record_bytes: MOST_BYTES,
        linger: Duration::from_millis(5),
    };
    crate::producer::producer(client, &settings)
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
        let settings = Settings {
            whose: "a test",
            timeout: Duration::from_millis(300),
            queue_kib: 1_024,
            max_record_bytes: 1 << 20,
            linger: Duration::ZERO,
        };
        let producer = crate::producer::producer(&client, &settings).unwrap();
        let letters = KafkaDeadLetters {
            producer,
            topic: "dead".into(),
            patience: Duration::from_millis(100),
            silent: Silent::default(),
        };
        assert_eq!(letters.bury(letter(b"x", &[])).await, Buried::Lost);
    }
}
