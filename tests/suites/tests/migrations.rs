//! Existing frontends and publishers on their ready-made configurations (`deploy/migrations`), as they are.

use std::time::Duration;

use events_gateway_harness::http::{self, Request};
use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::redis::Server;
use events_gateway_harness::sse::{Client, Options};
use events_gateway_harness::{Gateway, Kafka, WebSocket};
use events_gateway_suites::turn;
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(60);

/// One gateway with what it needs; dropped in this order.
struct Migrated {
    gateway: Gateway,
    _redis: Server,
    kafka: Kafka,
}

impl Migrated {
    async fn start(name: &str, file: &str, topics: &[&str]) -> Self {
        let kafka = Kafka::start().await.expect("Kafka starts");
        for topic in topics {
            kafka.create_topic(topic, 3).await.expect("a topic");
        }
        let redis = Server::start().await.expect("Redis starts");
        let file = file.replace("redis:6379", &redis.address().to_string()).replace("kafka:9092", &kafka.bootstrap());
        let mut environment = Vec::new();
        let gateway = {
            let mut set =
                |name: &str, value: &str| environment.push((format!("EVENTS_GATEWAY__{name}"), value.to_owned()));
            set("LISTEN__ADDRESS", "127.0.0.1");
            set("ADMIN__ADDRESS", "127.0.0.1");
            Gateway::start_with(name, environment, |ports| {
                // Overrides of the environment can't know the ports before they are chosen.
                let ports = [("listen", ports.public), ("admin", ports.admin)];
                with_ports(&file, &ports)
            })
        };
        Self { gateway: gateway.await.expect("the gateway starts"), _redis: redis, kafka }
    }

    async fn produce(&self, topic: &str, value: &Value) {
        let producer = self.kafka.producer().expect("a producer");
        producer.send(topic, &Record::json("key", value)).await.expect("Kafka takes it");
    }

    async fn stream(&self, target: &str) -> Client {
        let options = Options::new(self.gateway.public(), target).header("Origin", "https://app.example.org");
        Client::opened(options, BOUND).await.expect("a stream opens")
    }
}

/// The file with ports put into its sections, which are made where they aren't there.
fn with_ports(file: &str, ports: &[(&str, u16)]) -> String {
    let mut file = file.to_owned();
    for (section, port) in ports {
        let head = format!("\n{section}:\n");
        if file.contains(&head) {
            file = file.replace(&head, &format!("{head}  port: {port}\n"));
        } else {
            file.push_str(&format!("\n{section}:\n  port: {port}\n"));
        }
    }
    file
}

fn data(client: &Client) -> Vec<Value> {
    client.published().iter().map(|event| serde_json::from_str(&event.data).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_platforms_pages_hear_what_is_for_their_user_session_process_and_task() {
    let _turn = turn::share().await;
    let topics =
        ["user-events", "session-events", "process-events", "task-events", "broadcast-events", "connection-commands"];
    let file = include_str!("../../../deploy/migrations/workflow.yaml");
    let platform = Migrated::start("workflow", file, &topics).await;
    let ann = platform.stream("/api/events/users/ann%40example?session=9f&processes=7,8&tasks=t1").await;
    let bob = platform.stream("/api/events/users/bob").await;
    let session = Options { reconnect: false, ..Options::new(platform.gateway.public(), "/api/events/sessions/9f") };
    let session = Client::opened(session, BOUND).await.expect("a stream opens");
    let event = |recipient: &str, of: &str, number: u64| json!({ recipient: of, "type": "changed", "eventId": format!("e{number}"), "payload": { "number": number } });
    for (topic, value) in [
        ("user-events", event("userId", "ann@example", 1)),
        ("user-events", event("userId", "bob", 2)),
        ("session-events", event("sessionId", "9f", 3)),
        ("process-events", event("processInstanceId", "8", 4)),
        ("process-events", event("processInstanceId", "9", 5)),
        ("task-events", event("taskId", "t1", 6)),
        ("broadcast-events", json!({ "type": "changed", "payload": { "number": 7 } })),
    ] {
        platform.produce(topic, &value).await;
    }
    ann.wait_for_published(5, BOUND).await.expect("hers and everybody's");
    bob.wait_for_published(2, BOUND).await.expect("his and everybody's");
    let numbers = |client: &Client| {
        let mut numbers: Vec<u64> = data(client).iter().filter_map(|data| data["number"].as_u64()).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(numbers(&ann), [1, 3, 4, 6, 7]);
    assert_eq!(numbers(&bob), [2, 7]);
    assert!(ann.published().iter().all(|event| event.kind == "changed"));

    platform.produce("connection-commands", &json!({ "command": "disconnect", "sessionId": "9f" })).await;
    let closed = session.wait_for("its end", BOUND, |history| {
        history.events.iter().any(|received| received.event.kind == "gateway.closing")
    });
    closed.await.expect("the session's stream is ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payments_platforms_services_post_and_its_pages_listen_to_topics_or_to_everything() {
    let _turn = turn::share().await;
    let file = include_str!("../../../deploy/migrations/payments.yaml");
    let platform = Migrated::start("payments", file, &["payment-events"]).await;
    let topics = platform.stream("/api/v1/events?topics=payments,refunds").await;
    let everything = platform.stream("/api/v1/events").await;
    let broadcast = async |topic: &str, kind: &str, number: u64| {
        let body = json!({ "topic": topic, "type": kind, "data": { "number": number } });
        let answer = http::send(platform.gateway.public(), &Request::post("/api/v1/events/broadcast", &body)).await;
        assert_eq!(answer.expect("an answer").status(), 202);
    };
    broadcast("payments", "payment.received", 1).await;
    broadcast("audit", "audit.logged", 2).await;
    broadcast("refunds", "refund.sent", 3).await;
    let both = topics.wait_for_published(2, BOUND).await.expect("its topics'");
    let mut kinds: Vec<&str> = both.iter().map(|event| event.kind.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["payment.received", "refund.sent"]);
    everything.wait_for_published(3, BOUND).await.expect("everything");
    let stats = http::send(platform.gateway.public(), &Request::get("/api/v1/events/stats")).await.expect("an answer");
    assert_eq!(stats.json().expect("JSON")["replica"]["connections"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_services_clients_get_json_messages_over_a_websocket() {
    let _turn = turn::share().await;
    let file = include_str!("../../../deploy/migrations/notifications.yaml");
    let platform = Migrated::start("notifications", file, &["notifications"]).await;
    let connect = async |user: &str| {
        let target = format!("/notifications/{user}");
        WebSocket::connect(platform.gateway.public(), &target, &[]).await.expect("a WebSocket opens")
    };
    let (mut ann, mut bob) = (connect("ann").await, connect("bob").await);
    platform.gateway.wait_for_metric("events_gateway_channels", &[], 2.0, BOUND).await.expect("both are owned");
    let message = |recipient: &str, id: u64, priority: u64| {
        json!({ "id": id, "recipient": recipient, "kind": "invoice", "body": { "text": "hello" }, "priority": priority,
                "created": "2026-11-21", "internal": { "trace": "s3cr3t" } })
    };
    for (recipient, id, priority) in [("bob", 1, 9), ("ann", 2, 1), ("ann", 3, 5)] {
        platform.produce("notifications", &message(recipient, id, priority)).await;
    }
    let expected = |id: u64, urgent: bool| json!({ "id": id, "created": "2026-11-21", "message": { "text": "hello" }, "kind": "invoice", "urgent": urgent });
    assert_eq!(ann.next_json().await.expect("a message"), expected(2, false));
    assert_eq!(ann.next_json().await.expect("a message"), expected(3, true));
    assert_eq!(bob.next_json().await.expect("a message"), expected(1, true));
    // What its client says is of no interest.
    ann.send(&json!({ "type": "subscribe", "id": "x", "channels": ["user:bob"] })).await.expect("it is sent");
    platform.produce("notifications", &message("ann", 4, 1)).await;
    assert_eq!(ann.next_json().await.expect("a message"), expected(4, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_laboratorys_pages_filter_by_type_agent_and_run_and_read_who_sent_what_when() {
    let _turn = turn::share().await;
    let file = include_str!("../../../deploy/migrations/laboratory.yaml");
    let platform = Migrated::start("laboratory", file, &["agent-messages"]).await;
    let all = platform.stream("/api/messages/stream/").await;
    let some = platform.stream("/api/messages/stream/?msg_types=task,result&agents=worker-1,worker-2&run_ids=r1").await;
    let message = |number: u64, kind: &str, from: &str, to: Option<&str>, run: &str| {
        let mut message = json!({ "msg_type": kind, "from": from, "run_id": run, "number": number });
        if let Some(to) = to {
            message["to"] = to.into();
        }
        message
    };
    for value in [
        message(1, "task", "planner", Some("worker-1"), "r1"),
        message(2, "result", "worker-2", Some("planner"), "r1"),
        message(3, "log", "worker-1", None, "r1"),
        message(4, "task", "planner", Some("worker-3"), "r1"),
        message(5, "task", "planner", Some("worker-1"), "r2"),
    ] {
        platform.produce("agent-messages", &value).await;
    }
    all.wait_for_published(5, BOUND).await.expect("all of them");
    some.wait_for_published(2, BOUND).await.expect("what it asked for");
    let numbers: Vec<u64> = data(&some).iter().filter_map(|data| data["number"].as_u64()).collect();
    assert_eq!(numbers, [1, 2]);
    assert!(all.published().iter().all(|event| event.kind == "message"), "a page listens with onmessage");
    let first = &data(&all)[0];
    assert_eq!(
        [&first["sender_agent"], &first["recipient_agent"], &first["queue_name"], &first["msg_type"]],
        ["planner", "worker-1", "agent-messages", "task"]
    );
    assert!(first["sent_at"].as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')), "{first}");
    assert_eq!(data(&all)[2]["recipient_agent"], Value::Null);
    let refused = http::send(platform.gateway.public(), &Request::get("/api/messages/stream/?msg_type=task")).await;
    let problem = refused.expect("an answer").json().expect("JSON");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("msg_types")), "{problem}");
}
