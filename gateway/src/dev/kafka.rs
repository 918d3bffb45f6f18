//! Kafka without a Kafka: librdkafka's mock cluster, inside this process.
//!
//! Any Kafka client on this machine can produce to it and consume from it.
//! It keeps the last 5 MB or 100,000 batches of each partition in memory, and answers no admin calls (creating topics,
//! describing groups, listing configurations).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::util::Timeout;

use super::door::Door;

/// Longest that a record waits for the cluster, which is a thread away: beyond this, something is broken.
const DELIVER_WITHIN: Duration = Duration::from_secs(5);
/// Longest that a record waits for room in the client's queue.
const QUEUE_WITHIN: Duration = Duration::from_secs(1);
/// Above the largest record that the gateway takes, so that the gateway is the one to say so.
const MAX_MESSAGE_BYTES: &str = "4194304";

/// A running mock cluster with a producer on it. Cheap to clone; the cluster ends with the last clone.
#[derive(Clone)]
pub struct Kafka {
    /// Owns the cluster.
    producer: FutureProducer,
    bootstrap: String,
    door: Arc<Door>,
    address: String,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Produced {
    /// The partition that its key chose.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// Why the mock cluster doesn't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// The client library can't start it (no port on loopback, no thread).
    #[error("failed to start the in-process Kafka")]
    Start(#[source] ClientError),
    /// Clients of other kinds can't be let in (no port on loopback, no thread).
    #[error("failed to open an address for Kafka clients")]
    Door(#[source] io::Error),
    /// A topic could not be created.
    #[error("failed to create topic {topic}")]
    Topic {
        /// Which.
        topic: String,
        /// What the library says.
        #[source]
        source: ClientError,
    },
    /// A record wasn't taken in time; whether it will still be is unknown.
    #[error("failed to produce to topic {topic}")]
    Produce {
        /// Where to.
        topic: String,
        /// What the library says.
        #[source]
        source: ClientError,
    },
}

impl Kafka {
    /// Starts the cluster on a free port of loopback, with these topics and so many partitions of each.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, KafkaError> {
        let producer: FutureProducer = ClientConfig::new()
            .set("test.mock.num.brokers", "1")
            .set("client.id", "events-gateway-dev")
            .set("enable.idempotence", "true")
            // As Java's clients choose partitions, so that one key has one partition whoever produces.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "1")
            .set("message.max.bytes", MAX_MESSAGE_BYTES)
            .set("message.timeout.ms", DELIVER_WITHIN.as_millis().to_string())
            .create()
            .map_err(KafkaError::Start)?;
        let cluster = producer
            .client()
            .mock_cluster()
            .ok_or(KafkaError::Start(ClientError::MockCluster(RDKafkaErrorCode::Fail)))?;
        for (topic, partitions) in topics {
            cluster
                .create_topic(topic, *partitions, 1)
                .map_err(|source| KafkaError::Topic { topic: (*topic).to_owned(), source })?;
        }
        let bootstrap = cluster.bootstrap_servers();
        drop(cluster);
        let brokers = bootstrap.parse().map_err(|_| KafkaError::Door(io::ErrorKind::InvalidData.into()))?;
        let door = Arc::new(Door::open(brokers).map_err(KafkaError::Door)?);
        let address = door.address.to_string();
        Ok(Self { producer, bootstrap, door, address })
    }

    /// The address that any Kafka client on this machine can use: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The cluster's own address, `127.0.0.1:PORT`, for librdkafka's clients alone: one hop less.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Writes a record and waits, 6 s at most, until the cluster has it. Records of one key keep the order of the calls.
    pub async fn produce(
        &self,
        topic: &str,
        key: Option<&str>,
        headers: &[(&str, &str)],
        value: &[u8],
    ) -> Result<Produced, KafkaError> {
        let owned = headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |owned, (name, value)| {
            owned.insert(Header { key: name, value: Some(*value) })
        });
        let mut record = FutureRecord::<str, [u8]>::to(topic).payload(value).headers(owned);
        record.key = key;
        match self.producer.send(record, Timeout::After(QUEUE_WITHIN)).await {
            Ok(delivery) => Ok(Produced { partition: delivery.partition, offset: delivery.offset }),
            Err((source, _)) => Err(KafkaError::Produce { topic: topic.to_owned(), source }),
        }
    }
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka").field("bootstrap", &self.bootstrap).field("door", &self.door).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::message::{Headers as _, Message as _};
    use rdkafka::{Offset, TopicPartitionList};

    fn consumer(kafka: &Kafka, topic: &str, partition: i32) -> BaseConsumer {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", kafka.address())
            .set("group.id", "test")
            .set("fetch.message.max.bytes", MAX_MESSAGE_BYTES)
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        consumer
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn another_client_reads_what_was_produced_with_its_key_headers_and_value() {
        let kafka = Kafka::start(&[("events", 1), ("commands", 1)]).unwrap();
        assert!(kafka.bootstrap().starts_with("127.0.0.1:"), "{}", kafka.bootstrap());
        for (value, offset) in [(&b"one"[..], 0), (b"two", 1)] {
            let produced = kafka.produce("events", Some("k"), &[("h", "v")], value).await.unwrap();
            assert_eq!(produced, Produced { partition: 0, offset });
        }
        let read = tokio::task::spawn_blocking(move || {
            let consumer = consumer(&kafka, "events", 0);
            let read = |_| consumer.poll(Duration::from_secs(20)).unwrap().unwrap().detach();
            (0..2).map(read).collect::<Vec<_>>()
        });
        let read = read.await.unwrap();
        assert_eq!(read.iter().map(|record| record.payload().unwrap()).collect::<Vec<_>>(), [b"one", b"two"]);
        assert_eq!(read[0].key(), Some(&b"k"[..]));
        let header = read[0].headers().unwrap().get(0);
        assert_eq!((header.key, header.value), ("h", Some(&b"v"[..])));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_record_larger_than_a_mebibyte_passes() {
        let kafka = Kafka::start(&[("events", 1)]).unwrap();
        let value = vec![b'x'; (1 << 20) + (64 << 10)];
        kafka.produce("events", None, &[], &value).await.unwrap();
        let read = tokio::task::spawn_blocking(move || {
            consumer(&kafka, "events", 0).poll(Duration::from_secs(20)).unwrap().unwrap().detach()
        });
        assert_eq!(read.await.unwrap().payload().unwrap().len(), value.len());
    }
}
