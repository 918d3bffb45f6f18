//! The source over Kafka: one consumer, polled by one thread of its own. (Partition queues lose wake-ups, rust-rdkafka #840.)

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Condvar, Mutex};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use tokio::sync::mpsc;

use super::{Commitment, Controls, Signal, Source, SourceError, Start, Survey, TopicPartition};
use context::{Assignment, Context, Shared};
use identities::Identities;

pub(crate) mod context;
mod identities;
pub(crate) mod native;
mod poll;
pub(crate) mod reader;
mod survey;

pub use events_gateway_kafka_client::{oauth, options};

/// How long closing waits for the thread, which leaves the group meanwhile.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// Batches of chunks between the polling thread and the reader.
const CHUNKS: usize = 8;
/// Signals between them. The reader always takes them; complaints beyond are dropped.
const SIGNALS: usize = 256;

/// Which group protocol to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// KIP-848 where the brokers have it, the classic one otherwise.
    #[default]
    Auto,
    /// KIP-848 (`group.protocol=consumer`), brokers from 4.0 on.
    Consumer,
    /// The classic one with the range assignor. (Its cooperative-sticky one is broken with manual commits, librdkafka #4059.)
    Classic,
}

/// One consumer of one group.
#[derive(Debug, Clone)]
pub struct Options {
    /// How to reach the brokers.
    pub client: options::Client,
    /// The group.
    pub group: String,
    /// What to subscribe to.
    pub topics: Vec<String>,
    /// Which group protocol to speak.
    pub protocol: Protocol,
    /// Leave out records of open and aborted transactions.
    pub read_committed: bool,
    /// After how long a silent member is expelled. Only for [`Protocol::Classic`]; KIP-848 keeps it at the brokers.
    pub session_timeout: Duration,
    /// Most bytes read ahead by the client, in KiB, over all partitions.
    pub read_ahead_kib: u32,
    /// Longest that a revocation waits for its partitions to be released.
    pub revoke_within: Duration,
}

impl Options {
    /// The proven settings for a group.
    #[must_use]
    pub fn new(client: options::Client, group: &str, topics: &[&str]) -> Self {
        Self {
            client,
            group: group.into(),
            topics: topics.iter().map(ToString::to_string).collect(),
            protocol: Protocol::Auto,
            read_committed: true,
            session_timeout: Duration::from_secs(6),
            read_ahead_kib: 16 << 10,
            revoke_within: Duration::from_secs(4),
        }
    }
}

enum Command {
    Subscribe(bool),
    Play(TopicPartition, u64, u64),
    Pause(TopicPartition, bool),
    Close,
}

/// The client that runs, and the topics as it knows them.
#[derive(Clone)]
struct Client {
    consumer: Arc<BaseConsumer<Context>>,
    identities: Arc<Identities>,
}

type Current = Arc<Mutex<Option<Client>>>;

struct KafkaControls {
    shared: Arc<Shared>,
    commands: std::sync::mpsc::Sender<Command>,
    current: Current,
    is_done: Arc<tokio::sync::Notify>,
    has_ended: Arc<AtomicBool>,
}

/// A consumer of Kafka. Whatever the brokers say it goes on: a fatal error of the client makes it begin again with another one.
pub struct KafkaSource {
    controls: Arc<KafkaControls>,
    signals: mpsc::Receiver<Signal>,
    chunks: mpsc::Receiver<Vec<super::Chunk>>,
}

/// Why a source can't begin.
#[derive(Debug, thiserror::Error)]
pub enum KafkaSourceError {
    /// A further client setting isn't allowed.
    #[error("failed to configure the Kafka client")]
    Setting(#[from] options::ForbiddenSetting),
    /// The client library refuses the configuration.
    #[error("failed to create the Kafka client")]
    Client(#[from] rdkafka::error::KafkaError),
    /// No thread.
    #[error("failed to start the Kafka client's thread")]
    Thread(#[from] std::io::Error),
}

impl KafkaSource {
    /// Begins polling, not yet subscribed. To be called inside a tokio runtime.
    pub fn new(options: Options) -> Result<Self, KafkaSourceError> {
        options.client.check()?;
        let (signal, signals) = mpsc::channel(SIGNALS);
        let (chunk, chunks) = mpsc::channel(CHUNKS);
        let (commands, commanded) = std::sync::mpsc::channel();
        let shared = Arc::new(Shared {
            assignment: Mutex::new(Assignment::default()),
            released: Condvar::new(),
            signals: signal,
            closing: AtomicBool::new(false),
            revoke_within: options.revoke_within,
            reason: Mutex::default(),
        });
        // A configuration that the library refuses is told here, not by the thread.
        drop(options.client.config().create_native_config()?);
        let controls = Arc::new(KafkaControls {
            shared: shared.clone(),
            commands,
            current: Current::default(),
            is_done: Arc::default(),
            has_ended: Arc::default(),
        });
        let poller = poll::Poller {
            options,
            shared,
            commanded,
            chunks: chunk,
            runtime: tokio::runtime::Handle::current(),
            current: controls.current.clone(),
        };
        let (is_done, has_ended) = (controls.is_done.clone(), controls.has_ended.clone());
        std::thread::Builder::new().name("kafka-source".into()).spawn(move || {
            poller.run();
            has_ended.store(true, Ordering::Release);
            is_done.notify_waiters();
        })?;
        Ok(Self { controls, signals, chunks })
    }
}

/// Dropped without having been closed: the thread ends by itself, leaving the group.
impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.controls.shared.closing.store(true, Ordering::Release);
        let _ = self.controls.commands.send(Command::Close);
    }
}

#[async_trait]
impl Source for KafkaSource {
    fn controls(&self) -> Arc<dyn Controls> {
        self.controls.clone()
    }

    async fn next(&mut self, room: bool) -> Option<Signal> {
        tokio::select! {
            biased;
            signal = self.signals.recv() => signal,
            chunks = self.chunks.recv(), if room => chunks.map(Signal::Records),
        }
    }
}

impl KafkaControls {
    /// Runs a blocking call on a thread for such.
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Client) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let client = self.current.lock().clone().ok_or(SourceError::Closed)?;
        let answer = tokio::task::spawn_blocking(move || call(&client)).await;
        answer.unwrap_or_else(|error| Err(SourceError::Failed { call: "ask the brokers", detail: error.to_string() }))
    }

    fn command(&self, command: Command) {
        // Fails only when the thread has ended.
        let _ = self.commands.send(command);
    }
}

#[async_trait]
impl Controls for KafkaControls {
    fn subscribe(&self, wanted: bool) {
        self.command(Command::Subscribe(wanted));
    }

    async fn survey(&self, partitions: &[TopicPartition], start: Start) -> Result<Vec<Survey>, SourceError> {
        let partitions = partitions.to_vec();
        self.call(move |client| {
            let surveys = survey::survey(&client.consumer, &partitions, start)?;
            surveys.iter().try_for_each(|survey| client.identities.check(&survey.at.topic, &survey.topic_id))?;
            Ok(surveys)
        })
        .await
    }

    async fn topic_id(&self, topic: &str) -> Result<String, SourceError> {
        let topic = topic.to_owned();
        self.call(move |client| survey::topic_id(&client.consumer, &topic)).await
    }

    fn log_end(&self, at: &TopicPartition) -> Option<u64> {
        let client = self.current.lock().clone()?;
        native::log_ends(&client.consumer, &at.topic, at.partition).map(|(_, end)| end)
    }

    fn play(&self, at: &TopicPartition, offset: u64, life: u64) {
        self.command(Command::Play(at.clone(), offset, life));
    }

    fn pause(&self, at: &TopicPartition, paused: bool) {
        self.command(Command::Pause(at.clone(), paused));
    }

    async fn commit(&self, commitments: Vec<Commitment>) -> Result<(), SourceError> {
        let failed =
            |error: rdkafka::error::KafkaError| SourceError::Failed { call: "commit", detail: error.to_string() };
        self.call(move |client| {
            let mut list = TopicPartitionList::new();
            for commitment in &commitments {
                let mut element = list.add_partition(&commitment.at.topic, commitment.at.partition);
                let offset = i64::try_from(commitment.offset).unwrap_or(i64::MAX);
                element.set_offset(Offset::Offset(offset)).map_err(failed)?;
                element.set_metadata(&commitment.metadata);
            }
            client.consumer.commit(&list, CommitMode::Sync).map_err(failed)?;
            list.elements().iter().try_for_each(TopicPartitionListElem::error).map_err(failed)
        })
        .await
    }

    fn release(&self, partitions: Vec<TopicPartition>) {
        self.shared.release(&partitions);
    }

    async fn close(&self) {
        let done = self.is_done.notified();
        tokio::pin!(done);
        done.as_mut().enable();
        self.shared.closing.store(true, Ordering::Release);
        self.command(Command::Close);
        if !self.has_ended.load(Ordering::Acquire) && tokio::time::timeout(CLOSE_WITHIN, done).await.is_err() {
            tracing::warn!("the Kafka client takes long to leave its group; it goes on without being waited for");
        }
    }
}
