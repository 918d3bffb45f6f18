//! The thread that polls one consumer: the only one that subscribes, seeks, pauses and rebalances.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use events_gateway_core::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::context::{Context, Played, Shared, list_of};
use super::identities::Identities;
use super::{Client, Command, Current, Options, Protocol, native};
use crate::source::{Chunk, OwnedRecord, Signal, TopicPartition};

/// Longest wait for a message: also how late a command may be seen.
const POLL: Duration = Duration::from_millis(20);
/// A seek only starts something on the client's own thread; a partition that isn't started yet is tried again.
const SEEK: Duration = Duration::from_secs(1);
/// Most records and bytes given on at once.
const MOST_RECORDS: usize = 500;
const MOST_BYTES: usize = 1 << 20;
/// How often it is told that partitions got on without a record.
const PASSED_EVERY: Duration = Duration::from_secs(1);
/// A reader that has no room for so long: partitions are paused, so that the group's callbacks can be served.
const STALL: Duration = Duration::from_secs(1);
/// Between two attempts after the client failed for good (no permission, say).
const BEGIN_AGAIN: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

pub(super) struct Poller {
    pub options: Options,
    pub shared: Arc<Shared>,
    pub commanded: Receiver<Command>,
    pub chunks: mpsc::Sender<Vec<Chunk>>,
    pub runtime: Handle,
    pub current: Current,
}

enum End {
    Closed,
    /// It knows a topic that is no more.
    Outdated,
    Failed(KafkaError),
}

/// What was asked for and still has to be done, over all lives of the client.
#[derive(Default)]
struct Wishes {
    subscribed: bool,
    seeks: Vec<(TopicPartition, u64, u64)>,
    closed: bool,
}

impl Poller {
    pub(super) fn run(self) {
        let mut protocol = match self.options.protocol {
            Protocol::Classic => Protocol::Classic,
            Protocol::Auto | Protocol::Consumer => Protocol::Consumer,
        };
        let mut wishes = Wishes::default();
        let mut failures = 0;
        while !wishes.closed {
            let began = Instant::now();
            let end = match self.consumer(protocol) {
                Ok(consumer) => self.life(consumer, &mut wishes),
                Err(error) => End::Failed(error),
            };
            let failure = match end {
                End::Closed => return,
                End::Outdated => None,
                End::Failed(error) => Some(error),
            };
            self.forget_assignment();
            wishes.seeks.clear();
            let Some(error) = failure else {
                tracing::warn!(group = self.options.group, "a topic was created anew: the Kafka client begins again");
                continue;
            };
            if protocol == Protocol::Consumer && self.options.protocol == Protocol::Auto && is_unsupported(&error) {
                tracing::info!(
                    group = self.options.group,
                    "the brokers have no KIP-848: using the classic group protocol"
                );
                protocol = Protocol::Classic;
                continue;
            }
            if began.elapsed() > Duration::from_secs(60) {
                failures = 0;
            }
            self.shared.complain(format!("the Kafka client failed and begins again: {error}"));
            let until = Instant::now() + BEGIN_AGAIN[failures.min(BEGIN_AGAIN.len() - 1)];
            failures += 1;
            while Instant::now() < until && !wishes.closed {
                std::thread::sleep(POLL);
                self.obey(None, &mut wishes);
            }
        }
    }

    fn consumer(&self, protocol: Protocol) -> KafkaResult<Arc<BaseConsumer<Context>>> {
        let options = &self.options;
        let mut config = options.client.config();
        config
            .set("group.id", &options.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A position that is gone makes the client go to the log's start, which `strays` notices. (`error` would stop the
            // partition for good: such a one can't be sought in.)
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "false")
            .set("isolation.level", if options.read_committed { "read_committed" } else { "read_uncommitted" })
            .set("allow.auto.create.topics", "false");
        for (name, value) in [
            ("queued.max.messages.kbytes", options.read_ahead_kib.to_string()),
            ("queued.min.messages", "20000".to_owned()),
            ("fetch.queue.backoff.ms", "50".to_owned()),
            // Whatever else is asked of a broker waits behind a fetch that waits for records.
            ("fetch.wait.max.ms", "100".to_owned()),
            // New topics and partitions are seen within this time (the default is 5 min).
            ("topic.metadata.refresh.interval.ms", "30000".to_owned()),
        ] {
            if !options.client.further.contains_key(name) {
                config.set(name, value);
            }
        }
        if protocol == Protocol::Consumer {
            config.set("group.protocol", "consumer");
        } else {
            config
                .set("group.protocol", "classic")
                .set("partition.assignment.strategy", "range")
                .set("session.timeout.ms", options.session_timeout.as_millis().to_string())
                .set("heartbeat.interval.ms", (options.session_timeout / 3).as_millis().to_string());
        }
        let context = Context { shared: self.shared.clone(), oauth: options.client.oauth().cloned() };
        config.create_with_context(context).map(Arc::new)
    }

    /// After a client failed for good: whatever it had is no longer ours.
    fn forget_assignment(&self) {
        let assigned: Vec<_> = self.shared.assignment.lock().partitions.keys().cloned().collect();
        self.shared.revoke(&assigned, true);
    }

    fn life(&self, consumer: Arc<BaseConsumer<Context>>, wishes: &mut Wishes) -> End {
        let identities = Arc::new(Identities::default());
        *self.current.lock() = Some(Client { consumer: consumer.clone(), identities: identities.clone() });
        if wishes.subscribed {
            self.subscribe(&consumer, true);
        }
        let mut waiting: Vec<Chunk> = Vec::new();
        let mut is_stalled = false;
        let mut passed = Instant::now();
        let end = loop {
            self.obey(Some(&consumer), wishes);
            if wishes.closed {
                break End::Closed;
            }
            if identities.is_outdated() {
                break End::Outdated;
            }
            self.seek(&consumer, wishes);
            if let Some(error) = self.collect(&consumer, &mut waiting) {
                break End::Failed(error);
            }
            if passed.elapsed() >= PASSED_EVERY {
                passed = Instant::now();
                self.pass(&consumer, &mut waiting);
            }
            if waiting.is_empty() {
                continue;
            }
            let patience = if is_stalled { Duration::ZERO } else { STALL };
            match self.runtime.block_on(async { tokio::time::timeout(patience, self.chunks.reserve()).await }) {
                Ok(Ok(room)) => {
                    room.send(std::mem::take(&mut waiting));
                    if is_stalled {
                        is_stalled = false;
                        self.pause_all(&consumer, false);
                    }
                }
                Ok(Err(_)) => break End::Closed,
                Err(_) if !is_stalled => {
                    is_stalled = true;
                    self.pause_all(&consumer, true);
                }
                Err(_) => {}
            }
        };
        // A fatal error arrives as such; what it was the client knows.
        let end = match (end, consumer.client().fatal_error()) {
            (End::Failed(_), Some((code, _))) => End::Failed(KafkaError::MessageConsumptionFatal(code)),
            (end, _) => end,
        };
        *self.current.lock() = None;
        // The last one to hold the consumer leaves the group as it drops it: that is to be this thread.
        let patience = Instant::now() + Duration::from_secs(2);
        while Arc::strong_count(&consumer) > 1 && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(consumer);
        end
    }

    fn subscribe(&self, consumer: &BaseConsumer<Context>, wanted: bool) {
        if wanted {
            let topics: Vec<&str> = self.options.topics.iter().map(String::as_str).collect();
            if let Err(error) = consumer.subscribe(&topics) {
                self.shared.complain(format!("failed to subscribe: {error}"));
            }
        } else {
            consumer.unsubscribe();
        }
    }

    fn obey(&self, consumer: Option<&BaseConsumer<Context>>, wishes: &mut Wishes) {
        wishes.closed |= self.shared.closing.load(Ordering::Acquire);
        while let Ok(command) = self.commanded.try_recv() {
            match command {
                Command::Close => wishes.closed = true,
                Command::Subscribe(wanted) => {
                    if let Some(consumer) = consumer.filter(|_| wanted != wishes.subscribed) {
                        self.subscribe(consumer, wanted);
                    }
                    wishes.subscribed = wanted;
                }
                Command::Play(at, offset, life) => {
                    wishes.seeks.retain(|(other, ..)| *other != at);
                    wishes.seeks.push((at, offset, life));
                }
                Command::Pause(at, paused) => {
                    let mut assignment = self.shared.assignment.lock();
                    let Some(Some(played)) = assignment.partitions.get_mut(&at) else {
                        continue;
                    };
                    played.paused = paused;
                    drop(assignment);
                    if let Some(consumer) = consumer {
                        let list = list_of([&at]);
                        let result = if paused { consumer.pause(&list) } else { consumer.resume(&list) };
                        self.failed("pause or resume a partition", result);
                    }
                }
            }
        }
    }

    fn failed(&self, call: &str, result: KafkaResult<()>) {
        if let Err(error) = result {
            self.shared.complain(format!("failed to {call}: {error}"));
        }
    }

    /// Tries the seeks that were asked for; those whose partition the client hasn't started yet stay.
    fn seek(&self, consumer: &BaseConsumer<Context>, wishes: &mut Wishes) {
        let shared = &self.shared;
        wishes.seeks.retain(|(at, offset, life)| {
            if !shared.assignment.lock().partitions.contains_key(at) {
                return false;
            }
            let mut list = TopicPartitionList::new();
            let position = Offset::Offset(i64::try_from(*offset).unwrap_or(i64::MAX));
            let sought = list
                .add_partition_offset(&at.topic, at.partition, position)
                .and_then(|()| consumer.seek_partitions(list, SEEK))
                .and_then(|list| list.elements().iter().try_for_each(TopicPartitionListElem::error));
            if sought.is_err() {
                return true;
            }
            if let Some(played) = shared.assignment.lock().partitions.get_mut(at) {
                *played = Some(Played { life: *life, paused: false, next: *offset });
            }
            if let Err(error) = consumer.resume(&list_of([at])) {
                shared.complain(format!("failed to resume a partition: {error}"));
            }
            false
        });
    }

    fn pause_all(&self, consumer: &BaseConsumer<Context>, paused: bool) {
        let assignment = self.shared.assignment.lock();
        let played = assignment.partitions.iter().filter(|(_, played)| played.is_some_and(|played| !played.paused));
        let list = list_of(played.map(|(at, _)| at));
        drop(assignment);
        if list.count() > 0 {
            let result = if paused { consumer.pause(&list) } else { consumer.resume(&list) };
            self.failed("pause or resume partitions", result);
        }
    }

    /// Polls until nothing is there at once, or enough is. Answers an error that the client doesn't survive.
    fn collect(&self, consumer: &BaseConsumer<Context>, chunks: &mut Vec<Chunk>) -> Option<KafkaError> {
        // What still waits from before may be of an earlier life: it isn't added to.
        let sealed = chunks.len();
        let failure = self.collect_onto(sealed, consumer, chunks);
        let mut assignment = self.shared.assignment.lock();
        for chunk in &chunks[sealed..] {
            let Some(Some(played)) = assignment.partitions.get_mut(&chunk.at) else {
                continue;
            };
            if played.life == chunk.life {
                played.next = chunk.next;
            }
        }
        failure
    }

    /// Tells of partitions that got on without a record: after the last one there may be marks of transactions and records
    /// of aborted ones, which would be taken for lag until the next record. This thread alone polls, and has collected all
    /// that it polled: nothing else can lie between.
    fn pass(&self, consumer: &BaseConsumer<Context>, chunks: &mut Vec<Chunk>) {
        let mut list = {
            let assignment = self.shared.assignment.lock();
            list_of(assignment.partitions.iter().filter(|(_, played)| played.is_some()).map(|(at, _)| at))
        };
        if list.count() == 0 {
            return;
        }
        native::positions(consumer, &mut list);
        let mut has_strayed = false;
        for element in list.elements() {
            let Offset::Offset(position) = element.offset() else { continue };
            let (at, next) =
                (TopicPartition::new(element.topic(), element.partition()), u64::try_from(position).unwrap_or(0));
            let mut assignment = self.shared.assignment.lock();
            let Some(entry) = assignment.partitions.get_mut(&at) else { continue };
            let Some(played) = entry.as_mut().filter(|played| played.next < next) else {
                continue;
            };
            if strays(consumer, &at, next, played.next) {
                *entry = None;
                has_strayed = true;
                continue;
            }
            played.next = next;
            chunks.push(Chunk { at, life: played.life, records: Vec::new(), next });
        }
        if has_strayed {
            self.shared.tell(Signal::OutOfRange);
        }
    }

    fn collect_onto(
        &self,
        sealed: usize,
        consumer: &BaseConsumer<Context>,
        chunks: &mut Vec<Chunk>,
    ) -> Option<KafkaError> {
        let (mut records, mut bytes) = (0, 0);
        let mut wait = POLL;
        // The last run, if its records are not wanted.
        let mut unwanted: Option<TopicPartition> = None;
        let mut next = 0;
        while records < MOST_RECORDS && bytes < MOST_BYTES {
            let message = match consumer.poll(wait)? {
                Ok(message) => message,
                Err(KafkaError::MessageConsumptionFatal(code)) => {
                    return Some(KafkaError::MessageConsumptionFatal(code));
                }
                Err(error) if consumer.client().fatal_error().is_some() => return Some(error),
                Err(error) => {
                    self.shared.complain_of(&error);
                    continue;
                }
            };
            wait = Duration::ZERO;
            let is_of = |at: &TopicPartition| at.partition == message.partition() && *at.topic == *message.topic();
            if unwanted.as_ref().is_some_and(is_of) {
                continue;
            }
            let record = copied(&message);
            if !chunks[sealed..].last().is_some_and(|chunk| is_of(&chunk.at)) {
                let at = TopicPartition::new(message.topic(), message.partition());
                let played = self.shared.assignment.lock().partitions.get(&at).copied().flatten();
                let Some(played) = played else {
                    unwanted = Some(at);
                    continue;
                };
                next = played.next;
                chunks.push(Chunk { at, life: played.life, records: Vec::new(), next });
            }
            let Some(chunk) = chunks.last_mut() else { continue };
            let strays = record.offset != next && strays(consumer, &chunk.at, record.offset, next);
            next = record.offset + 1;
            if strays {
                let at = chunk.at.clone();
                if chunk.records.is_empty() {
                    chunks.pop();
                }
                self.shared.assignment.lock().partitions.entry(at.clone()).and_modify(|played| *played = None);
                self.shared.tell(Signal::OutOfRange);
                unwanted = Some(at);
                continue;
            }
            records += 1;
            bytes += record.size();
            chunk.next = next;
            chunk.records.push(record);
        }
        None
    }
}

/// Whether the client left the position that it was given: backwards, or forwards because the log now starts later. (Other
/// jumps forward are what compaction and transactions leave.)
fn strays(consumer: &BaseConsumer<Context>, at: &TopicPartition, offset: u64, next: u64) -> bool {
    offset < next || native::log_ends(consumer, &at.topic, at.partition).is_some_and(|(start, _)| start > next)
}

fn is_unsupported(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::UnsupportedVersion)
    )
}

pub(super) fn copied(message: &BorrowedMessage<'_>) -> OwnedRecord {
    let headers = native::headers(message);
    OwnedRecord::copy(
        u64::try_from(message.offset()).unwrap_or(0),
        Timestamp(message.timestamp().to_millis().and_then(|time| u64::try_from(time).ok()).unwrap_or(0)),
        message.key(),
        message.payload(),
        headers.iter().map(|(name, value)| (&**name, *value)),
    )
}
