//! The admin listener with real sockets.

use events_gateway_core::{Channel, Timestamp};
use events_gateway_status::{Binding, Redis, State, Status};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::backlog::memory::{self, Store};
use crate::backlog::{Breaks, ConnectionEntry, Lease, ReplicaState, Token as OwnerToken};
use crate::http::listener::bind;
use crate::http::openapi::tests::undescribed;
use crate::hub::HubListener;
use crate::ingest::counters::{Consuming, PartitionStatus, Phase, Status as Consumer};
use crate::replica::drain;

fn status() -> Status {
    Status {
        replica: "r1".to_owned(),
        pod: "pod-1".to_owned(),
        version: "1".to_owned(),
        state: State::Draining,
        drained: true,
        draining_ms: Some(7),
        connections: 2,
        channels: 1,
        redis: Redis { up: false },
        kafka: vec![Binding {
            binding: "orders".to_owned(),
            group: "g".to_owned(),
            up: true,
            trouble: None,
            paused: false,
            lag: None,
            assigned: 3,
        }],
    }
}

fn consuming() -> Consuming {
    let partition = PartitionStatus {
        topic: "orders".to_owned(),
        partition: 0,
        phase: Phase::Reading,
        position: 7,
        committed: 5,
        log_end: 9,
        lag: 2,
        waiting: 1,
        generation: 1,
    };
    let consumer = Consumer { binding: "orders".to_owned(), partitions: vec![partition], ..Consumer::default() };
    Consuming { running: true, consumers: vec![consumer] }
}

const TOKEN: &str = "correct horse battery staple";

struct Admin {
    address: std::net::SocketAddr,
    /// What it says of itself: every answer is held against it.
    description: Value,
    replica: Arc<Replica>,
    backlog: Arc<memory::MemoryBacklog>,
    ready: Arc<Mutex<Result<(), NotReady>>>,
}

impl Admin {
    fn start(token: Option<&str>, hosts: Hosts) -> Self {
        let backlog = Arc::new(Store::default().connect(memory::Options::default(), Arc::new(HubListener::default())));
        let replica = Replica::new(10);
        let ready = Arc::new(Mutex::new(Ok(())));
        let metrics = Arc::new(Metrics::default());
        metrics.add(crate::metrics::sources::build());
        let sources = web::Data::new(Sources {
            replica: replica.clone(),
            ready: {
                let ready = ready.clone();
                Arc::new(move || *ready.lock())
            },
            reach: watch::channel(Reach::Reached).1,
            metrics,
            directory: backlog.clone(),
            backlog: backlog.clone(),
            status: Arc::new(status),
            kafka: Arc::new(consuming),
            groups: vec!["orders".to_owned(), "commands".to_owned()],
            drain: drain::Drain::new(
                replica.clone(),
                backlog.clone(),
                Arc::new(|_| Box::pin(std::future::ready(()))),
                drain::Options::default(),
            ),
            revoking: None,
            token: token.map(|token| Token::new(token).unwrap()),
        });
        let description = description::describe(&Surface::of(&hosts, &sources));
        let options = Options { hosts, ..Options::default() };
        let socket = bind("127.0.0.1:0".parse().unwrap(), &options.connections).unwrap();
        let listening = listen(options, sources, socket).unwrap();
        tokio::spawn(listening.server);
        Self { address: listening.address, description, replica, backlog, ready }
    }

    async fn ask(&self, method: &str, target: &str, fields: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert_eq!(undescribed(&self.description, &request, &answer), None);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// With the token: (status, JSON).
    async fn act(&self, method: &str, target: &str) -> (u16, Value) {
        let (status, body) = self.ask(method, target, &format!("Authorization: Bearer {TOKEN}\r\n")).await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

const CLOSED: [(&str, &str); 12] = [
    ("GET", "/status"),
    ("GET", "/connections"),
    ("GET", "/channels/orders"),
    ("GET", "/kafka"),
    ("POST", "/drain"),
    ("POST", "/undrain"),
    ("POST", "/kafka/pause"),
    ("POST", "/kafka/resume"),
    ("POST", "/disconnect?channel=a"),
    ("POST", "/revoke"),
    ("GET", "/openapi.json"),
    ("GET", "/nothing"),
];

#[tokio::test]
async fn without_a_token_configured_only_health_and_metrics_exist() {
    let admin = Admin::start(None, Hosts::default());
    for target in ["/live", "/ready", "/metrics"] {
        assert_eq!(admin.ask("GET", target, "").await.0, 200, "{target}");
    }
    for (method, target) in CLOSED {
        let given = format!("Authorization: Bearer {TOKEN}\r\n");
        assert_eq!(admin.ask(method, target, &given).await.0, 404, "{target}");
    }
    assert_eq!(admin.replica.state(), ReplicaState::Serving);
}

#[tokio::test]
async fn a_missing_or_wrong_token_opens_nothing() {
    let admin = Admin::start(Some(TOKEN), Hosts::default());
    for (method, target) in CLOSED {
        for fields in [
            String::new(),
            "Authorization: Bearer \r\n".to_owned(),
            "Authorization: Bearer correct horse battery stapl\r\n".to_owned(),
            "Authorization: Bearer correct horse battery staples\r\n".to_owned(),
            format!("Authorization: Basic {TOKEN}\r\n"),
            format!("Authorization: {TOKEN}\r\n"),
        ] {
            assert_eq!(admin.ask(method, target, &fields).await.0, 401, "{target} {fields}");
        }
    }
    assert_eq!(admin.replica.state(), ReplicaState::Serving);
    assert_eq!(admin.act("GET", "/nothing").await.0, 404);
    assert_eq!(admin.act("GET", "/drain").await.0, 405);
    assert_eq!(admin.act("GET", "/revoke").await.0, 405);
    let (status, problem) = admin.act("POST", "/revoke").await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(status == 404 && detail.contains("identity.revocation isn't configured"), "{status} {detail}");
    assert_eq!(admin.act("POST", "/connections").await.0, 405);
}

#[tokio::test]
async fn readiness_says_why_not() {
    let admin = Admin::start(None, Hosts::default());
    *admin.ready.lock() = Err(NotReady::CutOff);
    let (status, body) = admin.ask("GET", "/ready", "").await;
    assert_eq!((status, body.as_str()), (503, r#"{"ready":false,"reason":"cut-off"}"#));
    let (status, body) = admin.ask("GET", "/live", "").await;
    assert_eq!((status, body.as_str()), (200, r#"{"backlog":"reached","live":true}"#), "a restart wouldn't help");
    let (_, metrics) = admin.ask("GET", "/metrics", "").await;
    assert!(metrics.contains("events_gateway_build_info{version="), "{metrics}");
}

#[tokio::test]
async fn connections_are_found_by_subject_and_channel() {
    let admin = Admin::start(Some(TOKEN), Hosts::default());
    let lease = Lease {
        replica: "r1".to_owned(),
        pod: "pod-1".to_owned(),
        address: String::new(),
        started: Timestamp(0),
        version: String::new(),
        state: ReplicaState::Serving,
        connections: 2,
        rates: Default::default(),
    };
    admin.backlog.renew(&lease, std::time::Duration::from_secs(60), true).await.unwrap();
    let entry = |id: &str, subject: Option<&str>, channel: &str| ConnectionEntry {
        connection: id.to_owned(),
        subject: subject.map(str::to_owned),
        issuer: subject.map(|_| "https://id".to_owned()),
        proof: None,
        channels: vec![Channel::parse(channel).unwrap()],
        since: Timestamp(1),
        address: String::new(),
        agent: String::new(),
    };
    let entries = [entry("a", Some("ann"), "user:1"), entry("b", None, "user:2")];
    admin.backlog.record("r1", &entries, &[], std::time::Duration::from_secs(60)).await.unwrap();
    for (query, expected) in [
        ("", vec!["a", "b"]),
        ("?subject=ann", vec!["a"]),
        ("?channel=user:2", vec!["b"]),
        ("?channel=user%3A3", vec![]),
    ] {
        let (status, body) = admin.act("GET", &format!("/connections{query}")).await;
        assert_eq!(status, 200);
        let found: Vec<_> = body["connections"].as_array().unwrap().iter().collect();
        let ids: Vec<_> = found.iter().map(|found| found["connection"]["connection"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{query}");
        assert!(found.iter().all(|found| found["replica"] == "r1"));
        let of_ann = found.iter().find(|found| found["connection"]["subject"] == "ann");
        assert!(of_ann.is_none_or(|found| found["connection"]["issuer"] == "https://id"));
        assert_eq!(body["complete"], true);
    }
    for path in ["/connections?x=1", "/channels/a?x=1", "/kafka?x=1", "/status?x=1", "/openapi.json?x=1"] {
        assert_eq!(admin.act("GET", path).await.1["parameter"], "x", "{path}");
    }
    assert_eq!(admin.act("GET", "/connections?channel=a%20b").await.0, 400);
}

#[tokio::test]
async fn a_channel_tells_its_owners_and_positions_and_can_be_disconnected() {
    let admin = Admin::start(Some(TOKEN), Hosts::default());
    let channel = Channel::parse("user:1").unwrap();
    let token = OwnerToken { replica: "r1".into(), number: 1 };
    let standing = admin.backlog.register(&channel, &token, &Breaks::default()).await.unwrap();
    let (status, body) = admin.act("GET", "/channels/user:1").await;
    assert_eq!(status, 200);
    assert_eq!(body["owners"][0]["replica"], "r1");
    assert_eq!(body["head"], json!(standing.head()));
    assert_eq!(body["closed_before"], Value::Null);

    let (status, body) = admin.act("POST", "/disconnect?channel=user:1").await;
    assert_eq!(status, 200);
    let before = body["closed_before"].as_u64().unwrap();
    assert!(before > 0);
    assert_eq!(admin.act("GET", "/channels/user:1").await.1["closed_before"], before);
    assert_eq!(admin.act("POST", "/disconnect").await.0, 400);
}

#[tokio::test]
async fn draining_and_pausing_are_asked_for_by_post() {
    let admin = Admin::start(Some(TOKEN), Hosts::default());
    let (status, body) = admin.act("POST", "/drain").await;
    assert_eq!((status, body), (200, json!({ "state": "draining", "changed": true })));
    assert_eq!(admin.act("POST", "/drain").await.1["changed"], false);
    assert_eq!(admin.replica.state(), ReplicaState::Draining);
    assert_eq!(admin.act("POST", "/undrain").await.1["state"], "serving");

    let paused = async |group: &str| admin.backlog.control(group).await.unwrap().paused;
    assert_eq!(admin.act("POST", "/kafka/pause?group=orders").await.0, 200);
    assert!(paused("orders").await && !paused("commands").await);
    assert_eq!(admin.act("POST", "/kafka/pause").await.0, 200);
    assert!(paused("commands").await);
    assert_eq!(admin.act("POST", "/kafka/resume").await.0, 200);
    assert!(!paused("orders").await && !paused("commands").await);
    assert_eq!(admin.act("POST", "/kafka/pause?group=theirs").await.0, 400);
    assert_eq!(admin.act("GET", "/kafka").await.1["consumers"][0]["binding"], "orders");
}

#[tokio::test]
async fn the_status_is_what_its_readers_take() {
    let admin = Admin::start(Some(TOKEN), Hosts::default());
    let (code, body) = admin.act("GET", "/status").await;
    assert_eq!(code, 200);
    assert_eq!(serde_json::from_value::<Status>(body).unwrap(), status());
}

#[tokio::test]
async fn a_listener_bound_to_its_names_refuses_pages_of_others() {
    let admin = Admin::start(Some(TOKEN), Hosts::loopback());
    assert_eq!(admin.ask("GET", "/live", "").await.0, 200);
    assert_eq!(admin.ask("GET", "/live", "Origin: https://evil.example\r\n").await.0, 403);
}

#[tokio::test]
async fn the_description_tells_what_is_configured_to_who_knows_the_token() {
    let admin = Admin::start(Some(TOKEN), Hosts::default());
    let (status, told) = admin.act("GET", "/openapi.json").await;
    assert_eq!((status, &told), (200, &admin.description));
    assert!(told["paths"]["/revoke"].is_null(), "nothing can be revoked here");
    let whole = description::describe(&Surface::whole());
    for resource in &RESOURCES {
        let item =
            whole["paths"][resource.path].as_object().unwrap_or_else(|| panic!("{} says nothing", resource.path));
        let secured: Vec<_> = item.values().map(|operation| !operation["security"].is_null()).collect();
        assert_eq!(secured, [!resource.is_open], "{}", resource.path);
    }
    let bare = description::describe(&Surface { has_token: false, ..Surface::whole() });
    let paths: Vec<_> = bare["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/live", "/metrics", "/ready"]);
}

#[test]
fn nothing_is_served_beside_what_is_described() {
    let source = include_str!("../admin.rs");
    let served: Vec<&str> = source.lines().filter(|line| line.contains("web::resource(")).map(str::trim).collect();
    assert_eq!(served.len(), 1, "a path of the listener stands in RESOURCES, with what it does: {served:?}");
}
