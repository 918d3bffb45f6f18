//! The public listener with real sockets.

mod aliases;
mod fixture;
mod limits;
mod publishing;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use events_gateway_core::Channel;
use events_gateway_core::cursor::{ChannelSet, Mark};
use events_gateway_core::disconnect::{Closing, DisconnectReason};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::*;
use crate::backlog::ReplicaState;
use crate::http::access::Policy;
use crate::http::admission::Admission;
use crate::http::cors::Cors;
use crate::http::events::ProblemCounts;
use crate::http::listener::bind;
use crate::http::query::Rules;
use crate::http::refusal::Refusals;
use crate::replica::Replica;
use fixture::{Gateway, Wanted, problem, read_until, undated};

const CLOSE: &str = "Connection: close\r\n";
const NEVER: &str = "\0";

#[tokio::test]
async fn a_stream_begins_with_exactly_these_bytes() {
    let gateway = Gateway::start(Wanted::default());
    let (_socket, answer) = gateway.get("/api/v1/events?channels=b,a", "", "hello\n\n").await;
    assert_eq!(
        sorted_head(&undated(&answer)),
        "HTTP/1.1 200 OK\r\n\
         cache-control: no-store, no-transform\r\n\
         connection: close\r\n\
         content-type: text/event-stream; charset=utf-8\r\n\
         x-accel-buffering: no\r\n\
         \r\n\
         retry: 1000\n\n: hello\n\n"
    );
    let asked = gateway.hub.asked.lock()[0].clone();
    assert_eq!(asked.channels.as_slice().len(), 2);
    assert_eq!(asked.connection.len(), 22);
}

/// Header fields have no order between different names, and actix-web's differs from run to run.
fn sorted_head(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").collect();
    lines[1..].sort_unstable();
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

#[tokio::test]
async fn terminal_refusals_are_problems_that_name_the_parameter() {
    let gateway = Gateway::start(Wanted::default());
    let other =
        ChannelSet::new([Channel::everyone()]).unwrap().cursor(&[Mark::Since(events_gateway_core::Timestamp(1))]);
    let thirteen: Vec<_> = (0..13).map(|n| n.to_string()).collect();
    for (query, status, name, parameter) in [
        (String::new(), 400, "missing-channels", "channels"),
        ("?chanels=a".into(), 400, "unknown-parameter", "chanels"),
        ("?channels=a&channels=b".into(), 400, "repeated-parameter", "channels"),
        ("?channels=a&topics=b".into(), 400, "conflicting-parameters", "topics"),
        ("?channels=a&format=xml".into(), 400, "invalid-parameter", "format"),
        ("?channels=a%20b".into(), 400, "invalid-channel", "channels"),
        (format!("?topics={}", thirteen.join(",")), 400, "too-many-channels", "topics"),
        ("?channels=all".into(), 403, "channel-not-served", "channels"),
        (format!("?channels=a&last_event_id={other}"), 400, "cursor-of-other-channels", "last_event_id"),
    ] {
        let (_, answer) = gateway.get(&format!("/api/v1/events{query}"), CLOSE, NEVER).await;
        let (actual, body) = problem(&answer);
        assert_eq!(actual, status, "{query}");
        assert_eq!(body["type"], format!("https://eventsgateway.dev/problems/{name}"), "{query}");
        assert_eq!(body["parameter"], parameter, "{query}");
    }
    assert_eq!(gateway.hub.asked.lock().len(), 0);
    assert_eq!(gateway.edge.problems.counts().map(|(_, count)| count).sum::<u64>(), 9);
}

#[tokio::test]
async fn other_paths_methods_and_sizes_are_problems_too() {
    let gateway = Gateway::start(Wanted::default());
    let (_, answer) = gateway.get("/api/v1/event", CLOSE, NEVER).await;
    assert_eq!(problem(&answer).0, 404);
    let (_, answer) =
        gateway.exchange("DELETE /api/v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NEVER).await;
    assert_eq!(problem(&answer).0, 405);
    assert!(answer.contains("allow: GET, HEAD, OPTIONS\r\n"), "{answer}");
    let (_, answer) = gateway.get("/api/v1/events?channels=a", "Accept: application/json\r\n", NEVER).await;
    assert_eq!(problem(&answer).0, 406);
    let long = format!("/api/v1/events?channels={}", "a".repeat(9_000));
    let (_, answer) = gateway.get(&long, CLOSE, NEVER).await;
    assert_eq!(problem(&answer).0, 414);
    let (_, answer) = gateway.get("/api/v1/events?channels=a", &format!("X: {}\r\n", "a".repeat(17_000)), NEVER).await;
    assert_eq!(problem(&answer).0, 431);
    let (_, answer) = gateway
        .exchange("GET /api/v1/events?channels=a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "}")
        .await;
    assert_eq!(problem(&answer).0, 400);
    assert_eq!(gateway.replica.connections().open(), 0);
}

#[tokio::test]
async fn statistics_tell_of_this_replica_and_of_all() {
    let gateway = Gateway::start(Wanted::default());
    let (_stream, _) = gateway.get("/api/v1/events?channels=a", "", "hello\n\n").await;
    let (_, answer) = gateway.get("/api/v1/events/stats", CLOSE, NEVER).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("cache-control: no-store\r\n"), "{head}");
    let stats: serde_json::Value = serde_json::from_str(body).unwrap();
    let rates = serde_json::json!({"delivered_per_second": 0, "published_per_second": 0});
    let mut replica = stats["replica"].clone();
    assert_eq!(replica.as_object_mut().unwrap().remove("replica").unwrap(), *gateway.replica.id());
    let mut expected = serde_json::json!({"connections": 1, "channels": 0, "delivery_latency_ms": null});
    expected.as_object_mut().unwrap().extend(rates.as_object().unwrap().clone());
    assert_eq!(replica, expected);
    assert_eq!(stats["cluster"]["replicas"], 1);
    assert_eq!(stats["channels"], serde_json::json!([]));
    let (_, answer) = gateway.get("/api/v1/events/stats?channel=a", CLOSE, NEVER).await;
    assert_eq!(problem(&answer).0, 400);
    let (_, answer) =
        gateway.exchange("POST /api/v1/events/stats HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", NEVER).await;
    assert_eq!(problem(&answer).0, 405);
}

#[tokio::test]
async fn the_description_is_served_to_everybody_and_known_by_its_tag() {
    let origin = "https://shop.example";
    let cors = Cors::new([origin.to_owned()], false, Duration::ZERO).unwrap();
    let gateway = Gateway::start(Wanted { cors, ..Wanted::default() });
    let fields = format!("{CLOSE}Origin: {origin}\r\n");
    let (_, answer) = gateway.get("/api/v1/openapi.json", &fields, NEVER).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for field in [
        "content-type: application/json",
        "cache-control: no-cache",
        "access-control-allow-origin: https://shop.example",
    ] {
        assert!(head.contains(field), "{field} in {head}");
    }
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    let events = &document["paths"]["/api/v1/events"];
    assert!(events["get"].is_object() && events["post"].is_null(), "nothing can be published here");

    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let (_, answer) = gateway.get("/api/v1/openapi.json", &format!("{CLOSE}If-None-Match: {tag}\r\n"), NEVER).await;
    assert!(answer.starts_with("HTTP/1.1 304 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    let head = format!("HEAD /api/v1/openapi.json HTTP/1.1\r\nHost: a\r\n{CLOSE}\r\n");
    let (_, answer) = gateway.exchange(&head, NEVER).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    let (_, answer) = gateway.get("/api/v1/openapi.json?x=1", CLOSE, NEVER).await;
    assert_eq!(problem(&answer).0, 400);
}

#[tokio::test]
async fn head_answers_like_get_and_opens_nothing() {
    let gateway = Gateway::start(Wanted::default());
    let head = |target: &str| format!("HEAD {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (_, answer) = gateway.exchange(&head("/api/v1/events?channels=a"), NEVER).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/event-stream; charset=utf-8\r\n"));
    assert!(answer.ends_with("\r\n\r\n") && !answer.contains("content-length"), "{answer}");
    let (_, answer) = gateway.exchange(&head("/api/v1/events?x=1"), NEVER).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(gateway.hub.asked.lock().is_empty());
}

#[tokio::test]
async fn garbage_is_answered_or_cut_and_opens_nothing() {
    let gateway = Gateway::start(Wanted::default());
    for garbage in [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "GET /api/v1/events?channels=a HTTP/1.1\r\n\r\n".to_owned(),
        "GET /api/v1/events?channels=a HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n".to_owned(),
        "GET /api/v1/events?channels=a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"
            .to_owned(),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(70_000)),
        "\u{16}\u{3}\u{1}\u{2}".repeat(40_000),
    ] {
        let (_, answer) = gateway.exchange(&garbage, NEVER).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert!(gateway.hub.asked.lock().is_empty());
    let (_socket, answer) = gateway.get("/api/v1/events?channels=a", "", "hello").await;
    assert!(answer.contains("hello"), "still serves");
}

#[tokio::test]
async fn a_full_or_draining_replica_refuses_by_a_stream_and_others_by_503() {
    let gateway = Gateway::start(Wanted { most: 1, ..Wanted::default() });
    let (socket, _) = gateway.get("/api/v1/events?channels=a", "", "hello").await;
    let accept = "Accept: text/event-stream\r\n";
    let (_held, answer) = gateway.get("/api/v1/events?channels=a", accept, "}\n\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("event: gateway.closing\ndata: {\"reason\":\"connection-limit\",\"retryable\":true,"));
    assert!(!answer.contains("id:"), "the client keeps its cursor");
    let (_, answer) = gateway.get("/api/v1/events?channels=a", accept, NEVER).await;
    assert!(answer.ends_with("}\n\n"), "only one refusal is held, this one ends at once");
    drop(socket);
    gateway.emptied().await;
    gateway.hub.is_full.store(true, Ordering::SeqCst);
    let (_held, answer) = gateway.get("/api/v1/events?channels=a", accept, "}\n\n").await;
    assert!(answer.contains("event: gateway.closing\ndata: {\"reason\":\"channel-limit\",\"retryable\":true,"));
    assert_eq!(gateway.replica.connections().open(), 0, "its place is given back");
    gateway.hub.is_full.store(false, Ordering::SeqCst);

    gateway.replica.set_state(ReplicaState::Draining);
    let (_, answer) = gateway.get("/api/v1/events?channels=a", accept, "}\n\n").await;
    assert!(answer.contains("{\"reason\":\"drain\",\"retryable\":true,"), "{answer}");
    let (_, answer) =
        gateway.get("/api/v1/events?channels=a", "Connection: close\r\nAccept: application/json\r\n", NEVER).await;
    assert_eq!(problem(&answer).0, 503);
    assert!(answer.contains("\r\nretry-after: "), "{answer}");
    let (_, answer) = gateway.get("/api/v1/events?channels=a%20", CLOSE, NEVER).await;
    assert_eq!(problem(&answer).0, 400, "what is terminal stays terminal");
    let refused: u64 = gateway.edge.refusals.counts().map(|(_, count)| count).sum();
    assert_eq!(refused, 5);
}

#[tokio::test]
async fn a_crowded_replica_sends_clients_on_while_another_has_room() {
    let gateway = Gateway::start(Wanted { soft: Some(1), ..Wanted::default() });
    let accept = "Accept: text/event-stream\r\n";
    let (_first, answer) = gateway.get("/api/v1/events?channels=a", accept, "hello").await;
    assert!(answer.contains("hello"), "{answer}");
    let (_, answer) = gateway.get("/api/v1/events?channels=a", accept, "}\n\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("event: gateway.closing\ndata: {\"reason\":\"crowded\",\"retryable\":true,"), "{answer}");
    let (_second, answer) = gateway.get("/api/v1/events?channels=a", accept, "hello").await;
    assert!(answer.contains("hello"), "the room elsewhere is used up: {answer}");
    let refused: Vec<_> = gateway.edge.refusals.counts().filter(|(_, count)| *count > 0).collect();
    assert_eq!(refused, [(DisconnectReason::Crowded, 1)]);
}

#[tokio::test]
async fn allowed_origins_may_read_streams_problems_and_refusals() {
    let gateway = Gateway::start(Wanted {
        cors: Cors::new(["https://a.example".to_owned()], true, Duration::from_secs(60)).unwrap(),
        ..Wanted::default()
    });
    for target in ["/api/v1/events?channels=a", "/api/v1/events", "/nothing"] {
        let (_, answer) = gateway.get(target, "Origin: https://a.example\r\n", "\r\n\r\n").await;
        assert!(answer.contains("\r\naccess-control-allow-origin: https://a.example\r\n"), "{answer}");
        assert!(answer.contains("\r\naccess-control-allow-credentials: true\r\n"), "{answer}");
        assert!(answer.to_lowercase().contains("\r\nvary: origin\r\n"), "{answer}");
        let (_, answer) = gateway.get(target, "Origin: https://b.example\r\n", "\r\n\r\n").await;
        assert!(!answer.contains("access-control-allow"), "{answer}");
    }
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /api/v1/events HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: last-event-id\r\n\r\n"
        )
    };
    let (_, answer) = gateway.exchange(&preflight("https://a.example"), NEVER).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(answer.contains("\r\naccess-control-allow-methods: GET, HEAD, OPTIONS\r\n"), "{answer}");
    assert!(answer.contains("Last-Event-ID"), "{answer}");
    assert!(answer.contains("\r\naccess-control-max-age: 60\r\n"), "{answer}");
    let (_, answer) = gateway.exchange(&preflight("https://b.example"), NEVER).await;
    assert!(!answer.contains("access-control-allow"), "{answer}");
}

#[tokio::test]
async fn a_listener_bound_to_its_names_refuses_others() {
    let mut wanted = Wanted::default();
    wanted.options.hosts = Hosts::loopback();
    let gateway = Gateway::start(wanted);
    let (_, answer) =
        gateway.exchange("GET /api/v1/events?channels=a HTTP/1.1\r\nHost: evil.example\r\n\r\n", "}").await;
    assert_eq!(problem(&answer).0, 403);
    let (_socket, answer) = gateway.get("/api/v1/events?channels=a", "", "hello").await;
    assert!(answer.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn peers_that_close_are_noticed_within_a_second_also_by_halves() {
    let gateway = Gateway::start(Wanted::default());
    let (whole, _) = gateway.get("/api/v1/events?channels=a", "", "hello").await;
    let (mut half, _) = gateway.get("/api/v1/events?channels=a", "", "hello").await;
    assert_eq!(gateway.replica.connections().open(), 2);
    drop(whole);
    half.shutdown().await.unwrap();
    assert!(gateway.emptied().await < Duration::from_secs(1));
}

#[tokio::test]
async fn peers_that_do_not_read_are_cut_after_the_peer_timeout() {
    let mut wanted = Wanted {
        // More than both sides' socket buffers hold.
        then: Bytes::from(vec![b':'; 16 << 20]),
        ..Wanted::default()
    };
    wanted.options.connections.peer_timeout = Duration::from_secs(1);
    let gateway = Gateway::start(wanted);
    let _silent = gateway.get("/api/v1/events?channels=a", "", "retry").await;
    let took = gateway.emptied().await;
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test]
async fn peers_that_pipeline_behind_a_stream_are_cut() {
    let gateway = Gateway::start(Wanted::default());
    let (mut socket, _) = gateway.get("/api/v1/events?channels=a", "", "hello").await;
    let request = "GET /api/v1/events?channels=a HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10_000);
    let _ = timeout(Duration::from_secs(5), socket.write_all(request.as_bytes())).await;
    gateway.emptied().await;
    assert_eq!(gateway.hub.asked.lock().len(), 1, "no second stream was opened");
}

#[tokio::test]
async fn a_stream_with_requests_behind_it_is_refused_and_its_connection_closed() {
    let gateway = Gateway::start(Wanted::default());
    let request = "GET /api/v1/events?channels=a HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50);
    let (mut socket, answer) = gateway.exchange(&request, "}").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // What it goes on to say is heard by nobody: the connection ends.
    let _ = timeout(Duration::from_secs(5), socket.read_to_end(&mut Vec::new())).await.expect("the end");
    assert!(gateway.hub.asked.lock().is_empty(), "no stream was opened");
}

#[tokio::test]
async fn a_little_behind_a_stream_is_ignored_and_much_cuts_it() {
    let gateway = Gateway::start(Wanted::default());
    let (mut socket, _) = gateway.get("/api/v1/events?channels=a", "", "hello").await;
    socket.write_all(b"GET /api/v1/events?channels=b HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(gateway.replica.connections().open(), 1);
    let _ = timeout(Duration::from_secs(5), socket.write_all(&[b'x'; 1 << 20])).await;
    gateway.emptied().await;
    assert_eq!(gateway.hub.asked.lock().len(), 1, "no second stream was opened");
}

#[tokio::test]
async fn a_client_that_takes_no_stream_keeps_its_connection() {
    let gateway = Gateway::start(Wanted::default());
    let request = "GET /api/v1/events?channels=a HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n";
    let (mut socket, answer) = gateway.exchange(request, "}").await;
    assert!(answer.starts_with("HTTP/1.1 406 "), "{answer}");
    socket.write_all(request.as_bytes()).await.unwrap();
    assert!(read_until(&mut socket, "}").await.starts_with("HTTP/1.1 406 "));
}

#[tokio::test]
async fn a_stream_is_what_comes_until_the_end_whatever_the_client_knows() {
    let gateway = Gateway::start(Wanted::default());
    for request in [
        "GET /api/v1/events?channels=a HTTP/1.0\r\n\r\n",
        "GET /api/v1/events?channels=a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /api/v1/events?channels=a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let (_socket, answer) = gateway.exchange(request, "hello\n\n").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 ") && !head.to_lowercase().contains("transfer-encoding"), "{head}");
        assert_eq!(body, "retry: 1000\n\n: hello\n\n");
    }
}

#[tokio::test]
async fn a_head_or_body_that_never_ends_is_given_up_on_any_request_of_a_connection() {
    let mut wanted = Wanted::default();
    wanted.options.connections.head_timeout = Duration::from_millis(500);
    let gateway = Gateway::start(wanted);
    for (first, then) in [
        ("", "GET /api/v1/events HTTP/1.1\r\nHost: a\r\nX: "),
        ("GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /api/v1/events HTTP/1.1\r\nHost: a\r\nX: "),
        ("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", "a body without an end"),
    ] {
        let mut socket = gateway.connect().await;
        socket.write_all(first.as_bytes()).await.unwrap();
        let began = Instant::now();
        let mut rest = then.bytes().chain(std::iter::repeat(b'x'));
        while socket.write_all(&[rest.next().unwrap()]).await.is_ok() {
            assert!(began.elapsed() < Duration::from_secs(10), "{then} is still listened to");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn a_thousand_opens_and_closes_leave_nothing() {
    let gateway = Gateway::start(Wanted::default());
    for _ in 0..20 {
        let opened =
            futures_util::future::join_all((0..50).map(|_| gateway.get("/api/v1/events?channels=a", "", "hello")));
        assert_eq!(opened.await.len(), 50);
    }
    gateway.emptied().await;
    assert_eq!(gateway.replica.connections().opened(), 1_000);
    assert!(gateway.replica.connections().list(10, |_| true).is_empty());
}

#[tokio::test]
async fn a_stream_closed_from_elsewhere_says_why_and_ends_with_its_connection() {
    let gateway = Gateway::start(Wanted::default());
    let (mut socket, _) = gateway.get("/api/v1/events?channels=a", "User-Agent: t\r\n", "hello").await;
    let listed = gateway.replica.connections().list(10, |_| true);
    assert_eq!(listed[0].agent, "t");
    assert_eq!(listed[0].address, socket.local_addr().unwrap().to_string());
    gateway.replica.connections().close_oldest(1, || Closing::new(DisconnectReason::Drain, 5));
    let rest = read_until(&mut socket, NEVER).await;
    assert!(rest.ends_with(": drain\n\n"), "{rest}");
    gateway.emptied().await;
}

#[tokio::test]
async fn a_stopped_listener_takes_no_more_connections() {
    let gateway = Gateway::start(Wanted::default());
    gateway.get("/api/v1/events", CLOSE, NEVER).await;
    gateway.handle.stop(false).await;
    let began = Instant::now();
    while TcpStream::connect(gateway.address).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The real hub on the backlog in memory, behind the listener.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_carries_what_is_appended_and_resumes_after_it() {
    use crate::backlog::memory::{self, Store};
    use crate::backlog::{Backlog, Batch, Breaks, Placed, Watermarks as _};
    use crate::hub::{self, Hub, HubListener};
    use events_gateway_core::source::{Generation, Origin, SourceId};

    let listener = Arc::new(HubListener::default());
    let backlog = Arc::new(Store::default().connect(memory::Options::default(), listener.clone()));
    let hub = Hub::new(backlog.clone(), hub::Options::default(), "r1");
    listener.connect(hub.clone());
    let mut gateway = Gateway::start(Wanted::default());
    let replica = Replica::new(10);
    let edge = web::Data::new(Edge {
        open: crate::http::open_on(hub.clone()),
        replica: replica.clone(),
        soft_limit: None,
        rules: Rules { default_channels: None, max_channels: 12, filters: Vec::new(), credentials: Vec::new() },
        credentials: None,
        trusted_proxies: crate::http::client_address::TrustedProxies::default(),
        policy: Policy::default(),
        door: Arc::default(),
        admission: Admission::default(),
        publishing: None,
        aliases: Vec::new(),
        sockets: fixture::sockets(),
        stats: fixture::stats(),
        cors: Cors::default(),
        refusals: Refusals::new(1),
        problems: ProblemCounts::default(),
    });
    let options = Wanted::default().options;
    let socket = bind("127.0.0.1:0".parse().unwrap(), &options.connections).unwrap();
    let listening = listen(options, edge, socket).unwrap();
    tokio::spawn(listening.server);
    (gateway.address, gateway.replica) = (listening.address, replica);

    let append = async |place: u64| {
        let source = SourceId::new("b", "t", 0);
        let origin = Origin { source: source.clone(), generation: Generation(1), place };
        let event = events_gateway_core::Event {
            kind: "note".into(),
            data: Bytes::from(format!("event {place}")),
            time: crate::clock::now(),
            attributes: Default::default(),
            id: None,
            key: None,
            origin,
        };
        let batch = Batch {
            channel: Channel::parse("a").unwrap(),
            source,
            generation: Generation(1),
            data_set: backlog.data_set().await.unwrap(),
            breaks: Breaks::default(),
            events: vec![Placed { event: Arc::new(event), once: None }],
        };
        backlog.append(batch).await.unwrap();
    };

    let (mut socket, head) = gateway.get("/api/v1/events?channels=a", "", "gateway.open").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    append(0).await;
    let live = read_until(&mut socket, "data: event 0\n\n").await;
    let cursor = live.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    drop(socket);
    gateway.emptied().await;
    append(1).await;
    append(2).await;
    let fields = format!("Last-Event-ID: {cursor}\r\n");
    let (_socket, resumed) = gateway.get("/api/v1/events?channels=a", &fields, "data: event 2\n\n").await;
    assert!(resumed.contains("data: event 1\n\n") && !resumed.contains("event 0"), "{resumed}");
    assert!(!resumed.contains("gateway.gap"), "{resumed}");

    let metrics = crate::metrics::Metrics::default();
    metrics.add(crate::metrics::sources::hub(hub));
    let text = metrics.text();
    assert!(text.contains("events_gateway_delivered_events_total 3\n"), "{text}");
}

#[tokio::test]
async fn the_browser_client_is_served_and_asked_for_again_only_when_it_has_changed() {
    let gateway = Gateway::start(Wanted::default());
    let (_, answer) = gateway.get("/api/v1/client.js", CLOSE, NEVER).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(body, crate::http::browser::MODULE.as_str());
    for field in [
        "content-type: text/javascript; charset=utf-8",
        "cache-control: public, max-age=3600",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.to_lowercase().contains(field), "{head}");
    }
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    for known in [etag, "*", &format!("\"other\", W/{etag}")] {
        let fields = format!("{CLOSE}If-None-Match: {known}\r\n");
        let (_, answer) = gateway.get("/api/v1/client.js", &fields, NEVER).await;
        assert!(answer.starts_with("HTTP/1.1 304") && answer.ends_with("\r\n\r\n"), "{answer}");
    }
    let (_, answer) = gateway.get("/api/v1/client.js", &format!("{CLOSE}If-None-Match: \"other\"\r\n"), NEVER).await;
    assert!(answer.starts_with("HTTP/1.1 200"));
    let (_, types) = gateway.get("/api/v1/client.d.ts", CLOSE, NEVER).await;
    assert!(types.contains("content-type: text/plain; charset=utf-8") && types.contains("export class EventsGateway"));
}
