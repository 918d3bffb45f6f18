//! WebSockets, filters and views on real servers.

use std::net::SocketAddr;
use std::time::Duration;

use events_gateway_harness::http::{self, Request};
use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::sse::{Client, Options};
use events_gateway_harness::wait;
use events_gateway_harness::websocket::{Answer, Frame, WebSocket};
use events_gateway_suites::platform::{Plan, Platform, events_of};
use events_gateway_suites::token::{identity, token};
use events_gateway_suites::turn;
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const WS: &str = "/api/v1/ws";

/// Views and filters; and who clients are.
fn overlay() -> Value {
    json!({
        "identity": identity(),
        "views": [
            { "name": "public", "keep": ["/order", "/items/*/sku"], "attributes": ["region"],
              "compute": [{ "to": "/dear", "value": "data.total > 100" }] },
            { "name": "broken", "compute": [{ "to": "/x", "value": "data.missing" }], "onFailure": "tell" },
        ],
        "filters": [{ "name": "dear", "when": "data.total > 100" }],
        "access": { "rules": [
            { "to": "everyone", "subscribe": ["news"], "replay": ["news"] },
            { "subscribe": ["user:{sub}"], "replay": ["user:{sub}"] },
            { "subscribe": ["orders"], "replay": ["orders"], "views": ["public", "broken"] },
            { "claims": { "/roles": "operator" }, "subscribe": ["orders"], "views": ["raw"] },
        ] },
        "listen": { "cors": { "origins": ["https://shop.example"], "credentials": true } },
    })
}

async fn platform() -> Platform {
    let plan = Plan { replicas: 2, overlay: overlay(), ..Plan::default() };
    Platform::start("websocket", &plan).await.expect("the platform starts")
}

fn bearer(name: &str) -> String {
    format!("Bearer {}", token(name, HOUR, &json!({})))
}

async fn connected(address: SocketAddr, name: &str) -> WebSocket {
    WebSocket::open(address, WS, &[("Authorization", &bearer(name))]).await.expect("a WebSocket opens")
}

/// Sends and answers what comes next.
async fn ask(socket: &mut WebSocket, message: Value) -> Value {
    socket.send(&message).await.expect("it is sent");
    socket.next().await.expect("an answer")
}

/// The end of a problem's type.
fn problem(message: &Value) -> &str {
    assert_eq!(message["type"], "problem", "{message}");
    message["problem"]["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default()
}

async fn publish(platform: &Platform, envelope: &Value) {
    let producer = platform.kafka.producer().expect("a producer");
    let key = envelope["channels"][0].as_str().expect("a channel");
    producer.send(platform.topic(), &Record::json(key, envelope)).await.expect("Kafka takes it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_come_and_go_on_one_connection_and_resume_anywhere() {
    let _turn = turn::share().await;
    let platform = platform().await;
    let (one, other) = (platform.addresses()[0], platform.addresses()[1]);
    let mut socket = connected(one, "ann").await;
    let news = ask(&mut socket, json!({ "type": "subscribe", "id": "n", "channels": ["news"] })).await;
    assert_eq!((&news["type"], &news["id"], &news["channels"]), (&json!("subscribed"), &json!("n"), &json!(["news"])));
    let own =
        ask(&mut socket, json!({ "type": "subscribe", "id": "own", "channels": ["user:ann"], "format": "envelope" }));
    assert_eq!(own.await["type"], "subscribed");
    publish(&platform, &json!({ "channels": ["news"], "type": "flash", "data": { "a": "ä\r\n\"" } })).await;
    let event = socket.next_of("event").await.expect("an event");
    assert_eq!(
        (&event["id"], &event["event"], &event["data"]),
        (&json!("n"), &json!("flash"), &json!(r#"{"a":"ä\r\n\""}"#))
    );
    let cursor = event["cursor"].clone();
    publish(&platform, &json!({ "channels": ["user:ann"], "data": 1, "attributes": { "x": "y" } })).await;
    let event = socket.next_of("event").await.expect("an event");
    let envelope: Value = serde_json::from_str(event["data"].as_str().expect("a text")).expect("JSON in text");
    assert_eq!(
        (&event["id"], &envelope["channel"], &envelope["attributes"]["x"]),
        (&json!("own"), &json!("user:ann"), &json!("y"))
    );

    assert_eq!(ask(&mut socket, json!({ "type": "unsubscribe", "id": "n" })).await["type"], "unsubscribed");
    publish(&platform, &json!({ "channels": ["news"], "data": "unheard" })).await;
    publish(&platform, &json!({ "channels": ["user:ann"], "data": 2 })).await;
    assert_eq!(socket.next_of("event").await.expect("an event")["id"], "own");
    assert_eq!(ask(&mut socket, json!({ "type": "ping" })).await["type"], "pong");

    // The cursor of an event stream and of a WebSocket are one; and so are those of two replicas.
    let mut elsewhere = connected(other, "bob").await;
    let resumed = json!({ "type": "subscribe", "id": "n", "channels": ["news"], "cursor": cursor });
    assert_eq!(ask(&mut elsewhere, resumed).await["type"], "subscribed");
    assert_eq!(elsewhere.next_of("event").await.expect("what was missed")["data"], "unheard");
    let stream = Options {
        last_event_id: cursor.as_str().expect("a text").to_owned(),
        ..Options::new(one, events_of(&["news"]))
    };
    let stream = Client::opened(stream, BOUND).await.expect("a stream opens");
    assert_eq!(stream.wait_for_published(1, BOUND).await.expect("the same")[0].data, "unheard");
    let sockets = platform.gateways[0].metric("events_gateway_websockets", &[]).await.expect("a number");
    assert!((sockets - 1.0).abs() < f64::EPSILON, "{sockets}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_names_what_is_wrong_and_the_connection_goes_on() {
    let _turn = turn::share().await;
    let platform = platform().await;
    let address = platform.addresses()[0];
    let mut socket = connected(address, "ann").await;
    for (message, expected) in [
        (json!({ "type": "subscribe", "id": "s", "channels": ["user:bob"] }), "forbidden"),
        (json!({ "type": "subscribe", "id": "s", "channels": ["user:ann", "user:bob"] }), "forbidden"),
        (json!({ "type": "subscribe", "id": "s", "channels": ["all"] }), "channel-not-served"),
        (json!({ "type": "subscribe", "id": "s", "channels": ["user:*"] }), "invalid-channel"),
        (json!({ "type": "subscribe", "id": "s", "channels": [] }), "missing-channels"),
        (json!({ "type": "subscribe", "id": "s", "chanels": ["news"] }), "bad-request"),
        (json!({ "type": "subscribe", "id": "a b", "channels": ["news"] }), "invalid-parameter"),
        (json!({ "type": "subscribe", "id": "s", "channels": ["orders"], "view": "raw" }), "forbidden"),
        (json!({ "type": "subscribe", "id": "s", "channels": ["news"], "types": ["a", ""] }), "invalid-filter"),
        (json!({ "type": "subscribe", "id": "s", "channels": ["news"], "filter": "none" }), "invalid-parameter"),
        (json!({ "type": "unsubscribe", "id": "s" }), "not-found"),
        (json!({ "type": "authenticate", "token": "x" }), "bad-request"),
        (json!({ "type": "publish", "channels": ["news"] }), "bad-request"),
        (json!(["subscribe"]), "bad-request"),
    ] {
        let answer = ask(&mut socket, message.clone()).await;
        assert_eq!(problem(&answer), expected, "{message}");
    }
    for index in 0..16 {
        let message = json!({ "type": "subscribe", "id": format!("s{index}"), "channels": ["news"] });
        assert_eq!(ask(&mut socket, message).await["type"], "subscribed");
    }
    let twice = ask(&mut socket, json!({ "type": "subscribe", "id": "s1", "channels": ["news"] })).await;
    assert_eq!(problem(&twice), "invalid-parameter");
    let many = ask(&mut socket, json!({ "type": "subscribe", "id": "s16", "channels": ["news"] })).await;
    assert_eq!(problem(&many), "too-many-requests");

    for (frame, code) in [(Frame::binary(b"{}".to_vec()), 1003), (Frame::text("x".repeat((16 << 10) + 1)), 1009)] {
        let mut socket = connected(address, "ann").await;
        socket.send_raw(frame).await.expect("it is sent");
        let end = socket.end().await.expect("it ends");
        assert_eq!(end.code, Some(code));
        assert_eq!(problem(&end.messages[0]), "bad-request");
    }
    let mut hasty = connected(address, "ann").await;
    for _ in 0..250 {
        if hasty.send(&json!({ "type": "ping" })).await.is_err() {
            break;
        }
    }
    let end = hasty.end().await.expect("it ends");
    assert_eq!(problem(end.messages.last().expect("a reason")), "too-many-requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_connects_says_so_by_field_cookie_ticket_or_first_message_and_pages_of_others_do_not() {
    let _turn = turn::share().await;
    let platform = platform().await;
    let (address, other) = (platform.addresses()[0], platform.addresses()[1]);
    let own = json!({ "type": "subscribe", "id": "s", "channels": ["user:ann"] });
    let ann = token("ann", HOUR, &json!({}));

    let mut first = WebSocket::open(address, WS, &[]).await.expect("it opens");
    first.send(&json!({ "type": "authenticate", "token": ann })).await.expect("it is sent");
    assert_eq!(ask(&mut first, own.clone()).await["type"], "subscribed");
    let mut nobody = WebSocket::open(address, WS, &[]).await.expect("it opens");
    assert_eq!(problem(&ask(&mut nobody, own.clone()).await), "unauthorized");
    assert_eq!(
        problem(&ask(&mut nobody, json!({ "type": "authenticate", "token": ann })).await),
        "bad-request",
        "too late"
    );
    let news = json!({ "type": "subscribe", "id": "n", "channels": ["news"] });
    assert_eq!(ask(&mut nobody, news).await["type"], "subscribed", "everybody may");
    let mut wrong = WebSocket::open(address, WS, &[]).await.expect("it opens");
    wrong.send(&json!({ "type": "authenticate", "token": format!("{ann}x") })).await.expect("it is sent");
    let end = wrong.end().await.expect("it ends");
    assert_eq!((end.code, problem(&end.messages[0])), (Some(1008), "invalid-token"));

    let cookie = format!("session={ann}");
    for (fields, expected) in [
        (vec![("Cookie", cookie.as_str()), ("Origin", "https://shop.example")], 101),
        (vec![("Cookie", cookie.as_str()), ("Origin", "https://evil.example")], 403),
        (vec![("Cookie", cookie.as_str()), ("Origin", "null")], 403),
        (vec![("Cookie", cookie.as_str())], 401),
        (vec![("Origin", "https://evil.example")], 403),
        (vec![("Authorization", "Bearer nonsense")], 401),
    ] {
        let status = match WebSocket::ask(address, WS, &fields).await.expect("an answer") {
            Answer::Open(_) => 101,
            Answer::Refused(status, _) => status,
        };
        assert_eq!(status, expected, "{fields:?}");
    }
    let plain = http::send(address, &Request::get(WS)).await.expect("an answer");
    assert_eq!((plain.status(), plain.head.header("upgrade")), (426, Some("websocket")));

    let ticket = Request::post("/api/v1/tickets", &json!({ "channels": ["user:ann", "news"] }));
    let ticket = http::send(address, &ticket.header("Authorization", &bearer("ann"))).await.expect("an answer");
    let target = format!("{WS}?ticket={}", ticket.json().expect("JSON")["ticket"].as_str().expect("a text"));
    let mut by_ticket = WebSocket::open(other, &target, &[]).await.expect("it opens");
    assert_eq!(ask(&mut by_ticket, own.clone()).await["type"], "subscribed");
    let orders = json!({ "type": "subscribe", "id": "o", "channels": ["orders"] });
    assert_eq!(problem(&ask(&mut by_ticket, orders).await), "forbidden", "the ticket is for other channels");
    let Answer::Refused(401, _) = WebSocket::ask(other, &target, &[]).await.expect("an answer") else {
        panic!("a ticket opened twice")
    };
    for target in [format!("{WS}?channels=news"), format!("{WS}?ticket=a&ticket=b")] {
        let Answer::Refused(400 | 401, _) = WebSocket::ask(address, &target, &[]).await.expect("an answer") else {
            panic!("{target}")
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_with_its_token_unless_that_is_renewed_and_with_its_replica() {
    let _turn = turn::share().await;
    let mut platform = platform().await;
    let address = platform.addresses()[0];
    let brief = |name: &str| token(name, Duration::from_secs(5), &json!({}));
    let own = json!({ "type": "subscribe", "id": "s", "channels": ["user:ann"] });
    let mut ends =
        WebSocket::open(address, WS, &[("Authorization", &format!("Bearer {}", brief("ann")))]).await.expect("opens");
    let mut goes_on =
        WebSocket::open(address, WS, &[("Authorization", &format!("Bearer {}", brief("ann")))]).await.expect("opens");
    let mut others =
        WebSocket::open(address, WS, &[("Authorization", &format!("Bearer {}", brief("ann")))]).await.expect("opens");
    for socket in [&mut ends, &mut goes_on, &mut others] {
        assert_eq!(ask(socket, own.clone()).await["type"], "subscribed");
    }
    goes_on.next_of("expiring").await.expect("it is told");
    let renewed = ask(&mut goes_on, json!({ "type": "renew", "token": token("ann", HOUR, &json!({})) })).await;
    assert_eq!(renewed["type"], "renewed");
    assert!(renewed["expires_in_ms"].as_u64().is_some_and(|millis| millis > 3_000_000), "{renewed}");
    others.send(&json!({ "type": "renew", "token": token("bob", HOUR, &json!({})) })).await.expect("it is sent");
    let end = others.end().await.expect("it ends");
    assert_eq!(
        (end.code, problem(end.messages.iter().find(|message| message["type"] == "problem").expect("why"))),
        (Some(1008), "forbidden")
    );
    let end = ends.end().await.expect("it ends");
    let closing = end.messages.last().expect("why");
    assert_eq!(
        (end.code, &closing["type"], &closing["reason"]),
        (Some(1008), &json!("closing"), &json!("token-expired"))
    );

    publish(&platform, &json!({ "channels": ["user:ann"], "data": "still there" })).await;
    goes_on.next_of("event").await.expect("the renewed one goes on");
    platform.gateways[0].terminate();
    let end = goes_on.end().await.expect("it ends");
    let closing = end.messages.last().expect("why");
    assert_eq!((end.code, &closing["reason"], &closing["retryable"]), (Some(1012), &json!("drain"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_and_views_hold_for_streams_and_websockets_alike_and_nobody_sees_more() {
    let _turn = turn::share().await;
    let platform = platform().await;
    let address = platform.addresses()[0];
    let operator = format!("Bearer {}", token("root", HOUR, &json!({ "roles": ["operator"] })));
    let stream = async |target: &str, authorization: &str| {
        let options = Options::new(address, target).header("Authorization", authorization);
        Client::opened(options, BOUND).await.expect("a stream opens")
    };
    let ann = bearer("ann");
    let public = stream("/api/v1/events?channels=orders", &ann).await;
    let dear = stream("/api/v1/events?channels=orders&attribute.region=eu&types=order.*", &ann).await;
    // By what the view leaves there is no total: the condition can't be judged.
    let blind = stream("/api/v1/events?channels=orders&filter=dear", &ann).await;
    let broken = stream("/api/v1/events?channels=orders&view=broken", &ann).await;
    let raw = stream("/api/v1/events?channels=orders&view=raw&filter=dear", &operator).await;
    let mut socket = connected(address, "ann").await;
    let wanted = json!({ "type": "subscribe", "id": "o", "channels": ["orders"], "types": ["order.created"], "attributes": { "region": ["eu", "us"] } });
    assert_eq!(ask(&mut socket, wanted).await["type"], "subscribed");
    let order = |number: u64, total: u64, region: &str, kind: &str| {
        let data = json!({ "order": number, "total": total, "card": "4111", "items": [{ "sku": "a", "cost": 3 }] });
        json!({ "channels": ["orders"], "type": kind, "data": data, "attributes": { "region": region, "agent": "a7" } })
    };
    for (number, total, region, kind) in [
        (1, 10, "eu", "order.created"),
        (2, 500, "asia", "order.created"),
        (3, 600, "eu", "payment"),
        (4, 700, "eu", "order.paid"),
    ] {
        publish(&platform, &order(number, total, region, kind)).await;
    }
    let data = |client: &Client| -> Vec<String> { client.published().into_iter().map(|event| event.data).collect() };
    public.wait_for_published(4, BOUND).await.expect("all of them");
    assert_eq!(data(&public)[0], r#"{"items":[{"sku":"a"}],"order":1,"dear":false}"#);
    assert_eq!(data(&public)[1], r#"{"items":[{"sku":"a"}],"order":2,"dear":true}"#);
    dear.wait_for_published(2, BOUND).await.expect("two of them");
    let orders: Vec<Value> =
        data(&dear).iter().map(|data| serde_json::from_str::<Value>(data).expect("JSON")["order"].clone()).collect();
    assert_eq!(orders, [json!(1), json!(4)]);
    raw.wait_for_published(3, BOUND).await.expect("three of them");
    assert!(data(&raw).iter().all(|data| data.contains("4111")));
    let first = socket.next_of("event").await.expect("an event");
    assert_eq!(first["data"], r#"{"items":[{"sku":"a"}],"order":1,"dear":false}"#);
    let failed = broken.wait_for("failures", BOUND, |history| {
        history.events.iter().filter(|received| received.event.kind == "gateway.failed").count() == 4
    });
    failed.await.expect("they are told");
    assert!(broken.events().iter().all(|event| !event.data.contains("4111")));
    assert!(data(&blind).is_empty());
    // The cursor passes over what was left out.
    let cursor = wait::until("a cursor", BOUND, || async {
        let history = blind.history();
        Ok((Some(&history.last_event_id) == public.history().events.last().map(|last| &last.event.id)).then_some(()))
    });
    cursor.await.expect("it moves without an event");
    for target in ["view=raw", "view=internal", "view=", "filter=none", "attribute.card=", "types=a,,b"] {
        let request = Request::get(format!("/api/v1/events?channels=orders&{target}")).header("Authorization", &ann);
        let status = http::send(address, &request).await.expect("an answer").status();
        assert!(matches!(status, 400 | 403), "{target}: {status}");
    }
    for seen in [&public, &dear, &blind, &broken] {
        assert!(
            seen.events().iter().all(|event| !event.data.contains("4111") && !event.data.contains("a7")),
            "{}",
            seen.describe()
        );
    }
}
