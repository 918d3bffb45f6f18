//! A client that stops reading for a while: nothing grows without bound, and nothing is lost without being told.

use std::collections::BTreeSet;
use std::time::Duration;

use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::sse::{Client, Event, Options, Parser};
use events_gateway_harness::wait;
use events_gateway_suites::platform::{Plan, Platform, events_of};
use events_gateway_suites::turn;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const BOUND: Duration = Duration::from_secs(60);
const EVENTS: u64 = 4_000;
const KEYS: u64 = 10;
/// Of each event: more than a second's worth of them fits no socket's buffers.
const BYTES: usize = 4 << 10;

/// A stream that reads only when it is told to.
struct Sleeper {
    socket: TcpStream,
    head: Vec<u8>,
    parser: Parser,
    events: Vec<Event>,
}

impl Sleeper {
    async fn open(platform: &Platform, channel: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Small beside what it sleeps through, large enough to catch up quickly.
        socket.set_recv_buffer_size(64 << 10).expect("a buffer");
        let mut socket = socket.connect(platform.gateways[0].public()).await.expect("the gateway accepts");
        // HTTP/1.0: the body is the stream itself, without chunks.
        let request = format!("GET {} HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n", events_of(&[channel]));
        socket.write_all(request.as_bytes()).await.expect("the request is taken");
        let mut sleeper = Self { socket, head: Vec::new(), parser: Parser::default(), events: Vec::new() };
        sleeper.read_until(|events| events.iter().any(|event| event.kind == "gateway.open")).await;
        sleeper
    }

    /// Reads until `enough` has come, or the end.
    async fn read_until(&mut self, enough: impl Fn(&[Event]) -> bool) {
        let mut buffer = vec![0; 64 << 10];
        while !enough(&self.events) {
            let read = timeout(BOUND, self.socket.read(&mut buffer)).await;
            let count = read.unwrap_or_else(|_| panic!("after {:?}", self.events.last())).expect("a stream");
            if count == 0 {
                return;
            }
            let mut part = &buffer[..count];
            if !self.head.ends_with(b"\r\n\r\n") {
                self.head.extend_from_slice(part);
                let Some(end) = self.head.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
                let body = self.head.split_off(end + 4);
                part = &part[part.len() - body.len()..];
            }
            self.parser.feed(part, |event| self.events.push(event));
        }
    }

    fn numbers(&self) -> Vec<u64> {
        numbers(&self.events)
    }

    fn told(&self, kind: &str) -> Vec<Value> {
        let told = self.events.iter().filter(|event| event.kind == kind);
        told.map(|event| serde_json::from_str(&event.data).expect("JSON")).collect()
    }
}

fn numbers(events: &[Event]) -> Vec<u64> {
    let published = events.iter().filter(|event| event.kind == "note");
    published
        .map(|event| event.data.split(' ').next().and_then(|number| number.parse().ok()).expect("a number"))
        .collect()
}

fn is_last(events: &[Event]) -> bool {
    numbers(events).last() == Some(&EVENTS)
}

/// Publishes all events to all channels, and waits until the reader has had so many altogether.
async fn flood(platform: &Platform, channels: &[&str], reader: &Client, share: usize) {
    let producer = platform.kafka.producer().expect("a producer");
    let padding = "x".repeat(BYTES);
    for number in 1..=EVENTS {
        let (key, data) = ((number % KEYS).to_string(), format!("{number} {padding}"));
        let envelope = json!({ "type": "note", "channels": channels, "key": key, "data": data });
        let sent = producer.enqueue(platform.topic(), &Record::json("one", &envelope)).expect("there is room");
        if number % 50 == 0 {
            sent.await.expect("Kafka takes it");
        }
    }
    let read = wait::until_true("the reader to have all", BOUND, || {
        let history = reader.history();
        history.events.iter().filter(|received| received.event.kind == "note").count() >= share
    });
    read.await.expect("who reads gets all");
}

/// What stays resident, in bytes: what was on its way a moment ago (the Kafka client's reading ahead, calls to Redis) depends
/// on the machine's mood, and is let go of.
async fn resident(platform: &Platform) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..20 {
        least = least.min(platform.gateways[0].usage().expect("it runs").resident);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    least
}

/// One replica with a policy for each family of channels.
async fn platform() -> Platform {
    let overlay = json!({
        // Longer than these clients sleep: the policy is to act, not the socket's time-out.
        "streams": { "peerTimeout": "60s", "heartbeat": "5s", "maxPendingBytes": 2_097_152 },
        // Small rings: beside them, what sleepers leave unread would be seen.
        "channels": { "retention": { "events": 10_000 }, "ringBytes": 2_097_152, "overflow": [
            { "pattern": "cut:*", "policy": "disconnect" },
            { "pattern": "oldest:*", "policy": "drop-oldest" },
            { "pattern": "latest:*", "policy": "latest-per-key" },
        ] },
    });
    let plan = Plan { replicas: 1, partitions: 1, overlay, ..Plan::default() };
    Platform::start("overflow", &plan).await.expect("the platform starts")
}

async fn sleepers(platform: &Platform, channels: [&str; 3]) -> [Sleeper; 3] {
    let mut sleepers = Vec::new();
    for channel in channels {
        sleepers.push(Sleeper::open(platform, channel).await);
    }
    <[Sleeper; 3]>::try_from(sleepers).ok().expect("three of them")
}

/// Resident memory varies by 45 MiB from one flood to the next, sleepers or none: the Kafka client and the allocators keep
/// what they had. So clients sleep through so much that any single one's share, were it held for it, would stand out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sleeping_clients_leave_unread_is_not_held_for_them() {
    const FLOODS: usize = 6;
    const SHARE: usize = FLOODS * EVENTS as usize * BYTES;
    let _turn = turn::take().await;
    let platform = platform().await;
    let public = platform.gateways[0].public();
    // What Kafka's and Redis's clients hold while so much passes; rings are as full as they get.
    let warm = ["cut:0", "oldest:0", "latest:0"];
    let first = Client::opened(Options::new(public, events_of(&warm[..1])), BOUND).await.expect("the stream opens");
    flood(&platform, &warm, &first, EVENTS as usize).await;
    drop(first);
    let before = resident(&platform).await;

    let channels = ["cut:1", "oldest:1", "latest:1"];
    let quick = Client::opened(Options::new(public, events_of(&channels[..1])), BOUND).await.expect("the stream opens");
    let _sleepers = sleepers(&platform, channels).await;
    for round in 1..=FLOODS {
        flood(&platform, &channels, &quick, round * EVENTS as usize).await;
    }
    let grown = resident(&platform).await.saturating_sub(before);
    println!("each of three slept through {} MiB; memory grew by {} KiB", SHARE >> 20, grown >> 10);
    assert!((grown as usize) < SHARE * 2 / 3, "{} MiB are held", grown >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_dealt_with_by_the_policy_and_told() {
    let _turn = turn::take().await;
    let platform = platform().await;
    let public = platform.gateways[0].public();
    let channels = ["cut:1", "oldest:1", "latest:1"];
    let quick = Client::opened(Options::new(public, events_of(&["cut:1"])), BOUND).await.expect("the stream opens");
    let [mut cut, mut oldest, mut latest] = sleepers(&platform, channels).await;
    flood(&platform, &channels, &quick, EVENTS as usize).await;
    assert_eq!(numbers(&quick.published()), (1..=EVENTS).collect::<Vec<_>>(), "nobody waits for the slow");

    // disconnect: all up to some point, the reason, and the rest after a reconnect.
    cut.read_until(|events| events.iter().any(|event| event.kind == "gateway.closing")).await;
    let closing = cut.told("gateway.closing");
    assert_eq!((&closing[0]["reason"], &closing[0]["retryable"]), (&json!("overflow"), &json!(true)));
    let mut seen = cut.numbers();
    assert!(seen.len() < EVENTS as usize, "it was too slow");
    let options = Options {
        last_event_id: cut.events.iter().rev().find(|event| event.kind == "note").expect("some").id.clone(),
        ..Options::new(platform.gateways[0].public(), events_of(&["cut:1"]))
    };
    let resumed = Client::opened(options, BOUND).await.expect("the stream opens");
    let rest = EVENTS as usize - seen.len();
    seen.extend(numbers(&resumed.wait_for_published(rest, BOUND).await.expect("the rest")));
    assert_eq!(seen, (1..=EVENTS).collect::<Vec<_>>(), "each once, in order, and no gap");
    assert!(resumed.events().iter().all(|event| event.kind != "gateway.gap"));

    // drop-oldest: in order, with one gap that counts exactly what is missing.
    oldest.read_until(is_last).await;
    let seen = oldest.numbers();
    assert!(seen.is_sorted() && seen.len() < EVENTS as usize);
    let gaps = oldest.told("gateway.gap");
    assert!(!gaps.is_empty() && gaps.iter().all(|gap| gap["reason"] == "overflow"), "{gaps:?}");
    let missing: Option<u64> = gaps.iter().map(|gap| gap["missing"].as_u64()).sum();
    // A gap that reaches below what is in memory can't count.
    assert!(missing.is_none_or(|missing| missing == EVENTS - seen.len() as u64), "{missing:?}: {} seen", seen.len());

    // latest-per-key: in order, gaps told, and of each key the newest.
    latest.read_until(is_last).await;
    let seen = latest.numbers();
    assert!(seen.is_sorted() && seen.len() < EVENTS as usize);
    assert!(!latest.told("gateway.gap").is_empty());
    let newest: BTreeSet<u64> = (EVENTS - KEYS + 1..=EVENTS).collect();
    assert!(newest.is_subset(&seen.iter().copied().collect()), "{:?}", &seen[seen.len().saturating_sub(20)..]);
    for (sleeper, is_by_key) in [(&oldest, false), (&latest, true)] {
        // Numbers are left out at a gap and nowhere else; by key, also between those that survived it.
        let mut last = 0;
        let mut told = false;
        for event in &sleeper.events {
            match event.kind.as_str() {
                "gateway.gap" => told = true,
                "note" => {
                    let number = numbers(std::slice::from_ref(event))[0];
                    assert!(number == last + 1 || told, "{number} follows {last} without a word");
                    last = number;
                    told &= is_by_key;
                }
                _ => {}
            }
        }
    }
}
