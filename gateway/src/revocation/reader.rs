//! Reads the topic of revocations whole, on two threads of its own: one polls and applies, one asks where the topic ends.
//!
//! No consumer group is joined and nothing committed: partitions are assigned from their beginning, at every start. So are they
//! again where their number has changed. Records of open and aborted transactions count as well: no transaction of somebody
//! else holds a revocation back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::partitions::{Ends, Positions, reach};
use super::{Revocations, policy};
use crate::clock::now;
use crate::source::kafka::native;
use crate::source::kafka::options::{Client, ForbiddenSetting};
use crate::source::kafka::reader::Context;

/// Each request to the brokers.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is asked where the topic ends, and how soon again as long as that wasn't answered or reached.
const EVERY: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_millis(200);
/// Longest wait for records that stand in the topic.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a poll waits: what bounds how late a thread learns that it is to end.
const POLL: Duration = Duration::from_millis(100);
/// Most records between two looks at anything else.
const BATCH: usize = 500;
/// How often it is looked whether the topic keeps what stands in it: that may be changed.
const LOOK_AT_POLICY: Duration = Duration::from_secs(3_600);
/// How often a record that is no revocation is logged.
const TELL_SKIPPED: Duration = Duration::from_secs(1);
/// How often one complaint is logged.
const COMPLAIN: Duration = Duration::from_secs(30);

/// Why there is no reader.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// A further client setting isn't allowed.
    #[error("failed to configure the reader of revocations")]
    Setting(#[from] ForbiddenSetting),
    /// The client library refuses the configuration.
    #[error("failed to create the reader of revocations")]
    Client(#[from] KafkaError),
}

/// Why revocations can't be read now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("there is no topic {0}: create it, with cleanup.policy=compact")]
    NoTopic(String),
    #[error("{0}")]
    Kafka(#[from] KafkaError),
    #[error("the brokers don't say where partition {0} ends")]
    NoEnd(i32),
    #[error("the records that stand in the topic don't come")]
    Late,
    #[error("failed to start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Reads one topic.
pub struct Reader {
    client: Client,
    topic: String,
    revocations: Arc<Revocations>,
    complaint: Mutex<Option<(String, Instant)>>,
    policy_seen: Mutex<Option<Instant>>,
    /// When a record that is no revocation was told of last.
    skipped: Mutex<Option<Instant>>,
}

/// One client, until it is of no more use.
struct Session<'a> {
    reader: &'a Reader,
    consumer: BaseConsumer<Context>,
    partitions: Vec<i32>,
    positions: Mutex<Positions>,
    /// Whether everything that stood in the topic has been read once.
    is_whole: AtomicBool,
    is_over: AtomicBool,
}

/// Sets a flag when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Reader {
    /// Connects when it [runs](Self::run).
    ///
    /// # Errors
    /// When the client can't be made.
    pub fn new(client: Client, topic: &str, revocations: Arc<Revocations>) -> Result<Self, ReaderError> {
        client.check()?;
        drop(client.config().create_native_config()?);
        Ok(Self {
            client,
            topic: topic.to_owned(),
            revocations,
            complaint: Mutex::default(),
            policy_seen: Mutex::default(),
            skipped: Mutex::default(),
        })
    }

    /// Reads, whatever the brokers say. It ends only when its thread dies, and by then whoever spawned it should.
    pub async fn run(self) {
        let (alive, dead) = oneshot::channel::<()>();
        let spawned = std::thread::Builder::new().name("revocations".into()).spawn(move || {
            let _alive = alive;
            loop {
                if let Err(trouble) = self.session() {
                    self.complain(&trouble);
                    std::thread::sleep(SOON);
                }
            }
        });
        match spawned {
            // Nothing is ever sent: this is an error, when the thread is gone.
            Ok(_) => drop(dead.await),
            Err(error) => tracing::error!(%error, "failed to start the thread that reads revocations"),
        }
    }

    fn complain(&self, trouble: &Trouble) {
        let text = trouble.to_string();
        let mut complaint = self.complaint.lock();
        let is_known = complaint.as_ref().is_some_and(|(known, since)| *known == text && since.elapsed() < COMPLAIN);
        if !is_known {
            tracing::warn!(topic = self.topic, error = text, "failed to read revocations");
            *complaint = Some((text, Instant::now()));
        }
    }

    fn consumer(&self) -> Result<BaseConsumer<Context>, KafkaError> {
        let mut config = self.client.config();
        config
            // A name is demanded; nothing is joined or committed.
            .set("group.id", "events-gateway-revocations")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_uncommitted")
            // Records are answered as they come; asking where the topic ends has to wait behind a fetch, though.
            .set("fetch.wait.max.ms", "250")
            .set("fetch.error.backoff.ms", "100");
        for (name, value) in [("reconnect.backoff.max.ms", "1000"), ("socket.timeout.ms", "10000")] {
            // It has to notice, and to be back, sooner than consumers that only come late.
            if !self.client.further.contains_key(name) {
                config.set(name, value);
            }
        }
        config.create_with_context(Context::new(&self.client))
    }

    /// Reads with one client from the beginning, until partitions are added or it has failed for good.
    fn session(&self) -> Result<(), Trouble> {
        let consumer = self.consumer()?;
        let partitions = loop {
            // Tokens are fetched by a callback of the poll. There is no message yet.
            drop(consumer.poll(Duration::ZERO));
            match self.partitions(&consumer) {
                Ok(partitions) => break partitions,
                Err(trouble) => self.complain(&trouble),
            }
            std::thread::sleep(SOON);
        };
        let mut list = TopicPartitionList::new();
        for partition in &partitions {
            list.add_partition_offset(&self.topic, *partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        let session = Session {
            reader: self,
            consumer,
            partitions,
            positions: Mutex::default(),
            is_whole: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        };
        std::thread::scope(|scope| {
            let asking = std::thread::Builder::new().name("revocations-end".into());
            // Whichever ends first, also by a panic, ends the other.
            let _end = End(&session.is_over);
            asking.spawn_scoped(scope, || {
                let _end = End(&session.is_over);
                session.ask();
            })?;
            session.poll()
        })
    }

    fn partitions(&self, consumer: &BaseConsumer<Context>) -> Result<Vec<i32>, Trouble> {
        let metadata = consumer.fetch_metadata(Some(&self.topic), TIMEOUT)?;
        let topic = metadata.topics().first();
        match topic.and_then(MetadataTopic::error).map(RDKafkaErrorCode::from) {
            None | Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {}
            Some(code) => return Err(KafkaError::MetadataFetch(code).into()),
        }
        let partitions = topic.into_iter().flat_map(MetadataTopic::partitions);
        let partitions: Vec<i32> = partitions.map(MetadataPartition::id).collect();
        if partitions.is_empty() { Err(Trouble::NoTopic(self.topic.clone())) } else { Ok(partitions) }
    }
}

impl Session<'_> {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Applies records as they come.
    fn poll(&self) -> Result<(), Trouble> {
        while !self.is_over() {
            let mut polled = self.consumer.poll(POLL);
            let mut handled = 0;
            while let Some(next) = polled {
                match next {
                    Ok(message) => self.apply(&message),
                    Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => {
                        return Err(error.into());
                    }
                    Err(error) => self.reader.complain(&error.into()),
                }
                handled += 1;
                if handled == BATCH {
                    break;
                }
                polled = self.consumer.poll(Duration::ZERO);
            }
            self.advance()?;
        }
        Ok(())
    }

    fn apply(&self, message: &BorrowedMessage<'_>) {
        let time = message.timestamp().to_millis().and_then(|time| u64::try_from(time).ok()).unwrap_or_else(|| now().0);
        let Err(error) = self.reader.revocations.apply(message.key(), message.payload(), time) else { return };
        // All are counted. Whoever writes many of them doesn't fill the log.
        let mut skipped = self.reader.skipped.lock();
        if skipped.is_none_or(|last| last.elapsed() >= TELL_SKIPPED) {
            *skipped = Some(Instant::now());
            let (partition, offset) = (message.partition(), message.offset());
            tracing::warn!(
                topic = self.reader.topic,
                partition,
                offset,
                %error,
                "a record is no revocation, and is skipped; others may have been since the last such line"
            );
        }
    }

    /// Where the client stands: behind the last record that was polled, and behind what transactions leave, which is none.
    fn advance(&self) -> Result<(), Trouble> {
        let mut positions = self.positions.lock();
        for element in self.consumer.position()?.elements() {
            if let Offset::Offset(next) = element.offset() {
                positions.insert(element.partition(), u64::try_from(next).unwrap_or(0));
            }
        }
        if self.is_whole.load(Ordering::Acquire) {
            self.reader.revocations.set_applied(&positions);
        }
        Ok(())
    }

    /// Asks where the topic ends, again and again, and says as of when all of it was read.
    fn ask(&self) {
        while !self.is_over() {
            let asked = Instant::now();
            let pause = match self.look() {
                Ok(true) => {
                    self.is_whole.store(true, Ordering::Release);
                    self.reader.revocations.read_as_of(asked);
                    self.look_at_policy();
                    EVERY
                }
                Ok(false) => {
                    tracing::info!(topic = self.reader.topic, "the partitions of the topic changed: it is read again");
                    return;
                }
                Err(trouble) => {
                    self.reader.complain(&trouble);
                    SOON
                }
            };
            let until = Instant::now() + pause;
            while !self.is_over() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Complains where the topic forgets. Whether the gateway may look is up to the brokers: else the documentation has to do.
    fn look_at_policy(&self) {
        let mut seen = self.reader.policy_seen.lock();
        if seen.is_some_and(|seen| seen.elapsed() < LOOK_AT_POLICY) {
            return;
        }
        *seen = Some(Instant::now());
        let topic = &self.reader.topic;
        match native::topic_settings(&self.consumer, topic, TIMEOUT) {
            Ok(settings) => {
                if let Err(problem) = policy::judge(&settings, self.reader.revocations.options.retention) {
                    tracing::error!(topic, problem, "the topic of revocations forgets some of them");
                }
            }
            Err(error) => tracing::info!(topic, error, "failed to look how the topic of revocations is cleaned up"),
        }
    }

    /// Waits until all was read that stands in the topic now. `false`: it has other partitions.
    fn look(&self) -> Result<bool, Trouble> {
        if self.reader.partitions(&self.consumer)? != self.partitions {
            return Ok(false);
        }
        let ends = self.ends()?;
        let until = Instant::now() + PATIENCE;
        while !reach(&self.positions.lock(), &ends) {
            if self.is_over() || Instant::now() > until {
                return Err(Trouble::Late);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(true)
    }

    /// Where each partition begins and ends, by its leader's word.
    fn ends(&self) -> Result<Ends, Trouble> {
        let (starts, ends) = (self.offsets(Offset::Beginning)?, self.offsets(Offset::End)?);
        let of = |partition: &i32| {
            let both = starts.get(partition).copied().zip(ends.get(partition).copied());
            both.map(|both| (*partition, both)).ok_or(Trouble::NoEnd(*partition))
        };
        self.partitions.iter().map(of).collect()
    }

    fn offsets(&self, of: Offset) -> Result<Positions, Trouble> {
        let mut list = TopicPartitionList::new();
        for partition in &self.partitions {
            list.add_partition_offset(&self.reader.topic, *partition, of)?;
        }
        let mut offsets = Positions::new();
        for element in self.consumer.offsets_for_times(list, TIMEOUT)?.elements() {
            element.error()?;
            if let Offset::Offset(offset) = element.offset() {
                offsets.insert(element.partition(), u64::try_from(offset).unwrap_or(0));
            }
        }
        Ok(offsets)
    }
}
