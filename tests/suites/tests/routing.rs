//! Records reach exactly the clients that they are for, whichever replica read them and whichever holds the stream.

use std::net::SocketAddr;
use std::time::Duration;

use events_gateway_harness::kafka::admin::{Producer, Record};
use events_gateway_harness::sse::{Client, Event, Options};
use events_gateway_harness::{LoadBalancer, http, wait};
use events_gateway_suites::platform::{Plan, Platform, events_of};
use events_gateway_suites::{config, turn};
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(60);

struct House {
    platform: Platform,
    producer: Producer,
    /// nginx, then every replica directly.
    doors: Vec<SocketAddr>,
    _nginx: LoadBalancer,
}

impl House {
    async fn start() -> Self {
        let overlay = json!({ "channels": { "all": true } });
        let plan = Plan { topics: 2, overlay, ..Plan::default() };
        let platform = Platform::start("routing", &plan).await.expect("the platform starts");
        let backends: Vec<_> = platform.gateways.iter().map(events_gateway_harness::Gateway::backend).collect();
        let nginx = LoadBalancer::nginx(&backends).await.expect("nginx starts");
        let mut doors = vec![nginx.address()];
        doors.extend(platform.addresses());
        let producer = platform.kafka.producer().expect("a producer");
        Self { platform, producer, doors, _nginx: nginx }
    }

    /// One client through every door.
    async fn clients(&self, channels: &[&str]) -> Vec<Client> {
        self.clients_of(&events_of(channels)).await
    }

    async fn clients_of(&self, target: &str) -> Vec<Client> {
        let mut clients = Vec::new();
        for door in &self.doors {
            clients.push(Client::opened(Options::new(*door, target), BOUND).await.expect("a stream opens"));
        }
        clients
    }

    async fn produce(&self, topic: usize, channels: &[&str], kind: &str, data: impl Into<Value>) {
        let envelope = json!({ "type": kind, "channels": channels, "data": data.into() });
        self.send(topic, &Record::json(channels[0], &envelope)).await;
    }

    async fn send(&self, topic: usize, record: &Record) {
        self.producer.send(&self.platform.config.topics[topic], record).await.expect("Kafka takes it");
    }
}

fn data(events: &[Event]) -> Vec<&str> {
    let mut data: Vec<&str> = events.iter().map(|event| event.data.as_str()).collect();
    data.sort_unstable();
    data
}

/// Waits for the last event, which everybody gets last, and compares what came before it; of each channel in order, of
/// several channels in any.
async fn expect(clients: &[Client], wanted: &[&str], last: &str) {
    let mut expected = wanted.to_vec();
    expected.push(last);
    expected.sort_unstable();
    for client in clients {
        let arrived = client
            .wait_for(&format!("{expected:?}"), BOUND, |history| {
                let seen = history.events.iter().filter(|received| !received.event.kind.starts_with("gateway."));
                seen.count() >= expected.len()
            })
            .await;
        arrived.expect("all that is expected");
        assert_eq!(data(&client.published()), expected, "{}", client.describe());
        assert!(client.history().violations.is_empty(), "{:?}", client.history().violations);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_reaches_exactly_the_clients_it_is_for() {
    let _turn = turn::take().await;
    let house = House::start().await;
    let alice = house.clients(&["user:alice", "everyone"]).await;
    let bob = house.clients(&["user:bob", "session:9f-b", "everyone"]).await;
    let process = house.clients(&["process:7", "everyone"]).await;
    let firehose = house.clients(&["all", "everyone"]).await;

    // Many keys and two topics, so that every replica reads some of them.
    for number in 0..12 {
        let topic = number % 2;
        house.produce(topic, &["user:alice"], "task.created", format!("alice-{number}")).await;
        house.produce(topic, &["user:bob"], "task.created", format!("bob-{number}")).await;
        house.produce(topic, &["session:9f-b"], "session.note", format!("session-{number}")).await;
        house.produce(topic, &["process:7"], "process.step", format!("process-{number}")).await;
        house.produce(topic, &["user:nobody-reads"], "task.created", format!("nobody-{number}")).await;
    }
    house.produce(0, &["user:alice", "process:7"], "task.done", "both").await;
    let all: Vec<String> = ["alice", "bob", "session", "process", "nobody"]
        .iter()
        .flat_map(|who| (0..12).map(move |number| format!("{who}-{number}")))
        .chain(["both".to_owned()])
        .collect();
    let of = |who: &[&str]| -> Vec<&str> {
        all.iter().map(String::as_str).filter(|text| who.iter().any(|who| text.starts_with(who))).collect()
    };
    // By now everything must have been delivered: what comes last can't overtake on other partitions.
    for (clients, count) in [(&alice, 13), (&bob, 24), (&process, 13), (&firehose, 61)] {
        for client in clients {
            client.wait_for_published(count, BOUND).await.expect("its events");
        }
    }
    house.produce(1, &["everyone"], "announcement", "last").await;
    expect(&alice, &of(&["alice", "both"]), "last").await;
    expect(&bob, &of(&["bob", "session"]), "last").await;
    expect(&process, &of(&["process", "both"]), "last").await;
    let mut everything = of(&[""]);
    everything.push("last");
    expect(&firehose, &everything, "last").await;

    // A channel's order is its partition's.
    for client in &alice {
        let numbers: Vec<String> = client.published().into_iter().map(|event| event.data).collect();
        let even: Vec<&String> = numbers.iter().filter(|text| text.ends_with(['0', '2', '4', '6', '8'])).collect();
        assert_eq!(even, ["alice-0", "alice-2", "alice-4", "alice-6", "alice-8", "alice-10"], "{numbers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_arrives_as_it_was_written() {
    let _turn = turn::take().await;
    let house = House::start().await;
    let clients = house.clients(&["user:carol"]).await;
    let envelopes = house.clients_of(&format!("{}&format=envelope", events_of(&["user:carol"]))).await;

    let unicode = "grüße 🦀 \u{200b}שלום 日本語 \u{feff} \u{2028} \u{85}";
    let large = "0123456789abcdef".repeat(65_536);
    let lines = [
        ("a\nb", "a\nb"),
        ("a\r\nb", "a\nb"),
        ("a\rb", "a\nb"),
        ("\n\nx\n", "\n\nx\n"),
        ("data: x\n\nid: 9", "data: x\n\nid: 9"),
    ];
    let json = json!({ "nested": { "list": [1, 2.5, null, "x"] }, "text": "a\nb" });

    house.produce(0, &["user:carol"], "note", unicode).await;
    house.produce(0, &["user:carol"], "note", large.as_str()).await;
    for (written, _) in lines {
        house.produce(0, &["user:carol"], "note", written).await;
    }
    house.produce(0, &["user:carol"], "note", json.clone()).await;
    let attributes = json!({ "sender": "laboratory-3", "mood": "🦀 grüße" });
    let envelope =
        json!({ "type": "note", "channels": ["user:carol"], "data": "with attributes", "attributes": attributes });
    house.send(0, &Record::json("user:carol", &envelope)).await;

    let count = lines.len() + 4;
    for client in &clients {
        let events = client.wait_for_published(count, BOUND).await.expect("all of it");
        assert_eq!(events[0].data, unicode);
        assert_eq!(events[1].data.len(), large.len());
        assert!(events[1].data == large, "1 MiB arrives byte for byte");
        for (event, (_, wanted)) in events[2..].iter().zip(lines) {
            assert_eq!(event.data, wanted);
        }
        let last = &events[count - 2];
        assert_eq!(last.json(), json);
        assert!(events.iter().all(|event| event.kind == "note"), "types are kept");
        assert!(client.history().violations.is_empty(), "{:?}", client.history().violations);
    }
    for client in &envelopes {
        let events = client.wait_for_published(count, BOUND).await.expect("all of it");
        let with_attributes = events[count - 1].json();
        assert_eq!(with_attributes["attributes"], attributes);
        assert_eq!(with_attributes["data"], "with attributes");
        assert_eq!(with_attributes["channel"], "user:carol");
        assert_eq!(with_attributes["type"], "note");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_back_later_gets_what_it_missed_from_another_replica() {
    let _turn = turn::take().await;
    let house = House::start().await;
    let target = events_of(&["user:dora", "process:8"]);
    let first = Client::opened(Options::new(house.doors[1], &target), BOUND).await.expect("a stream opens");
    for number in 0..10 {
        house.produce(0, &["user:dora"], "step", format!("d{number}")).await;
        house.produce(1, &["process:8"], "step", format!("p{number}")).await;
    }
    first.wait_for_published(20, BOUND).await.expect("all of it");
    let cursor = first.history().last_event_id.clone();
    assert!(cursor.len() <= 128, "{cursor}");
    assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte)), "{cursor}");
    drop(first);

    for number in 10..20 {
        house.produce(0, &["user:dora"], "step", format!("d{number}")).await;
        house.produce(1, &["process:8"], "step", format!("p{number}")).await;
    }
    for door in &house.doors[2..] {
        let options = Options { last_event_id: cursor.clone(), ..Options::new(*door, &target) };
        let client = Client::opened(options, BOUND).await.expect("a stream opens");
        let events = client.wait_for_published(20, BOUND).await.expect("what it missed");
        for prefix in ["d", "p"] {
            let wanted: Vec<String> = (10..20).map(|number| format!("{prefix}{number}")).collect();
            let seen: Vec<&str> =
                events.iter().map(|event| event.data.as_str()).filter(|text| text.starts_with(prefix)).collect();
            assert_eq!(seen, wanted);
        }
        let gaps = client.events().iter().filter(|event| event.kind == "gateway.gap").count();
        assert_eq!(gaps, 0, "{}", client.describe());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_delivered_goes_to_the_dead_letters_and_the_partition_goes_on() {
    let _turn = turn::take().await;
    let house = House::start().await;
    let clients = house.clients(&["user:erin"]).await;
    let broken = [
        b"{ no json".to_vec(),
        json!({ "type": "x", "channels": ["not a channel!"], "data": 1 }).to_string().into_bytes(),
        json!({ "type": "gateway.open", "channels": ["user:erin"], "data": 1 }).to_string().into_bytes(),
        json!({ "type": "x", "data": 1 }).to_string().into_bytes(),
        vec![0xff, 0xfe, 0x00],
    ];
    for value in &broken {
        let record = Record { key: Some("user:erin".to_owned()), value: value.clone(), ..Record::default() };
        house.send(0, &record).await;
    }
    house.produce(0, &["user:erin"], "note", "after").await;
    expect(&clients, &[], "after").await;
    let topic = house.platform.config.dead_letters.clone().expect("a topic of dead letters");
    let letters = house.platform.kafka.read(&topic, broken.len(), BOUND).await.expect("all of them");
    let mut values: Vec<&[u8]> = letters.iter().map(|letter| letter.value.as_slice()).collect();
    let mut wanted: Vec<&[u8]> = broken.iter().map(Vec::as_slice).collect();
    values.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(values, wanted, "values are kept");
    assert!(letters.iter().all(|letter| !letter.headers.is_empty()), "with the reason and where they came from");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_cannot_be_served_are_told_why() {
    let _turn = turn::take().await;
    let house = House::start().await;
    for target in [
        "/api/v1/events",
        "/api/v1/events?channels=",
        "/api/v1/events?channels=not%20a%20channel",
        "/api/v1/events?channels=a&nonsense=1",
    ] {
        let answer = http::get(house.doors[1], target).await.expect("an answer");
        assert_eq!(answer.status(), 400, "{target}: {}", answer.text());
        let kind = answer.head.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/problem+json"), "{target}: {kind}");
        assert!(answer.json().expect("JSON")["title"].is_string(), "{target}: {}", answer.text());
    }
    let gateway = &house.platform.gateways[0];
    for open in ["/live", "/ready", "/metrics"] {
        assert_eq!(http::get(gateway.admin(), open).await.expect("an answer").status(), 200, "{open}");
    }
    let locked = http::get(gateway.admin(), "/connections?channel=user:x").await.expect("an answer");
    assert_eq!(locked.status(), 401);
    let client =
        Client::opened(Options::new(gateway.public(), events_of(&["user:frank"])), BOUND).await.expect("opens");
    let request = http::Request::get("/connections?channel=user:frank")
        .header("Authorization", &format!("Bearer {}", config::ADMIN_TOKEN));
    wait::until("the connection to be listed", BOUND, || async {
        let answer = gateway.ask(&request).await?;
        anyhow::ensure!(answer.status() == 200, "{}", answer.text());
        Ok(answer.text().contains("user:frank").then_some(()))
    })
    .await
    .expect("it is listed");
    drop(client);
}
