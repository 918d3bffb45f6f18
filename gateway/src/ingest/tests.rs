//! One consumer over the memory source and a backlog with planted failures, in paused time.

// The lint doesn't see that a guard is dropped by hand.
#![allow(clippy::await_holding_lock)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use events_gateway_core::envelope::{Command, Envelope, Reason, Rejection};
use events_gateway_core::{Channel, Event, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

mod fake;
mod losses;

use fake::Fake;

use super::resume::Mark;
use super::stamp::Stamp;
use super::{Ingest, Kind, Monitor, Options, Ports};
use crate::backlog::*;
use crate::source::memory::{MemoryLog, NewRecord};
use crate::source::{Start, TopicPartition};

/// A record's key names its channels, its value is the event's data; a value that isn't UTF-8 is undecodable.
fn decode(record: &events_gateway_core::record::Record<'_>) -> Result<Envelope, Rejection> {
    let value = record.value.and_then(|value| std::str::from_utf8(value).ok());
    let Some(value) = value else {
        return Err(Rejection { reason: Reason::Undecodable, detail: "the value isn't UTF-8".into() });
    };
    let key = std::str::from_utf8(record.key.unwrap_or_default()).unwrap();
    Ok(Envelope {
        channels: key.split(',').map(|name| Channel::parse(name).unwrap()).collect(),
        kind: "message".into(),
        data: Bytes::copy_from_slice(value.as_bytes()),
        time: record.time,
        attributes: BTreeMap::new(),
        id: None,
        scope: String::new(),
        key: None,
    })
}

struct Running {
    monitor: Monitor,
    stop: watch::Sender<bool>,
    control: watch::Sender<Control>,
    task: JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

fn options() -> Options {
    let kind = Kind::Events { decode: Arc::new(decode), public: None };
    // The wall clock follows the paused one, from a fixed day.
    let start = Instant::now();
    let clock = Arc::new(move || Timestamp(1_700_000_000_000 + start.elapsed().as_millis() as u64));
    Options { start: Start::Earliest, clock, ..Options::new("orders", "group", kind) }
}

fn start(log: &MemoryLog, fake: &Fake, options: Options) -> Running {
    let ports = Ports {
        backlog: Arc::new(fake.clone()),
        watermarks: Arc::new(fake.clone()),
        directory: Arc::new(fake.clone()),
        breaks: Arc::default(),
        dead_letters: Arc::new(fake.clone()),
    };
    let topics: Vec<Arc<str>> = if options.topics.is_empty() { vec!["t".into()] } else { options.topics.clone() };
    let topics: Vec<&str> = topics.iter().map(|topic| &**topic).collect();
    let ingest = Ingest::new(log.source(&options.group, &topics), ports, options);
    let monitor = ingest.monitor();
    let (stop, stopped) = watch::channel(false);
    let (control, controlled) = watch::channel(Control::default());
    let task = tokio::spawn(ingest.run(controlled, stopped));
    Running { monitor, stop, control, task }
}

/// Numbered records of the channel `a`.
fn produce_numbers(log: &MemoryLog, range: std::ops::Range<u64>) {
    for number in range {
        produce(log, 0, "a", &number.to_string());
    }
}

fn produce(log: &MemoryLog, partition: usize, key: &str, value: &str) -> u64 {
    let record = NewRecord { key: Some(key.as_bytes()), value: Some(value.as_bytes()), ..NewRecord::default() };
    log.produce("t", partition, &record)
}

fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Lets paused time run until it holds; fails after ten minutes of it.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn setup(partitions: usize) -> (MemoryLog, Fake, TopicPartition) {
    let log = MemoryLog::default();
    log.create_topic("t", partitions);
    (log, Fake::default(), TopicPartition::new("t", 0))
}

fn committed(log: &MemoryLog) -> Option<u64> {
    log.committed("group", &TopicPartition::new("t", 0)).map(|committed| committed.offset)
}

#[tokio::test(start_paused = true)]
async fn records_reach_their_channels_in_order_and_are_committed_only_when_old_enough() {
    let (log, fake, at) = setup(1);
    for number in 0..3_000 {
        produce(&log, 0, if number % 2 == 0 { "a,b" } else { "a" }, &number.to_string());
    }
    let running = start(&log, &fake, options());
    until("all are appended", || fake.data("a").len() == 3_000).await;
    assert_eq!(fake.data("a"), numbers(0..3_000));
    assert_eq!(fake.data("b").len(), 1_500);
    let appended = Instant::now();
    assert_eq!(committed(&log), Some(0), "the start, before the first record was handled");
    until("all are committed", || committed(&log) == Some(3_000)).await;
    assert!(appended.elapsed() >= Duration::from_millis(4_900), "{:?}", appended.elapsed());
    let stamp = Stamp::parse(&log.committed("group", &at).unwrap().metadata).unwrap();
    let key = (Mark::key("t", &stamp.topic_id, stamp.generation), 0);
    assert_eq!(fake.0.lock().marks[&key], 3_000, "the watermark stands at what is committed");
    let shared = fake.0.lock();
    assert_eq!(shared.overlaps, 0);
    assert!(shared.largest <= MAX_BATCH_EVENTS && shared.calls < 100, "{} calls", shared.calls);
    assert_eq!(running.monitor.counters().repeats.get(), 0);
    drop(shared);
    until("the status tells", || {
        let status = running.monitor.status();
        (status.partitions[0].lag, status.partitions[0].committed) == (0, 3_000)
    })
    .await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn while_the_backlog_is_away_everything_waits_and_it_heals_by_itself() {
    let (log, fake, _) = setup(2);
    let running = start(&log, &fake, Options { max_records: 3_000, held_records: 1_000, ..options() });
    produce(&log, 0, "a", "0");
    until("the first is appended", || fake.data("a").len() == 1).await;
    fake.0.lock().is_away = true;
    produce_numbers(&log, 1..10_000);
    sleep(Duration::from_secs(120)).await;
    assert!(committed(&log) <= Some(1));
    // At this moment it may be trying once more.
    until("it is held", || running.monitor.status().partitions[0].phase == super::counters::Phase::Held).await;
    let status = running.monitor.status();
    assert!(status.partitions[0].waiting <= 3_500, "bounded: {}", status.partitions[0].waiting);
    fake.0.lock().is_away = false;
    until("all are appended", || fake.data("a").len() == 10_000).await;
    assert_eq!(fake.data("a"), numbers(0..10_000));
    assert_eq!(fake.0.lock().breaks, 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_topic_rests_no_other_and_flows_once_it_is_allowed() {
    let (log, fake, _) = setup(1);
    log.create_topic("secret", 2);
    log.forbid("secret", true);
    let record = |value| NewRecord { key: Some(b"b"), value: Some(value), ..NewRecord::default() };
    log.produce("secret", 1, &record(b"0"));
    let running = start(&log, &fake, Options { topics: vec!["t".into(), "secret".into()], ..options() });
    for number in 0..20 {
        produce(&log, 0, "a", &number.to_string());
        sleep(Duration::from_millis(500)).await;
    }
    until("the other flows", || fake.data("a") == numbers(0..20)).await;
    assert!(fake.data("b").is_empty());
    log.forbid("secret", false);
    until("both flow", || fake.data("b") == ["0"]).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_permanent_refusal_buries_only_what_was_refused_and_names_the_channels_owed() {
    let (log, fake, _) = setup(1);
    fake.0.lock().delay = Duration::from_millis(10);
    fake.0.lock().refused.insert(b"17".to_vec());
    for number in 0..40 {
        produce(&log, 0, if number == 17 { "a,b" } else { "a" }, &number.to_string());
    }
    let undecodable = NewRecord { key: Some(b"a"), value: Some(b"\xFF"), ..NewRecord::default() };
    log.produce("t", 0, &undecodable);
    produce(&log, 0, "a", "41");
    let running = start(&log, &fake, options());
    until("all are committed", || committed(&log) == Some(42)).await;
    let expected: Vec<String> = numbers(0..42).into_iter().filter(|one| one != "17" && one != "40").collect();
    assert_eq!(fake.data("a"), expected);
    let shared = fake.0.lock();
    assert_eq!(shared.buried.len(), 2);
    let refused = shared.buried.iter().find(|letter| letter.rejection.reason == Reason::Refused).unwrap();
    let mut owed: Vec<&str> = refused.owed.iter().map(Channel::as_str).collect();
    owed.sort_unstable();
    assert_eq!((refused.record.offset, owed), (17, vec!["a", "b"]));
    let broken = shared.buried.iter().find(|letter| letter.rejection.reason == Reason::Undecodable).unwrap();
    assert_eq!((broken.record.offset, broken.owed.len(), broken.binding.as_str()), (40, 0, "orders"));
    drop(shared);
    assert_eq!(running.monitor.counters().dead_letters[0].get(), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn all_gets_one_event_per_record_in_order_after_the_others() {
    let (log, fake, _) = setup(1);
    fake.0.lock().delay = Duration::from_millis(3);
    for number in 0..500 {
        produce(&log, 0, ["a,b", "b", "secret", "c,secret"][number % 4], &number.to_string());
    }
    let public: super::IsPublic = Arc::new(|channel| channel.as_str() != "secret");
    let kind = Kind::Events { decode: Arc::new(decode), public: Some(public) };
    let running = start(&log, &fake, Options { kind, ..options() });
    until("all are committed", || committed(&log) == Some(500)).await;
    let expected: Vec<String> = (0..500).filter(|number| number % 4 != 2).map(|number| number.to_string()).collect();
    assert_eq!(fake.data("all"), expected);
    let shared = fake.0.lock();
    let named: Vec<&str> = shared.channels["all"][..3].iter().map(|event| &*event.attributes["channels"]).collect();
    assert_eq!(named, ["a,b", "b", "c"]);
    drop(shared);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn partitions_are_handed_over_promptly_and_nothing_is_lost_or_repeated() {
    let (log, fake, _) = setup(4);
    fake.0.lock().delay = Duration::from_millis(5);
    let one = start(&log, &fake, options());
    let mut number = 0;
    let mut more = |count: u64| {
        for _ in 0..count {
            produce(&log, (number % 4) as usize, &format!("c{}", number % 4), &number.to_string());
            number += 1;
        }
    };
    more(1_000);
    sleep(Duration::from_millis(30)).await;
    let two = start(&log, &fake, options());
    more(1_000);
    until("the second has its share", || two.monitor.status().partitions.len() == 2).await;
    more(1_000);
    sleep(Duration::from_millis(30)).await;
    let stopping = Instant::now();
    one.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(1), "{:?}", stopping.elapsed());
    more(1_000);
    until("all are appended", || (0..4).all(|channel| fake.data(&format!("c{channel}")).len() == 1_000)).await;
    for channel in 0..4 {
        let expected: Vec<String> = (0..1_000).map(|index| (index * 4 + channel).to_string()).collect();
        assert_eq!(fake.data(&format!("c{channel}")), expected);
    }
    assert_eq!(fake.0.lock().breaks, 0);
    two.stop().await;
}

#[tokio::test(start_paused = true)]
async fn shutting_down_gives_up_on_calls_that_hang() {
    let (log, fake, _) = setup(1);
    fake.0.lock().delay = Duration::from_secs(3_600);
    produce(&log, 0, "a", "0");
    let running = start(&log, &fake, options());
    until("a call is out", || fake.0.lock().calls == 1).await;
    let stopping = Instant::now();
    running.stop().await;
    assert!(stopping.elapsed() <= Duration::from_secs(3), "{:?}", stopping.elapsed());
    assert_eq!(committed(&log), Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_paused_group_is_left_and_joined_again() {
    let (log, fake, _) = setup(2);
    let running = start(&log, &fake, options());
    produce(&log, 0, "a", "0");
    until("it flows", || fake.data("a").len() == 1).await;
    running.control.send_replace(Control { paused: true, breaks: 7 });
    until("it has left", || running.monitor.status().partitions.is_empty()).await;
    produce(&log, 0, "a", "1");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.data("a").len(), 1);
    assert!(running.monitor.status().paused);
    running.control.send_replace(Control { paused: false, breaks: 7 });
    until("it flows again", || fake.data("a").len() == 2).await;
    assert_eq!(fake.0.lock().breaks_of_batches.last(), Some(&Breaks::of("group", 7)));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_leaves_the_group_with_everything_committed_that_was_read() {
    let (log, fake, _) = setup(1);
    produce_numbers(&log, 0..20);
    let running = start(&log, &fake, options());
    until("some are appended", || !fake.data("a").is_empty()).await;
    running.control.send_replace(Control { paused: true, breaks: 0 });
    until("it has left", || running.monitor.status().partitions.is_empty()).await;
    let read = fake.data("a").len();
    assert_eq!(committed(&log), Some(read as u64));
    running.control.send_replace(Control { paused: false, breaks: 0 });
    until("all are appended, each once", || fake.data("a").len() == 20).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_taken_back_at_once_is_none() {
    let (log, fake, _) = setup(1);
    let running = start(&log, &fake, options());
    produce(&log, 0, "a", "0");
    until("it flows", || fake.data("a").len() == 1).await;
    running.control.send_replace(Control { paused: true, breaks: 0 });
    sleep(Duration::from_secs(1)).await;
    produce(&log, 0, "a", "1");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fake.data("a").len(), 1, "nothing more is read");
    running.control.send_replace(Control { paused: false, breaks: 0 });
    until("it flows again", || fake.data("a").len() == 2).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_start_nothing_is_read_until_somebody_sets_the_offsets() {
    let (log, fake, at) = setup(1);
    produce(&log, 0, "a", "0");
    let running = start(&log, &fake, Options { start: Start::Error, ..options() });
    until("it says so", || running.monitor.status().trouble.is_some()).await;
    sleep(Duration::from_secs(30)).await;
    assert!(fake.data("a").is_empty() && committed(&log).is_none());
    log.set_committed("group", &at, Some(crate::source::Committed { offset: 0, metadata: String::new() }));
    until("it reads", || fake.data("a").len() == 1).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_consumer_without_records_forgets_its_trouble_once_that_is_over() {
    let (log, fake, _) = setup(1);
    log.set_away(true);
    let running = start(&log, &fake, options());
    until("it complains", || running.monitor.status().trouble.is_some()).await;
    log.set_away(false);
    until("it complains no longer", || running.monitor.status().trouble.is_none()).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn commands_are_carried_out_in_order_and_committed() {
    let (log, fake, _) = setup(1);
    let decode = |record: &events_gateway_core::record::Record<'_>| {
        let channels = vec![Channel::parse("user:1").unwrap(), Channel::parse("user:2").unwrap()];
        match record.value {
            Some(b"connect") => Ok(Command::Connect { channels }),
            Some(b"disconnect") => Ok(Command::Disconnect { channels, before: record.time }),
            _ => Err(Rejection { reason: Reason::Undecodable, detail: "no such command".into() }),
        }
    };
    for (time, command) in [(5, &b"connect"[..]), (6, b"disconnect"), (7, b"dance"), (8, b"disconnect")] {
        log.produce("t", 0, &NewRecord { time: Timestamp(time), value: Some(command), ..NewRecord::default() });
    }
    let kind = Kind::Commands { decode: Arc::new(decode) };
    let running = start(&log, &fake, Options { kind, ..options() });
    until("all are committed", || committed(&log) == Some(4)).await;
    let shared = fake.0.lock();
    assert_eq!(shared.kept, ["user:1", "user:2"]);
    let of_one: Vec<_> = shared.closed.iter().filter(|(name, _)| name == "user:1").map(|(_, time)| time.0).collect();
    assert_eq!((of_one, shared.closed.len(), shared.buried.len()), (vec![6, 8], 4, 1));
    drop(shared);
    running.stop().await;
}

/// Random outages, failovers with lost tails, rebalances and source outages: every channel holds every record of its
/// partitions, in order, once.
#[tokio::test(start_paused = true)]
async fn under_random_faults_nothing_is_lost_repeated_or_reordered() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    for seed in 0..20u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let (log, fake, _) = setup(3);
        fake.0.lock().delay = Duration::from_millis(random.random_range(0..30));
        let mut running = vec![start(&log, &fake, options())];
        let mut written = [0u64; 3];
        // What a promoted server may have lost: at most the last 2 s, while 5 s are waited before a commit.
        let mut old_marks = Offsets::new();
        for _ in 0..60 {
            for _ in 0..random.random_range(0..200) {
                let partition = random.random_range(0..3);
                let channel = format!("p{partition}:{}", random.random_range(0..3));
                produce(&log, partition, &format!("{channel},p{partition}"), &written[partition].to_string());
                written[partition] += 1;
            }
            match random.random_range(0..12) {
                0 => fake.0.lock().is_away = true,
                1 => log.set_away(true),
                2 if running.len() < 3 => running.push(start(&log, &fake, options())),
                3 if running.len() > 1 => running.swap_remove(0).stop().await,
                4 if running.len() > 1 => {
                    let killed = running.swap_remove(0);
                    killed.task.abort();
                    let _ = killed.task.await;
                }
                5 => {
                    let lost = random.random_range(0..30);
                    // Tails lost must be younger than the marks: only what was appended since.
                    let marks = fake.0.lock().marks.clone();
                    let safe = lost_within(&fake, &marks, lost);
                    fake.fail_over(safe, if random.random_bool(0.5) { marks } else { merged(&old_marks, &marks) });
                }
                _ => {
                    fake.0.lock().is_away = false;
                    log.set_away(false);
                }
            }
            old_marks = fake.0.lock().marks.clone();
            sleep(Duration::from_millis(random.random_range(0..3_000))).await;
        }
        fake.0.lock().is_away = false;
        log.set_away(false);
        // Each record addresses two channels; the second may come a moment after the first.
        let is_complete = || {
            (0..3).all(|one| {
                let parts: usize = (0..3).map(|channel| fake.data(&format!("p{one}:{channel}")).len()).sum();
                fake.data(&format!("p{one}")).len().min(parts) as u64 >= written[one]
            })
        };
        until(&format!("seed {seed}: all are appended"), is_complete).await;
        for (partition, written) in written.iter().enumerate() {
            assert_eq!(fake.data(&format!("p{partition}")), numbers(0..*written), "seed {seed}");
            let mut parts: Vec<u64> = Vec::new();
            for channel in 0..3 {
                let part: Vec<u64> =
                    fake.data(&format!("p{partition}:{channel}")).iter().map(|one| one.parse().unwrap()).collect();
                assert!(part.is_sorted_by(|a, b| a < b), "seed {seed}: order within a channel");
                parts.extend(part);
            }
            parts.sort_unstable();
            assert_eq!(parts, (0..*written).collect::<Vec<_>>(), "seed {seed}");
        }
        assert_eq!(fake.0.lock().overlaps, 0, "seed {seed}");
        assert_eq!(fake.0.lock().breaks, 0, "seed {seed}");
        for one in running {
            one.stop().await;
        }
    }
}

/// How many events every channel can lose without one below the watermark among them.
fn lost_within(fake: &Fake, marks: &Offsets, most: usize) -> usize {
    let shared = fake.0.lock();
    let above = |event: &Arc<Event>| {
        let origin = &event.origin;
        let partition: i32 = origin.source.as_str().rsplit('/').next().unwrap().parse().unwrap();
        let life = format!(";{}", origin.generation.0);
        let mark = marks.iter().find(|((key, at), _)| *at == partition && key.ends_with(&life));
        mark.is_some_and(|(_, offset)| origin.place >= *offset)
    };
    let losable = shared.channels.values().map(|events| events.iter().rev().take_while(|event| above(event)).count());
    losable.min().unwrap_or(0).min(most)
}

/// The older marks, and those newer that the older don't have (a partition's first mark is never lost alone).
fn merged(older: &Offsets, newer: &Offsets) -> Offsets {
    let mut all = newer.clone();
    all.extend(older.clone());
    all
}

/// The whole way from Kafka (the mock cluster), in real time: every record once, in order, committed, then handed over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_kafka_every_record_reaches_its_channel_once_and_is_committed() {
    use crate::source::kafka::{KafkaSource, options::Client};
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
    const RECORDS: usize = 5_000;
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 3, 1).unwrap();
    let producer: ThreadedProducer<DefaultProducerContext> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
    for number in 0..RECORDS {
        let (key, value) = (format!("c{}", number % 50), number.to_string());
        let record = BaseRecord::to("t").partition((number % 3) as i32).key(&key).payload(&value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(10)).unwrap();
    let fake = Fake::default();
    let begin = || {
        let client = Client { bootstrap: cluster.bootstrap_servers(), ..Client::default() };
        let source = KafkaSource::new(crate::source::kafka::Options::new(client, "group", &["t"])).unwrap();
        let ports = Ports {
            backlog: Arc::new(fake.clone()),
            watermarks: Arc::new(fake.clone()),
            directory: Arc::new(fake.clone()),
            breaks: Arc::default(),
            dead_letters: Arc::new(fake.clone()),
        };
        let settle = Duration::from_millis(100);
        let mark_every = Duration::from_millis(100);
        let ingest = Ingest::new(source, ports, Options { settle, mark_every, ..options() });
        let monitor = ingest.monitor();
        let (stop, stopped) = watch::channel(false);
        let (control, controlled) = watch::channel(Control::default());
        let task = tokio::spawn(ingest.run(controlled, stopped));
        Running { monitor, stop, control, task }
    };
    let running = begin();
    let total = || fake.0.lock().channels.values().map(Vec::len).sum::<usize>();
    until("all are appended", || total() == RECORDS).await;
    let is_committed = || {
        let status = running.monitor.status();
        status.partitions.len() == 3
            && status.partitions.iter().all(|one| one.committed > 0 && one.committed == one.position)
    };
    until("all are committed", is_committed).await;
    let stopping = Instant::now();
    running.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(5), "{:?}", stopping.elapsed());
    let again = begin();
    until("it goes on", || again.monitor.status().partitions.iter().filter(|one| one.position > 0).count() == 3).await;
    producer.send(BaseRecord::to("t").partition(0).key("last").payload("last")).map_err(|(error, _)| error).unwrap();
    until("the new one is there", || fake.data("last") == ["last"]).await;
    assert_eq!(again.monitor.counters().records.get(), 1, "nothing is read again");
    again.stop().await;
    let shared = fake.0.lock();
    for (name, events) in shared.channels.iter().filter(|(name, _)| *name != "last") {
        for partition in 0..3 {
            let of = events.iter().filter(|event| event.origin.source.as_str().ends_with(&format!("/{partition}")));
            let places: Vec<u64> = of.map(|event| event.origin.place).collect();
            assert!(places.is_sorted_by(|a, b| a < b), "{name}");
        }
    }
    assert_eq!((shared.overlaps, shared.breaks), (0, 0));
}
