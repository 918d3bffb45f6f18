//! Publishing, with a Kafka in this process.

use rdkafka::mocking::MockCluster;

use super::*;
use crate::http::publish::Publishing;
use crate::publish::{self, Publisher};
use crate::source::kafka::options::Client;

/// A gateway that takes events of at most 2,000 bytes, 3 in a request of at most 4,000.
fn gateway(bootstrap: &str) -> Gateway {
    gateway_with(bootstrap, Duration::from_secs(60), None)
}

fn gateway_with(bootstrap: &str, timeout: Duration, rate: Option<u32>) -> Gateway {
    Gateway::start(wanted(bootstrap, timeout, rate))
}

fn wanted(bootstrap: &str, timeout: Duration, rate: Option<u32>) -> Wanted {
    let options = publish::Options {
        topic: "events".into(),
        max_record_bytes: 2_000,
        max_channels: 64,
        max_pending_bytes: 10_000,
        timeout,
        address_rate: rate.map(|rate| {
            let rate = rate.try_into().unwrap();
            crate::rate::Rate { per_second: rate, burst: rate }
        }),
        publisher_rate: None,
        counters: Arc::default(),
    };
    let publisher = Publisher::new(Client { bootstrap: bootstrap.into(), ..Client::default() }, options).unwrap();
    let cors = Cors::new(["https://shop.example".to_owned()], false, Duration::from_secs(60)).unwrap();
    let publishing = Some(Publishing { publisher, max_body_bytes: 4_000, max_events: 3 });
    Wanted { publishing, cors, ..Wanted::default() }
}

/// A Kafka with a topic of one partition.
fn kafka() -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, String) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", 1, 1).unwrap();
    let bootstrap = cluster.bootstrap_servers();
    (cluster, bootstrap)
}

impl Gateway {
    /// Posts, and reads the whole answer: (status, head, body).
    async fn post(&self, target: &str, fields: &str, body: &str) -> (u16, String, serde_json::Value) {
        let length = body.len();
        let request =
            format!("POST {target} HTTP/1.1\r\nHost: a\r\n{CLOSE}Content-Length: {length}\r\n{fields}\r\n{body}");
        let (_, answer) = self.exchange(&request, NEVER).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), serde_json::from_str(body).unwrap())
    }

    async fn json(&self, body: &str) -> (u16, String, serde_json::Value) {
        self.post("/api/v1/events", JSON, body).await
    }
}

const JSON: &str = "Content-Type: application/json\r\n";
const EVENT: &str = r#"{"channels":["user:42"],"data":1}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_202_says_where_kafka_has_it() {
    let (_cluster, bootstrap) = kafka();
    let gateway = gateway(&bootstrap);
    let (status, head, body) = gateway.json(EVENT).await;
    assert_eq!((status, body), (202, serde_json::json!({"topic": "events", "partition": 0, "offset": 0})));
    assert!(head.contains("cache-control: no-store"), "{head}");
    let (status, _, body) = gateway.json(&format!("[{EVENT},{EVENT}]")).await;
    assert_eq!(status, 202);
    assert_eq!(body["events"][1], serde_json::json!({"status": 202, "partition": 0, "offset": 2}));
    let (status, _, body) =
        gateway.post("/api/v1/events/broadcast", JSON, r#"{"topic":"payments","type":"paid","data":{}}"#).await;
    assert_eq!((status, &body["offset"]), (202, &3.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_answered_event_by_event() {
    let (_cluster, bootstrap) = kafka();
    let gateway = gateway(&bootstrap);
    let (status, _, body) = gateway.json(&format!(r#"[{EVENT},{{"channels":[]}},{EVENT}]"#)).await;
    assert_eq!((status, &body["topic"]), (207, &"events".into()));
    assert_eq!(body["events"][0]["status"], 202);
    assert_eq!(body["events"][1]["type"], "https://eventsgateway.dev/problems/invalid-event");
    assert_eq!(body["events"][1]["detail"], "channels: expected at least one channel, found none");
    assert_eq!(body["events"][2]["offset"], 1);
    let (status, _, body) = gateway.json(r#"[{"channels":[]}]"#).await;
    assert_eq!((status, &body["status"], &body["events"][0]["status"]), (400, &400.into(), &400.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_a_problem_and_nothing_of_it_is_published() {
    let (_cluster, bootstrap) = kafka();
    let gateway = gateway(&bootstrap);
    let large = format!(r#"{{"channels":["a"],"data":"{}"}}"#, "x".repeat(3_000));
    let huge = "x".repeat(4_001);
    let many = format!("[{}]", [EVENT; 4].join(","));
    let events = "/api/v1/events";
    let broadcast = "/api/v1/events/broadcast";
    for (target, fields, body, status, problem) in [
        (events, JSON, "{", 400, "invalid-event"),
        (events, JSON, "[]", 400, "invalid-event"),
        (events, JSON, r#"{"channels":["a"],"chanel":1}"#, 400, "invalid-event"),
        (events, JSON, &large, 413, "content-too-large"),
        (events, JSON, &huge, 413, "content-too-large"),
        (events, JSON, &many, 413, "content-too-large"),
        (events, "", EVENT, 415, "unsupported-media-type"),
        (events, "Content-Type: text/plain\r\n", EVENT, 415, "unsupported-media-type"),
        (events, "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", EVENT, 415, "unsupported-media-type"),
        (events, "Content-Type: application/json\r\nIdempotency-Key: \r\n", EVENT, 400, "bad-request"),
        (
            events,
            "Content-Type: application/json\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n",
            EVENT,
            400,
            "bad-request",
        ),
        ("/api/v1/events?channels=a", JSON, EVENT, 400, "unknown-parameter"),
        (broadcast, JSON, r#"{"type":"x"}"#, 400, "invalid-event"),
        (broadcast, "Content-Type: text/plain\r\n", r#"{"topic":"x"}"#, 415, "unsupported-media-type"),
    ] {
        let (actual, head, answer) = gateway.post(target, fields, body).await;
        let told = (actual, answer["type"].as_str().unwrap_or_default().to_owned());
        assert_eq!(told, (status, format!("https://eventsgateway.dev/problems/{problem}")), "{fields}{body}: {answer}");
        assert!(head.contains("application/problem+json"), "{head}");
    }
    let (_, _, first) = gateway.json(EVENT).await;
    assert_eq!(first["offset"], 0, "nothing came before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_used_for_another_event_is_refused() {
    let (_cluster, bootstrap) = kafka();
    let gateway = gateway(&bootstrap);
    let keyed = "Content-Type: application/json\r\nIdempotency-Key: \"k\"\r\n";
    assert_eq!(gateway.post("/api/v1/events", keyed, EVENT).await.0, 202);
    assert_eq!(gateway.post("/api/v1/events", keyed, EVENT).await.0, 202, "a retry");
    let (status, _, body) = gateway.post("/api/v1/events", keyed, r#"{"channels":["user:42"],"data":2}"#).await;
    assert_eq!((status, &body["type"]), (422, &"https://eventsgateway.dev/problems/idempotency-key-reused".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_kafka_and_over_a_bound_a_publisher_is_told_when_to_come_again() {
    let gateway = gateway_with("127.0.0.1:1", Duration::from_secs(1), Some(1));
    let (status, head, _) = gateway.json(EVENT).await;
    assert_eq!(status, 503);
    assert!(head.contains("retry-after: 1"), "{head}");
    let limited = gateway.json(&format!("[{EVENT},{EVENT}]")).await;
    let again = gateway.json(EVENT).await;
    let (status, head, body) = if limited.0 == 429 { limited } else { again };
    assert_eq!((status, &body["type"]), (429, &"https://eventsgateway.dev/problems/too-many-requests".into()));
    assert!(head.contains("retry-after: "), "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_may_take_longer_to_arrive_and_to_be_taken_than_a_head() {
    let (_cluster, bootstrap) = kafka();
    let mut wanted = wanted(&bootstrap, Duration::from_secs(60), None);
    wanted.options.connections.head_timeout = Duration::from_millis(400);
    let gateway = Gateway::start(wanted);
    let mut socket = gateway.connect().await;
    let length = EVENT.len();
    let head = format!("POST /api/v1/events HTTP/1.1\r\nHost: a\r\n{JSON}{CLOSE}Content-Length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    for part in EVENT.as_bytes().chunks(length.div_ceil(4)) {
        tokio::time::sleep(Duration::from_millis(250)).await;
        socket.write_all(part).await.unwrap();
    }
    let answer = read_until(&mut socket, NEVER).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");

    // Nobody answers for a second.
    let mut wanted = self::wanted("127.0.0.1:1", Duration::from_secs(1), None);
    wanted.options.connections.head_timeout = Duration::from_millis(400);
    let gateway = Gateway::start(wanted);
    let mut socket = gateway.connect().await;
    socket.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    socket.write_all(EVENT.as_bytes()).await.unwrap();
    let answer = read_until(&mut socket, NEVER).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_not_sent_in_whole_holds_its_room_until_its_connection_ends() {
    let (_cluster, bootstrap) = kafka();
    let gateway = gateway(&bootstrap);
    let begun = |length: usize| {
        format!(
            "POST /api/v1/events HTTP/1.1\r\nHost: a\r\n{JSON}Content-Length: {length}\r\n\r\n{}",
            "x".repeat(3_900)
        )
    };
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut socket = gateway.connect().await;
        socket.write_all(begun(4_000).as_bytes()).await.unwrap();
        held.push(socket);
    }
    let pending = || gateway.edge.publishing.as_ref().unwrap().publisher.pending_bytes();
    while pending() < 7_800 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, answer) = gateway.exchange(&begun(4_000), NEVER).await;
    assert_eq!(problem(&answer).0, 503, "{answer}");
    drop(held);
    let began = Instant::now();
    while pending() > 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "{} bytes are held", pending());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(gateway.json(EVENT).await.0, 202);
}

#[tokio::test]
async fn where_nothing_can_be_published_there_is_nothing_to_post_to() {
    let gateway = Gateway::start(Wanted::default());
    let (status, head, _) = gateway.json(EVENT).await;
    assert_eq!(status, 405);
    assert!(head.contains("allow: GET, HEAD, OPTIONS\r\n"), "{head}");
    assert_eq!(gateway.post("/api/v1/events/broadcast", JSON, "{}").await.0, 404);
}

#[tokio::test]
async fn pages_of_allowed_origins_may_publish_and_their_preflight_says_so() {
    let gateway = gateway("127.0.0.1:1");
    let preflight = |origin: &str, target: &str| {
        format!(
            "OPTIONS {target} HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n{CLOSE}\r\n"
        )
    };
    for target in ["/api/v1/events", "/api/v1/events/broadcast"] {
        let (_, answer) = gateway.exchange(&preflight("https://shop.example", target), NEVER).await;
        assert!(answer.contains("access-control-allow-methods: GET, HEAD, OPTIONS, POST\r\n"), "{answer}");
        let (_, answer) = gateway.exchange(&preflight("https://evil.example", target), NEVER).await;
        assert!(!answer.contains("access-control-allow"), "{answer}");
    }
}
