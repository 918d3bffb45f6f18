//! Publishing over HTTP: what is taken is delivered, to exactly the clients that it is for, and once, whatever breaks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use events_gateway_harness::directory::Directory;
use events_gateway_harness::http::{self, Request};
use events_gateway_harness::sse::{Client, Options};
use events_gateway_publisher::{Event as PublisherEvent, Publisher};
use events_gateway_suites::platform::{Plan, Platform, events_of};
use events_gateway_suites::turn;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

const BOUND: Duration = Duration::from_secs(60);
const EVENTS: &str = "/api/v1/events";

async fn platform(publish: Value) -> Platform {
    // While partitions rest, more is published than a channel keeps otherwise.
    let overlay = json!({ "channels": { "retention": { "events": 20_000 } } });
    let plan = Plan { publish, overlay, ..Plan::default() };
    Platform::start("publishing", &plan).await.expect("the platform starts")
}

fn raw(media_type: &str, fields: &[(&str, &str)], body: &str) -> Request {
    let headers = [("Content-Type", media_type)].into_iter().chain(fields.iter().copied());
    Request {
        method: "POST".to_owned(),
        target: EVENTS.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: body.to_owned().into(),
    }
}

async fn taken(address: SocketAddr, request: &Request) -> Value {
    let answer = http::send(address, request).await.expect("an answer");
    assert_eq!(answer.status(), 202, "{}", answer.text());
    answer.json().expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_reaches_its_clients_on_every_replica_as_it_was_written() {
    let _turn = turn::share().await;
    let platform = platform(json!({})).await;
    let door = platform.balancer.address();
    let mut clients = Vec::new();
    for address in platform.addresses() {
        clients.push(Client::opened(Options::new(address, events_of(&["user:42"])), BOUND).await.expect("a stream"));
    }
    let other = Client::opened(Options::new(door, events_of(&["user:4"])), BOUND).await.expect("a stream");

    let place = taken(door, &raw("application/json", &[], r#"{"channels":["user:42"],"data":{"n": 1.0}}"#)).await;
    assert_eq!(place["topic"], *platform.topic());
    let batch = r#"[{"channels":["user:42"],"data":"2"},{"channels":["user:42"],"type":"note","data":3}]"#;
    taken(door, &raw("application/json", &[], batch)).await;
    let event = |number: u64| {
        format!(
            r#"{{"specversion":"1.0","id":"{number}","source":"/s","type":"note","channel":"user:42","data":{number}}}"#
        )
    };
    taken(door, &raw("application/cloudevents+json", &[], &event(4))).await;
    taken(door, &raw("application/cloudevents-batch+json", &[], &format!("[{},{}]", event(5), event(6)))).await;
    let fields = [
        ("ce-specversion", "1.0"),
        ("ce-id", "7"),
        ("ce-source", "/s"),
        ("ce-type", "note"),
        ("ce-channel", "user:42"),
    ];
    taken(door, &raw("application/json", &fields, "7")).await;
    let broadcast = json!({ "topic": "user:42", "type": "note", "data": 8 });
    taken(door, &Request::post("/api/v1/events/broadcast", &broadcast)).await;

    for client in &clients {
        let events = client.wait_for_published(8, BOUND).await.expect("all of it");
        let data: Vec<&str> = events.iter().map(|event| event.data.as_str()).collect();
        assert_eq!(data, [r#"{"n": 1.0}"#, "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!(events[0].kind, "message");
        assert!(events[2..].iter().all(|event| event.kind == "note"));
        assert!(client.history().violations.is_empty(), "{:?}", client.history().violations);
    }
    assert!(other.published().is_empty(), "{}", other.describe());
}

/// The fenced blocks of a language.
fn examples(language: &str) -> Vec<&'static str> {
    const PAGE: &str = include_str!("../../../docs/publishing.md");
    let fence = format!("```{language}\n");
    let blocks: Vec<_> = PAGE.split(fence.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty(), "no {language} on the page");
    blocks
}

/// Runs a program on an example, and gives what it prints.
async fn run(program: &str, arguments: &[&str], file: &str, example: &str, gateway: SocketAddr) -> String {
    let directory = Directory::new("example").expect("a directory");
    directory.write(file, example).expect("a file");
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .arg(file)
        .current_dir(directory.path())
        .env("GATEWAY", format!("http://{gateway}"))
        .output()
        .await
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program}: {printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_of_the_page_publishes() {
    let _turn = turn::share().await;
    let platform = platform(json!({})).await;
    let door = platform.balancer.address();
    let client = Client::opened(Options::new(door, events_of(&["user:42"])), BOUND).await.expect("a stream");
    let mut delivered = 0;
    for (program, arguments, file, language, events) in [
        ("bash", &[][..], "example.sh", "bash", 1),
        ("python3", &[][..], "example.py", "python", 2),
        // The same key as the first example's, for the same event: a repeat.
        ("go", &["run"][..], "example.go", "go", 0),
    ] {
        for example in examples(language) {
            let printed = run(program, arguments, file, example, door).await;
            assert!(printed.contains("offset"), "{printed}");
            delivered += events;
            client.wait_for_published(delivered, BOUND).await.expect("the example's events");
        }
    }
    taken(door, &Request::post(EVENTS, &json!({ "channels": ["user:42"], "data": "last" }))).await;
    let events = client.wait_for_published(delivered + 1, BOUND).await.expect("the last one");
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["order.paid", "order.paid", "order.shipped", "message"]);
}

/// One publisher that never gives up: what isn't taken is sent again, with the same key, to the next replica.
struct Persistent {
    channel: String,
    addresses: Vec<SocketAddr>,
    retried: Arc<AtomicU64>,
}

impl Persistent {
    async fn run(self, go_on: Arc<AtomicBool>) -> u64 {
        let mut number = 0;
        while go_on.load(Ordering::Relaxed) {
            number += 1;
            let event = json!({ "channels": [self.channel], "data": number });
            let key = format!("{}-{number}", self.channel);
            let request = Request::post(EVENTS, &event).header("Idempotency-Key", &key);
            // Every eighth answer is lost on the way: its publisher can't know that the event was taken.
            let answers = if number % 8 == 0 { 2 } else { 1 };
            for _ in 0..answers {
                self.until_taken(&request, number).await;
            }
            sleep(Duration::from_millis(5)).await;
        }
        number
    }

    async fn until_taken(&self, request: &Request, number: u64) {
        for attempt in 0.. {
            let address = self.addresses[(number as usize + attempt) % self.addresses.len()];
            let answer = timeout(Duration::from_secs(5), http::send(address, request)).await;
            match answer {
                Ok(Ok(answer)) if answer.status() == 202 => return,
                Ok(Ok(answer)) => assert_eq!(answer.status(), 503, "{}", answer.text()),
                _ => {}
            }
            self.retried.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(50)).await;
        }
    }
}

const LIBRARY: &str = "library";

async fn publish_by_library(publisher: Arc<Publisher>, go_on: Arc<AtomicBool>) -> u64 {
    let mut number = 0;
    while go_on.load(Ordering::Relaxed) {
        number += 1;
        let event = PublisherEvent::to(LIBRARY).data(&number).expect("a number is JSON");
        publisher.publish(event).expect("there is room");
        sleep(Duration::from_millis(5)).await;
    }
    number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_retries_through_restarted_brokers_and_killed_replicas_publishes_every_event_once() {
    let _turn = turn::take().await;
    let mut platform = platform(json!({ "timeout": "2s" })).await;
    let mut channels: Vec<String> = (0..6).map(|number| format!("order:{number}")).collect();
    let balancer = platform.balancer.address();
    let mut readers = Vec::new();
    for channel in &channels {
        let options = Options { give_up: false, ..Options::new(balancer, events_of(&[channel])) };
        readers.push(Client::opened(options, BOUND).await.expect("a stream opens"));
    }
    let go_on = Arc::new(AtomicBool::new(true));
    let retried = Arc::new(AtomicU64::new(0));
    let publishers: Vec<_> = channels
        .iter()
        .map(|channel| {
            let persistent =
                Persistent { channel: channel.clone(), addresses: platform.addresses(), retried: retried.clone() };
            tokio::spawn(persistent.run(go_on.clone()))
        })
        .collect();
    // The library, through the balancer; its events are numbered likewise.
    channels.push(LIBRARY.to_owned());
    let options = Options { give_up: false, ..Options::new(balancer, events_of(&[LIBRARY])) };
    readers.push(Client::opened(options, BOUND).await.expect("a stream opens"));
    let library = Arc::new(Publisher::new(&format!("http://{balancer}")).expect("a publisher"));
    let by_library = tokio::spawn(publish_by_library(library.clone(), go_on.clone()));

    let began = Instant::now();
    for round in 0..3 {
        sleep(Duration::from_secs(2)).await;
        platform.kafka.kill();
        sleep(Duration::from_millis(2_500)).await;
        platform.kafka.resume().await.expect("the broker comes back");
        sleep(Duration::from_secs(2)).await;
        platform.gateways[round].kill();
        sleep(Duration::from_secs(1)).await;
        platform.revive().await.expect("the replica comes back");
    }
    sleep(Duration::from_secs(2)).await;
    go_on.store(false, Ordering::Relaxed);
    let mut sent: Vec<u64> =
        join_all(publishers).await.into_iter().map(|sent| sent.expect("a publisher ends")).collect();
    sent.push(by_library.await.expect("the library's ends"));
    let flushing = library.clone();
    let flushed = tokio::task::spawn_blocking(move || flushing.flush(BOUND)).await.expect("it flushes");
    let counters = library.counters();
    assert_eq!(flushed, Ok(()), "{counters:?}");
    assert_eq!((counters.sent, counters.given_up), (sent[6], 0), "{counters:?}");

    for (reader, sent) in readers.iter().zip(&sent) {
        reader.wait_for_published(*sent as usize, BOUND).await.expect("every event is delivered");
    }
    // A repeat would come behind its event.
    let last = json!({ "channels": channels, "data": "last" });
    taken(balancer, &Request::post(EVENTS, &last)).await;
    let (mut delivered, mut repeated) = (0, 0);
    for (reader, sent) in readers.iter().zip(&sent) {
        let arrived = |history: &events_gateway_harness::sse::client::History| {
            history.events.last().is_some_and(|received| received.event.data == "last")
        };
        reader.wait_for("the last event", BOUND, arrived).await.expect("it comes");
        let mut expected: Vec<String> = (1..=*sent).map(|number| number.to_string()).collect();
        expected.push("last".to_owned());
        let data: Vec<String> = reader.published().into_iter().map(|event| event.data).collect();
        let mut times = BTreeMap::<&str, u64>::new();
        data.iter().for_each(|data| *times.entry(data).or_default() += 1);
        repeated += times.values().map(|times| times - 1).sum::<u64>();
        delivered += data.len();
        let gaps = reader.events().into_iter().filter(|event| event.kind == "gateway.gap").count();
        assert_eq!(gaps, 0, "{}", reader.describe());
        let differs = data.iter().zip(&expected).position(|(data, expected)| data != expected);
        assert_eq!((differs, data.len()), (None, expected.len()), "{}", reader.describe());
    }
    let mut skipped = 0.0;
    for gateway in &platform.gateways {
        skipped += gateway.metric("events_gateway_repeats_total", &[]).await.expect("a metric");
    }
    println!("the library: {counters:?}");
    let (events, retried) = (sent.iter().sum::<u64>(), retried.load(Ordering::Relaxed));
    println!(
        "publishing under faults: {events} events in {:.1} s, {retried} attempts failed, {} answers lost; \
         {skipped} repeats skipped by the replicas that live; delivered {delivered}, repeated {repeated}",
        began.elapsed().as_secs_f64(),
        sent[..6].iter().map(|sent| sent / 8).sum::<u64>(),
    );
    assert!(retried > 0 && skipped > 0.0, "nothing was tried");
}
