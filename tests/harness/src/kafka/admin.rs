//! What an administrator and a producer do to a test broker.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::topic_partition_list::Offset;

use super::Kafka;
use crate::wait;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(30);

/// Where a record went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
}

/// A record to be produced.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Its key, which also chooses the partition unless one is given.
    pub key: Option<String>,
    /// Its value.
    pub value: Vec<u8>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its partition, or by key.
    pub partition: Option<i32>,
    /// Its timestamp in milliseconds, or now.
    pub timestamp: Option<i64>,
}

impl Record {
    /// A record of JSON with a key.
    #[must_use]
    pub fn json(key: &str, value: &serde_json::Value) -> Self {
        Self { key: Some(key.to_owned()), value: value.to_string().into_bytes(), ..Self::default() }
    }
}

/// A producer that waits for the broker's answer, idempotent and in order.
#[derive(Clone)]
pub struct Producer(FutureProducer);

impl std::fmt::Debug for Producer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Producer")
    }
}

impl Producer {
    /// Produces one record and waits until the broker has it. Waits out a broker that is away for a minute.
    ///
    /// # Errors
    /// When the broker refuses it, or is away for longer.
    pub async fn send(&self, topic: &str, record: &Record) -> Result<Place> {
        let delivery = self.0.send(outgoing(topic, record), Duration::from_secs(60)).await;
        let delivery = delivery.map_err(|(error, _)| error).context("failed to produce")?;
        Ok(Place { partition: delivery.partition, offset: delivery.offset })
    }

    /// Puts one record into the producer's queue, in order, and gives the wait for the broker's answer.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn enqueue(&self, topic: &str, record: &Record) -> Result<impl Future<Output = Result<Place>> + Send + use<>> {
        let queued = self.0.send_result(outgoing(topic, record)).map_err(|(error, _)| error);
        let answer = queued.context("failed to enqueue")?;
        Ok(async move {
            let delivery = answer.await.context("the producer is gone")?;
            let delivery = delivery.map_err(|(error, _)| error).context("failed to produce")?;
            Ok(Place { partition: delivery.partition, offset: delivery.offset })
        })
    }
}

impl Kafka {
    /// A producer to this broker.
    ///
    /// # Errors
    /// When the client library refuses its configuration.
    pub fn producer(&self) -> Result<Producer> {
        let mut config = self.client();
        config
            .set("enable.idempotence", "true")
            .set("linger.ms", "1")
            .set("message.max.bytes", "4000000")
            .set("message.timeout.ms", "60000")
            .set("log_level", "2");
        Ok(Producer(config.create().context("failed to create a producer")?))
    }

    /// Creates a topic and waits until every partition has a leader.
    ///
    /// # Errors
    /// When it exists, or the broker is away.
    pub async fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        self.create_topic_with(name, partitions, &[]).await
    }

    /// [`Kafka::create_topic`] with topic configuration.
    ///
    /// # Errors
    /// When it exists, or the broker is away or refuses the configuration.
    pub async fn create_topic_with(&self, name: &str, partitions: i32, config: &[(&str, &str)]) -> Result<()> {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        for (key, value) in config {
            topic = topic.set(key, value);
        }
        let results = self.admin()?.create_topics([&topic], &options()).await.context("failed to create a topic")?;
        for result in results {
            result.map_err(|(name, code)| anyhow::anyhow!("failed to create topic {name}: {code}"))?;
        }
        let wanted = usize::try_from(partitions).context("a negative number of partitions")?;
        self.wait_for_partitions(name, wanted).await
    }

    /// Deletes a topic and waits until nobody finds it any more.
    ///
    /// # Errors
    /// When it doesn't exist, or the broker is away.
    pub async fn delete_topic(&self, name: &str) -> Result<()> {
        let results = self.admin()?.delete_topics(&[name], &options()).await.context("failed to delete a topic")?;
        for result in results {
            result.map_err(|(name, code)| anyhow::anyhow!("failed to delete topic {name}: {code}"))?;
        }
        self.wait_for_partitions(name, 0).await
    }

    /// Deletes the records of a partition below `offset`, as retention would.
    ///
    /// # Errors
    /// When the broker is away or refuses.
    pub async fn delete_records(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).context("failed to name the offset")?;
        self.admin()?.delete_records(&list, &options()).await.context("failed to delete records")?;
        Ok(())
    }

    /// Raises a topic's number of partitions to `partitions` and waits until all have a leader.
    ///
    /// # Errors
    /// When it has as many already, or the broker is away.
    pub async fn add_partitions(&self, topic: &str, partitions: usize) -> Result<()> {
        let results = self
            .admin()?
            .create_partitions(&[NewPartitions::new(topic, partitions)], &options())
            .await
            .context("failed to add partitions")?;
        for result in results {
            result.map_err(|(name, code)| anyhow::anyhow!("failed to add partitions to {name}: {code}"))?;
        }
        self.wait_for_partitions(topic, partitions).await
    }

    /// Forgets a group with all that it has committed. It must be empty.
    ///
    /// # Errors
    /// When the group has members or doesn't exist, or the broker is away.
    pub async fn delete_group(&self, group: &str) -> Result<()> {
        let results = self.admin()?.delete_groups(&[group], &options()).await.context("failed to delete a group")?;
        for result in results {
            result.map_err(|(name, code)| anyhow::anyhow!("failed to delete group {name}: {code}"))?;
        }
        Ok(())
    }

    /// Produces records in one transaction, which is then committed or aborted.
    ///
    /// # Errors
    /// When the broker refuses or is away.
    pub async fn transact(&self, topic: &str, records: &[Record], commit: bool) -> Result<()> {
        let mut config = self.client();
        config.set("transactional.id", format!("harness-{topic}")).set("log_level", "2");
        let (topic, records) = (topic.to_owned(), records.to_vec());
        tokio::task::spawn_blocking(move || {
            let producer: FutureProducer = config.create().context("failed to create a producer")?;
            producer.init_transactions(CALL).context("failed to register it")?;
            producer.begin_transaction().context("failed to begin")?;
            for record in &records {
                let queued = producer.send_result(outgoing(&topic, record));
                drop(queued.map_err(|(error, _)| error).context("failed to enqueue")?);
            }
            producer.flush(CALL).context("failed to flush")?;
            let ended = if commit { producer.commit_transaction(CALL) } else { producer.abort_transaction(CALL) };
            ended.context("failed to end the transaction")
        })
        .await
        .context("the call panicked")?
    }

    /// First offset and the one after the last of a partition.
    ///
    /// # Errors
    /// When the broker is away.
    pub async fn watermarks(&self, topic: &str, partition: i32) -> Result<(i64, i64)> {
        let topic = topic.to_owned();
        self.consume("harness", move |consumer| {
            consumer.fetch_watermarks(&topic, partition, CALL).context("failed to read the watermarks")
        })
        .await
    }

    /// What a group has committed, by partition; nothing where it hasn't.
    ///
    /// # Errors
    /// When the broker is away.
    pub async fn committed(&self, group: &str, topic: &str, partitions: i32) -> Result<Vec<Option<i64>>> {
        let topic = topic.to_owned();
        self.consume(group, move |consumer| {
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&topic, 0, partitions - 1);
            let offsets = consumer.committed_offsets(list, CALL).context("failed to read committed offsets")?;
            Ok(offsets.elements().iter().map(|element| element.offset().to_raw().filter(|raw| *raw >= 0)).collect())
        })
        .await
    }

    /// Sets a group's offsets by hand, without metadata, as an administrator's tool does. The group must be empty.
    ///
    /// # Errors
    /// When the group has members, or the broker is away.
    pub async fn reset_offsets(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        let (topic, offsets) = (topic.to_owned(), offsets.to_vec());
        self.consume(group, move |consumer| {
            let mut list = TopicPartitionList::new();
            for (partition, offset) in offsets {
                let added = list.add_partition_offset(&topic, partition, Offset::Offset(offset));
                added.context("failed to name the offset")?;
            }
            consumer.commit(&list, CommitMode::Sync).context("failed to commit by hand")
        })
        .await
    }

    /// Sets a group's offsets as the group itself would: with the metadata that it committed last. The group must be
    /// empty.
    ///
    /// # Errors
    /// When the group has members or committed no metadata, or the broker is away.
    pub async fn forge_offsets(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) -> Result<()> {
        let (topic, offsets) = (topic.to_owned(), offsets.to_vec());
        self.consume(group, move |consumer| {
            let mut list = TopicPartitionList::new();
            for (partition, _) in &offsets {
                list.add_partition(&topic, *partition);
            }
            let list = consumer.committed_offsets(list, CALL).context("failed to read committed offsets")?;
            for (partition, offset) in offsets {
                let mut element = list.find_partition(&topic, partition).context("a partition is missing")?;
                ensure!(!element.metadata().is_empty(), "nothing is committed with metadata for {topic}/{partition}");
                element.set_offset(Offset::Offset(offset)).context("failed to name the offset")?;
            }
            consumer.commit(&list, CommitMode::Sync).context("failed to commit with metadata")
        })
        .await
    }

    /// Reads `count` records of a topic's beginning (dead letters, say): key, value and headers as text.
    ///
    /// # Errors
    /// When there are fewer within `bound`.
    pub async fn read(&self, topic: &str, count: usize, bound: Duration) -> Result<Vec<Record>> {
        let topic = topic.to_owned();
        self.consume("harness", move |consumer| {
            let metadata = consumer.fetch_metadata(Some(&topic), CALL).context("failed to read metadata")?;
            let mut list = TopicPartitionList::new();
            for partition in metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions) {
                let added = list.add_partition_offset(&topic, partition.id(), Offset::Beginning);
                added.context("failed to name the beginning")?;
            }
            consumer.assign(&list).context("failed to assign")?;
            let deadline = std::time::Instant::now() + bound;
            let mut records = Vec::new();
            while records.len() < count {
                ensure!(std::time::Instant::now() < deadline, "only {} of {count} records in {bound:?}", records.len());
                if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                    records.push(read(&message.context("failed to read a record")?));
                }
            }
            Ok(records)
        })
        .await
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        let mut config = self.client();
        config.set("log_level", "2");
        config.create().context("failed to create an administrator")
    }

    async fn consume<T, F>(&self, group: &str, act: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&BaseConsumer) -> Result<T> + Send + 'static,
    {
        let mut config = self.client();
        config.set("group.id", group).set("enable.auto.commit", "false").set("log_level", "2");
        tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = config.create().context("failed to create a consumer")?;
            act(&consumer)
        })
        .await
        .context("the call panicked")?
    }

    async fn wait_for_partitions(&self, topic: &str, wanted: usize) -> Result<()> {
        wait::until(&format!("topic {topic} with {wanted} partitions"), CALL, || async {
            let name = topic.to_owned();
            let found = self.consume("harness", move |consumer| {
                let metadata = consumer.fetch_metadata(Some(&name), CALL).context("failed to read metadata")?;
                let partitions = metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions);
                Ok(partitions.filter(|partition| partition.leader() >= 0).count())
            });
            Ok((found.await? == wanted).then_some(()))
        })
        .await
    }
}

fn outgoing<'a>(topic: &'a str, record: &'a Record) -> FutureRecord<'a, String, Vec<u8>> {
    let headers = record
        .headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
    let mut outgoing = FutureRecord::to(topic).payload(&record.value).headers(headers);
    outgoing.key = record.key.as_ref();
    outgoing.partition = record.partition;
    outgoing.timestamp = record.timestamp;
    outgoing
}

fn read(message: &rdkafka::message::BorrowedMessage<'_>) -> Record {
    use rdkafka::message::Message as _;
    let headers = message.headers().into_iter().flat_map(rdkafka::message::Headers::iter);
    Record {
        key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers.map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect(),
        partition: Some(message.partition()),
        timestamp: message.timestamp().to_millis(),
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(CALL)).request_timeout(Some(CALL))
}
