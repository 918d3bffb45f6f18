//! What every source keeps: the log in memory, and Kafka (librdkafka's mock cluster) with either group protocol.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use events_gateway::source::kafka::options::Client;
use events_gateway::source::kafka::{KafkaSource, Options, Protocol};
use events_gateway::source::memory::{MemoryLog, NewRecord};
use events_gateway::source::{Commitment, Controls, Signal, Source, Start, TopicPartition};
use events_gateway_core::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

const TOPIC: &str = "orders";

enum Bed {
    Memory(MemoryLog),
    Kafka(MockCluster<'static, DefaultProducerContext>, Protocol),
}

impl Bed {
    fn all(partitions: i32) -> Vec<Self> {
        let memory = MemoryLog::default();
        memory.create_topic(TOPIC, partitions as usize);
        let mut beds = vec![Self::Memory(memory)];
        for protocol in [Protocol::Classic, Protocol::Consumer] {
            let cluster = MockCluster::new(1).unwrap();
            cluster.create_topic(TOPIC, partitions, 1).unwrap();
            beds.push(Self::Kafka(cluster, protocol));
        }
        beds
    }

    fn source(&self) -> Consumer {
        match self {
            Self::Memory(log) => Consumer::new(Box::new(Wrapped(log.source("group", &[TOPIC])))),
            Self::Kafka(cluster, protocol) => {
                let client = Client { bootstrap: cluster.bootstrap_servers(), ..Client::default() };
                let options = Options { protocol: *protocol, ..Options::new(client, "group", &[TOPIC]) };
                Consumer::new(Box::new(Wrapped(KafkaSource::new(options).unwrap())))
            }
        }
    }

    fn produce(&self, partition: i32, values: std::ops::Range<u64>) {
        match self {
            Self::Memory(log) => {
                for value in values {
                    let text = value.to_string();
                    let record = NewRecord {
                        time: Timestamp(value),
                        key: Some(b"k"),
                        value: Some(text.as_bytes()),
                        headers: &[("h", Some(b"v"))],
                    };
                    log.produce(TOPIC, partition as usize, &record);
                }
            }
            Self::Kafka(cluster, _) => {
                let producer: ThreadedProducer<DefaultProducerContext> =
                    ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
                for value in values {
                    let text = value.to_string();
                    let headers = OwnedHeaders::new().insert(Header { key: "h", value: Some("v") });
                    let record = BaseRecord::to(TOPIC).partition(partition).key("k").payload(&text).headers(headers);
                    producer.send(record).map_err(|(error, _)| error).unwrap();
                }
                producer.flush(Duration::from_secs(10)).unwrap();
            }
        }
    }
}

struct Wrapped<S>(S);

/// [`Source`] behind a pointer, whichever it is.
#[async_trait::async_trait]
trait AnySource: Send {
    fn controls(&self) -> Arc<dyn Controls>;
    async fn next(&mut self) -> Option<Signal>;
}

#[async_trait::async_trait]
impl<S: Source> AnySource for Wrapped<S> {
    fn controls(&self) -> Arc<dyn Controls> {
        self.0.controls()
    }
    async fn next(&mut self) -> Option<Signal> {
        self.0.next(true).await
    }
}

/// A consumer that keeps what it is told.
struct Consumer {
    source: Box<dyn AnySource>,
    controls: Arc<dyn Controls>,
    assigned: Vec<TopicPartition>,
    /// (partition, life) -> values.
    records: BTreeMap<(TopicPartition, u64), Vec<String>>,
    life: u64,
}

impl Consumer {
    fn new(source: Box<dyn AnySource>) -> Self {
        Self { controls: source.controls(), source, assigned: Vec::new(), records: BTreeMap::new(), life: 0 }
    }

    fn take(&mut self, signal: Signal) {
        match signal {
            Signal::Assigned(partitions) => self.assigned.extend(partitions),
            Signal::Revoked { partitions, .. } => {
                self.assigned.retain(|at| !partitions.contains(at));
                self.controls.release(partitions);
            }
            Signal::Records(chunks) => {
                for chunk in chunks {
                    let mut last = None;
                    for record in &chunk.records {
                        assert!(last < Some(record.offset), "ascending");
                        last = Some(record.offset);
                        assert_eq!(record.key(), Some(&b"k"[..]));
                        assert_eq!(record.headers().next(), Some(("h", Some(&b"v"[..]))));
                        let value = String::from_utf8(record.value().unwrap().to_vec()).unwrap();
                        self.records.entry((chunk.at.clone(), chunk.life)).or_default().push(value);
                    }
                }
            }
            Signal::OutOfRange | Signal::Trouble(_) => {}
        }
    }

    async fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while !holds(self) {
            match tokio::time::timeout_at(deadline, self.source.next()).await {
                Ok(Some(signal)) => self.take(signal),
                Ok(None) => panic!("closed before: {what}"),
                Err(_) => panic!("never came true: {what}"),
            }
        }
    }

    async fn pass(&mut self, time: Duration) {
        let deadline = tokio::time::Instant::now() + time;
        while let Ok(Some(signal)) = tokio::time::timeout_at(deadline, self.source.next()).await {
            self.take(signal);
        }
    }

    fn play(&mut self, at: &TopicPartition, offset: u64) -> u64 {
        self.life += 1;
        self.controls.play(at, offset, self.life);
        self.life
    }

    fn values(&self, at: &TopicPartition, life: u64) -> &[String] {
        self.records.get(&(at.clone(), life)).map_or(&[], Vec::as_slice)
    }
}

fn texts(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|value| value.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_delivered_before_it_is_played_and_then_in_order_from_there() {
    for bed in Bed::all(1) {
        bed.produce(0, 0..1_200);
        let at = TopicPartition::new(TOPIC, 0);
        let mut consumer = bed.source();
        consumer.controls.subscribe(true);
        consumer.until("it is assigned", |one| one.assigned.len() == 1).await;
        consumer.pass(Duration::from_millis(300)).await;
        assert!(consumer.records.is_empty(), "not played yet");
        let first = consumer.play(&at, 100);
        consumer.until("all are read", |one| one.values(&at, first).len() == 1_100).await;
        assert_eq!(consumer.values(&at, first), texts(100..1_200));
        let again = consumer.play(&at, 1_190);
        consumer.until("it goes back", |one| one.values(&at, again).len() == 10).await;
        assert_eq!(consumer.values(&at, again), texts(1_190..1_200));
        bed.produce(0, 1_200..1_210);
        consumer.until("it goes on", |one| one.values(&at, again).len() == 20).await;
        assert_eq!(consumer.values(&at, first).len(), 1_100);
        consumer.controls.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_partition_rests_and_goes_on_where_it_was() {
    for bed in Bed::all(2) {
        let (one, two) = (TopicPartition::new(TOPIC, 0), TopicPartition::new(TOPIC, 1));
        let mut consumer = bed.source();
        consumer.controls.subscribe(true);
        consumer.until("both are assigned", |consumer| consumer.assigned.len() == 2).await;
        let (first, second) = (consumer.play(&one, 0), consumer.play(&two, 0));
        bed.produce(0, 0..10);
        consumer.until("it flows", |consumer| consumer.values(&one, first).len() == 10).await;
        consumer.controls.pause(&one, true);
        consumer.pass(Duration::from_millis(200)).await;
        bed.produce(0, 10..20);
        bed.produce(1, 0..5);
        consumer.until("the other flows", |consumer| consumer.values(&two, second).len() == 5).await;
        consumer.pass(Duration::from_millis(200)).await;
        assert_eq!(consumer.values(&one, first).len(), 10);
        consumer.controls.pause(&one, false);
        consumer.until("it goes on", |consumer| consumer.values(&one, first).len() == 20).await;
        assert_eq!(consumer.values(&one, first), texts(0..20));
        consumer.controls.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survey_tells_commits_with_their_metadata_and_where_the_log_begins_and_ends() {
    for bed in Bed::all(2) {
        bed.produce(0, 0..7);
        let (one, two) = (TopicPartition::new(TOPIC, 0), TopicPartition::new(TOPIC, 1));
        let mut consumer = bed.source();
        consumer.controls.subscribe(true);
        consumer.until("both are assigned", |consumer| consumer.assigned.len() == 2).await;
        let commitment = Commitment { at: one.clone(), offset: 3, metadata: "egw1;a note".into() };
        consumer.controls.commit(vec![commitment]).await.unwrap();
        let asked = [two.clone(), one.clone()];
        let surveys = consumer.controls.survey(&asked, Start::Latest).await.unwrap();
        assert_eq!((&surveys[0].at, &surveys[1].at), (&two, &one));
        let committed = surveys[1].committed.clone().unwrap();
        assert_eq!((committed.offset, committed.metadata.as_str()), (3, "egw1;a note"));
        assert_eq!(surveys[0].committed, None);
        assert_eq!(surveys[0].siblings, ["egw1;a note"]);
        assert!(surveys[1].siblings.is_empty());
        assert_eq!((surveys[1].log_start, surveys[1].log_end, surveys[1].start), (0, 7, Some(7)));
        assert_eq!(surveys[1].partitions, 2);
        // The mock cluster can't be asked for topic ids.
        assert_eq!(surveys[1].topic_id.is_empty(), matches!(bed, Bed::Kafka(..)));
        assert!(!surveys[1].cluster_id.is_empty());
        assert_eq!(consumer.controls.topic_id(TOPIC).await.unwrap(), surveys[1].topic_id);
        for (start, offset) in [(Start::Earliest, Some(0)), (Start::Error, None)] {
            assert_eq!(consumer.controls.survey(std::slice::from_ref(&one), start).await.unwrap()[0].start, offset);
        }
        consumer.controls.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_shared_with_who_joins_and_come_back_at_once_from_who_closes() {
    for bed in Bed::all(4) {
        let mut one = bed.source();
        one.controls.subscribe(true);
        one.until("all are assigned", |one| one.assigned.len() == 4).await;
        let mut two = bed.source();
        two.controls.subscribe(true);
        let deadline = Instant::now() + Duration::from_secs(30);
        while one.assigned.len() != 2 || two.assigned.len() != 2 {
            assert!(Instant::now() < deadline, "never shared: {:?} and {:?}", one.assigned, two.assigned);
            one.pass(Duration::from_millis(50)).await;
            two.pass(Duration::from_millis(50)).await;
        }
        assert!(one.assigned.iter().all(|at| !two.assigned.contains(at)));
        let closing = Instant::now();
        one.controls.close().await;
        assert!(closing.elapsed() < Duration::from_secs(3), "{:?}", closing.elapsed());
        two.until("the other has all", |two| two.assigned.len() == 4).await;
        assert!(closing.elapsed() < Duration::from_secs(10), "{:?}", closing.elapsed());
        two.controls.subscribe(false);
        two.until("everything is revoked", |two| two.assigned.is_empty()).await;
        two.controls.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_nobody_answers_gives_up_in_bounded_time() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 2, 1).unwrap();
    let client = Client { bootstrap: cluster.bootstrap_servers(), ..Client::default() };
    let revoke_within = Duration::from_millis(500);
    let options = Options { protocol: Protocol::Classic, revoke_within, ..Options::new(client, "group", &[TOPIC]) };
    let mut silent = KafkaSource::new(options).unwrap();
    silent.controls().subscribe(true);
    let assigned = tokio::time::timeout(Duration::from_secs(30), silent.next(true)).await.unwrap();
    assert!(matches!(assigned, Some(Signal::Assigned(partitions)) if partitions.len() == 2));
    let bed = Bed::Kafka(cluster, Protocol::Classic);
    let mut other = bed.source();
    other.controls.subscribe(true);
    other.until("the other gets its share", |other| other.assigned.len() == 1).await;
    other.controls.close().await;
    silent.controls().close().await;
}
