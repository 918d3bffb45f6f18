//! The console's endpoints on real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::{App, HttpServer};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::dev::{Kafka, SEQUENCE_ATTRIBUTE};

struct Page {
    address: SocketAddr,
    console: web::Data<Console>,
    server: actix_web::dev::ServerHandle,
}

impl Drop for Page {
    fn drop(&mut self) {
        let stopping = self.server.stop(false);
        tokio::spawn(stopping);
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

const JSON: &str = "content-type: application/json\r\n";

impl Page {
    fn start() -> Self {
        let kafka = Kafka::start(&[("events", 1), ("commands", 1)]).unwrap();
        let console = web::Data::new(Console {
            path_prefix: "/api/v1".into(),
            admin_url: "http://127.0.0.1:8081".into(),
            commands: Some("commands".into()),
            publisher: Arc::new(Publisher::new(kafka, "events", (1 << 20) + (64 << 10))),
            sample: Arc::new(Sample::new(0)),
            types: Arc::default(),
        });
        let data = console.clone();
        let server = HttpServer::new(move || App::new().configure(|services| configure(services, data.clone())))
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Self { address, console, server: handle }
    }

    async fn ask(&self, method: &str, target: &str, fields: &str, content: &[u8]) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let length = content.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{fields}\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        // A server that refuses early need not read on.
        let _ = socket.write_all(content).await;
        let mut answer = Vec::new();
        let read = socket.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(30), read).await.expect("an answer in time");
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn post(&self, target: &str, content: impl AsRef<[u8]>) -> Answer {
        self.ask("POST", target, JSON, content.as_ref()).await
    }

    /// The value of the first record of a topic.
    async fn first_record(&self, topic: &'static str) -> (Option<String>, Value) {
        let bootstrap = self.console.publisher.kafka().bootstrap().to_owned();
        let read = move || {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", bootstrap).set("group.id", "test");
            let consumer: BaseConsumer = config.create().unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
            consumer.assign(&list).unwrap();
            let record = consumer.poll(Duration::from_secs(20)).expect("a record in time").unwrap();
            let key = record.key().map(|key| String::from_utf8(key.to_vec()).unwrap());
            (key, serde_json::from_slice(record.payload().unwrap()).unwrap())
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_its_files_come_with_a_strict_policy_and_name_nothing_foreign() {
    let page = Page::start();
    let index = page.ask("GET", "/", "", b"").await;
    assert_eq!(index.status, 200);
    assert_eq!(index.header("content-type"), Some("text/html; charset=utf-8"));
    let mut files =
        vec!["/".to_owned(), "/console/dom.js".into(), "/console/feed.js".into(), "/console/list.js".into()];
    let demo = page.ask("GET", "/demo/", "", b"").await;
    for page in [&index, &demo] {
        let is_own = |text: &&str| text.starts_with("/console/") || text.starts_with("/demo/");
        files.extend(page.body.split('"').filter(is_own).map(str::to_owned));
        assert!(!page.body.contains(" style=") && !page.body.contains(" onclick="), "the policy would refuse it");
    }
    files.extend(["/demo/events-gateway.js".to_owned(), "/demo/presence.js".into()]);
    assert!(files.len() >= 12, "{files:?}");
    for file in files {
        let answer = page.ask("GET", &file, "", b"").await;
        assert_eq!(answer.status, 200, "{file}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{file}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{file}");
        for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://"] {
            assert!(!answer.body.contains(forbidden), "{forbidden} in {file}");
        }
        assert_eq!(page.ask("HEAD", &file, "", b"").await.body, "", "{file}");
        let refused = page.ask("DELETE", &file, "", b"").await;
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_the_form_is_a_record_of_kafka_with_its_number() {
    let page = Page::start();
    let event = r#"{"channels":["user:42","everyone"],"type":"greeting","data":{"big":12345678901234567890,"s":"<img onerror=x>"},"attributes":{"tenant":"north"}}"#;
    let answer = page.post("/console/events", event).await;
    assert_eq!((answer.status, answer.json()), (202, json!({"partition": 0, "offset": 0, "sequence": 1})));
    let (key, record) = page.first_record("events").await;
    assert_eq!(key.as_deref(), Some("user:42"), "without a key the first channel orders");
    assert_eq!(record["data"].to_string(), r#"{"big":12345678901234567890,"s":"<img onerror=x>"}"#);
    assert_eq!(record["attributes"]["tenant"], "north");
    let run = page.console.publisher.run();
    assert_eq!(record["attributes"][SEQUENCE_ATTRIBUTE], format!("{run}/1"));
    let status = page.ask("GET", "/console/status", "", b"").await.json();
    assert_eq!(status, json!({"run": run, "sent": 1, "failed": 0, "per_second": 0, "types": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_refused_with_its_field_and_gets_no_number() {
    let page = Page::start();
    for (content, named) in [
        ("", "value"),
        ("[]", "value"),
        (r#"{"channels":["a"],"chanels":[]}"#, "chanels"),
        (r#"{"channels":["a"],"channels":["b"]}"#, "channels"),
        (r#"{"type":"x","data":1}"#, "channel"),
        (r#"{"channels":["a b"]}"#, "channels[0]"),
        (r#"{"channels":["all"]}"#, "all"),
        (r#"{"channels":["a"],"type":"gateway.open"}"#, "type"),
        (r#"{"channels":["a"],"type":"x\ny"}"#, "type"),
        (r#"{"channels":["a"],"attributes":{"dev-sequence":"x/1"}}"#, "dev-sequence"),
        (r#"{"channels":["a"],"attributes":{"n":1}}"#, "attributes"),
    ] {
        let answer = page.post("/console/events", content).await;
        assert_eq!(answer.status, 400, "{content}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(named), "{content}: {detail}");
    }
    assert_eq!(page.console.publisher.numbered(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mebibyte_passes_and_a_byte_more_is_refused() {
    let page = Page::start();
    let event = |length: usize| {
        let frame = r#"{"channels":["a"],"data":""}"#.len();
        format!(r#"{{"channels":["a"],"data":"{}"}}"#, "x".repeat(length - frame))
    };
    let whole = event(1 << 20);
    assert_eq!(whole.len(), 1 << 20);
    assert_eq!(page.post("/console/events", &whole).await.status, 202);
    let answer = page.post("/console/events", event((1 << 20) + 1)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(page.console.publisher.numbered(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_taken_only_as_json_by_post_and_from_this_page() {
    let page = Page::start();
    for target in ["/console/events", "/console/sample", "/console/disconnect"] {
        for fields in ["", "content-type: text/plain\r\n", "content-type: application/x-www-form-urlencoded\r\n"] {
            assert_eq!(page.ask("POST", target, fields, b"{}").await.status, 415, "{target} {fields}");
        }
        let refused = page.ask("GET", target, "", b"").await;
        assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")), "{target}");
        for site in ["cross-site", "same-site"] {
            let fields = format!("{JSON}sec-fetch-site: {site}\r\n");
            assert_eq!(page.ask("POST", target, &fields, b"{}").await.status, 403, "{target} {site}");
        }
        assert_eq!(page.post(target, "{").await.status, 400, "{target}");
    }
    let from_here = format!("{JSON}sec-fetch-site: same-origin\r\n");
    let answer = page.ask("POST", "/console/events", &from_here, br#"{"channels":["a"]}"#).await;
    assert_eq!(answer.status, 202);
    assert_eq!(page.ask("POST", "/console/info", JSON, b"{}").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pace_of_sample_traffic_is_set_within_bounds() {
    let page = Page::start();
    assert_eq!(page.post("/console/sample", r#"{"per_second":20}"#).await.status, 200);
    assert_eq!(page.console.sample.per_second(), 20);
    for wrong in [r#"{"per_second":2001}"#, r#"{"per_second":-1}"#, r#"{"per_second":1,"x":2}"#, "{}", "null"] {
        assert_eq!(page.post("/console/sample", wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(page.console.sample.per_second(), 20);
    assert_eq!(page.post("/console/sample", r#"{"per_second":0}"#).await.status, 200);
    assert_eq!(page.console.sample.per_second(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_the_stream_from_the_server_is_a_command_like_a_backends() {
    let page = Page::start();
    for wrong in ["{}", r#"{"channel":"user:42"}"#, r#"{"channel":"console:"}"#, r#"{"channel":"console:1","x":1}"#] {
        assert_eq!(page.post("/console/disconnect", wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(page.post("/console/disconnect", r#"{"channel":"console:1-2"}"#).await.status, 202);
    let (_, command) = page.first_record("commands").await;
    assert_eq!(command, json!({"type": "disconnect", "channels": ["console:1-2"]}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_told_where_everything_is_and_new_types_only_once() {
    let page = Page::start();
    let info = page.ask("GET", "/console/info", "", b"").await;
    assert_eq!(info.header("cache-control"), Some("no-store"));
    let info = info.json();
    let bootstrap = page.console.publisher.kafka().address();
    assert_eq!((&info["kafka"], &info["events"]), (&json!(bootstrap), &json!("/api/v1/events")));
    assert!(info["kcat"].as_str().unwrap().contains(bootstrap));
    assert!(info["publish"].as_str().unwrap().starts_with("curl '/api/v1/events' "), "{}", info["publish"]);
    page.console.types.see("a");
    page.console.types.see("b");
    for (query, expected) in [("", json!(["a", "b"])), ("?types_from=1", json!(["b"])), ("?types_from=9", json!([]))] {
        let answer = page.ask("GET", &format!("/console/status{query}"), "", b"").await;
        assert_eq!(answer.json()["types"], expected, "{query}");
    }
    for query in ["?types_from=x", "?types=1", "?x"] {
        assert_eq!(page.ask("GET", &format!("/console/status{query}"), "", b"").await.status, 400, "{query}");
    }
}
