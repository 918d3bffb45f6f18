//! What the tests share: one broker, members of groups, and topics of their own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use events_gateway_harness::kafka::Settings;
use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::{Kafka, wait};
use events_gateway_operator_kafka::lag::Readers;
use events_gateway_operator_kafka::{Client, Cluster, Group, Limits, Protocol};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaResult;
use tokio::sync::OnceCell;

/// For whatever is expected to happen soon on a machine that is busy.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

static KAFKA: OnceCell<Kafka> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) async fn kafka() -> &'static Kafka {
    let settings = Settings { secured: true, ..Settings::default() };
    KAFKA.get_or_try_init(|| Kafka::with(&settings)).await.expect("a broker")
}

pub(crate) fn client(bootstrap: String) -> Client {
    // Names of this machine may mean addresses of both families, and the broker listens on one.
    let further = [("broker.address.family".to_owned(), "v4".to_owned())].into();
    Client { bootstrap, further, ..Client::default() }
}

/// Bounds for a machine that is busy compiling.
pub(crate) fn limits() -> Limits {
    Limits { call: Duration::from_secs(30), tokens_from_this_machine: true, ..Limits::default() }
}

pub(crate) fn cluster(kafka: &Kafka) -> Cluster {
    Cluster::new(&client(kafka.bootstrap()), limits()).expect("a client")
}

/// A name that no other test has.
pub(crate) fn name(stem: &str) -> String {
    format!("{stem}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(crate) fn readers(group: &str, topics: &[&str]) -> Readers {
    [(group.to_owned(), set(topics))].into()
}

/// When the first record was written: an hour ago. Brokers delete what is older than a week, some 30 s after they start.
pub(crate) static SINCE: LazyLock<i64> = LazyLock::new(|| now() - 3_600_000);

/// ms since 1970.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis();
    i64::try_from(now).expect("a time")
}

/// Records 0, 1, … of one partition, a second apart from [`SINCE`].
pub(crate) async fn produce(kafka: &Kafka, topic: &str, partition: i32, count: i64) {
    let producer = kafka.producer().expect("a producer");
    for number in 0..count {
        let record = Record {
            value: number.to_string().into_bytes(),
            partition: Some(partition),
            timestamp: Some(*SINCE + number * 1_000),
            ..Record::default()
        };
        producer.send(topic, &record).await.expect("Kafka takes it");
    }
}

/// A member of a group, until dropped.
pub(crate) struct Joined {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Joined {
    /// Joins, and commits the end of what it reads with metadata, as a gateway does.
    pub(crate) fn new(kafka: &Kafka, protocol: Protocol, group: &str, topic: &str) -> Self {
        let mut config = kafka.client();
        config
            .set("client.id", "a-member")
            .set("group.id", group)
            .set("group.protocol", protocol.as_str())
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest");
        if protocol == Protocol::Classic {
            config.set("session.timeout.ms", "6000");
        }
        let consumer: BaseConsumer = config.create().expect("a consumer");
        consumer.subscribe(&[topic]).expect("subscribes");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut owes = false;
            while !stopped.load(Ordering::Relaxed) {
                owes |= consumer.poll(Duration::from_millis(50)).is_some();
                // A commit may fail while the group is being put together, and no other record may come to make it good.
                owes = owes && commit(&consumer).is_err();
            }
        });
        Self { stop, thread: Some(thread) }
    }

    /// Leaves, and waits until the group knows.
    pub(crate) async fn leave(mut self, cluster: &Cluster, group: &str) {
        self.end();
        until_group(cluster, group, "empty", Group::is_empty).await;
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the member ends");
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.end();
    }
}

/// Commits all positions, with metadata.
fn commit(consumer: &BaseConsumer) -> KafkaResult<()> {
    let list = consumer.position()?;
    let places: Vec<_> = list.elements().iter().map(|one| (one.topic().to_owned(), one.partition())).collect();
    for (topic, partition) in places {
        list.find_partition(&topic, partition).expect("it is there").set_metadata("mine");
    }
    consumer.commit(&list, CommitMode::Sync)
}

pub(crate) async fn group(cluster: &Cluster, group: &str) -> Group {
    let mut groups = cluster.groups(set(&[group])).await.expect("an answer");
    groups.remove(group).expect("the group").expect("its description")
}

pub(crate) async fn until_group(cluster: &Cluster, name: &str, what: &str, is: impl Fn(&Group) -> bool) -> Group {
    wait::until(&format!("{name} to be {what}"), BOUND, || async {
        Ok(Some(group(cluster, name).await).filter(|group| is(group)))
    })
    .await
    .expect("it becomes so")
}

/// Waits until a group has committed all that there is of a topic with two partitions.
pub(crate) async fn until_committed(kafka: &Kafka, group: &str, topic: &str, ends: &[Option<i64>]) {
    let partitions = i32::try_from(ends.len()).expect("few");
    wait::until(&format!("{group} to have committed {ends:?}"), BOUND, || async {
        Ok((kafka.committed(group, topic, partitions).await? == ends).then_some(()))
    })
    .await
    .expect("it commits");
}
