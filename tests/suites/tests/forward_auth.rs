//! Sessions that a web application knows, on real servers: its cookie opens its users' streams, its word ends them, and its silence
//! lets nobody in.

use std::net::SocketAddr;
use std::time::Duration;

use events_gateway_harness::SessionService;
use events_gateway_harness::http::{self, Request};
use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::session_service::Mood;
use events_gateway_harness::sse::{Client, Event, Options};
use events_gateway_harness::websocket::WebSocket;
use events_gateway_suites::platform::{Plan, Platform, events_of};
use events_gateway_suites::token::{identity, token};
use events_gateway_suites::turn;
use serde_json::{Value, json};
use tokio::time::Instant;

const BOUND: Duration = Duration::from_secs(60);
const PAGE: &str = "https://shop.example";

async fn platform(service: &SessionService, recheck: &str) -> Platform {
    let mut identity = identity();
    identity["recheck"] = json!(recheck);
    identity["forwardAuth"] = json!({
        "url": service.url(),
        "issuer": "shop-session",
        "cookies": ["sid"],
        "headers": ["authorization"],
        "timeout": "1s",
        "cache": "1s",
    });
    let overlay = json!({
        "identity": identity,
        "access": { "rules": [
            { "subscribe": ["user:{sub}"], "replay": ["user:{sub}"] },
            { "issuer": "shop-session", "claims": { "/role": "clerk" }, "publish": ["user:*"], "subscribe": ["desk"] },
        ] },
        "listen": { "cors": { "origins": [PAGE], "credentials": true } },
    });
    let plan = Plan { replicas: 2, publish: json!({}), overlay, ..Plan::default() };
    Platform::start("forward-auth", &plan).await.expect("the platform starts")
}

/// What the application's page sends.
fn page(address: SocketAddr, channel: &str, session: &str) -> Options {
    let cookies = format!("theme=dark; sid={session}; tracking=t");
    Options::new(address, events_of(&[channel]))
        .header("Cookie", &cookies)
        .header("Origin", PAGE)
        .header("Sec-Fetch-Site", "cross-site")
}

/// The status, and of a 200 the reason in its `gateway.closing`, of all else the end of the problem's type.
async fn refused(address: SocketAddr, channel: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let mut request = Request::get(events_of(&[channel])).header("Accept", "text/event-stream");
    for (name, value) in fields {
        request = request.header(name, value);
    }
    let answer = http::send(address, &request).await.expect("an answer that ends");
    let text = answer.text();
    if answer.status() == 200 {
        let closing = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap_or_default();
        let closing: Value = serde_json::from_str(closing).unwrap_or_default();
        assert_eq!(closing["retryable"], true, "{text}");
        return (200, closing["reason"].as_str().unwrap_or_default().to_owned());
    }
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    (answer.status(), problem["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_opens_its_users_stream_and_ends_it_and_an_error_lets_nobody_in() {
    let _turn = turn::share().await;
    let service = SessionService::start().await.expect("the application starts");
    let platform = platform(&service, "5m").await;
    let addresses = platform.addresses();
    let ends = (Instant::now(), Duration::from_secs(6));
    let exp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default() + ends.1;
    service.sign_in("s-ann", json!({ "sub": "ann", "exp": exp.as_secs_f64() }));
    service.sign_in("s-bob", json!({ "sub": "bob", "role": "clerk" }));

    // Theirs opens, on any replica; another's doesn't, and nobody's neither.
    let ann = Options { reconnect: false, ..page(addresses[0], "user:ann", "s-ann") };
    let ann = Client::opened(ann, BOUND).await.expect("ann's stream opens");
    let bob = Client::opened(page(addresses[1], "user:bob", "s-bob"), BOUND).await.expect("bob's stream opens");
    let as_page = [("Origin", PAGE), ("Cookie", "sid=s-bob")];
    assert_eq!(refused(addresses[0], "user:ann", &as_page).await, (403, "forbidden".into()));
    for (fields, expected) in [
        (&[("Origin", PAGE), ("Cookie", "sid=unknown")][..], (401, "invalid-token")),
        (&[("Origin", "https://evil.example"), ("Cookie", "sid=s-ann")], (403, "foreign-host")),
        (&[("Sec-Fetch-Site", "cross-site"), ("Cookie", "sid=s-ann")], (403, "foreign-host")),
        (&[("Cookie", "sid=s-ann")], (401, "invalid-token")),
        (&[("Origin", PAGE), ("Cookie", "sid=s-ann; sid=s-bob")], (401, "invalid-token")),
        (&[("Authorization", "Bearer unknown")], (401, "invalid-token")),
    ] {
        assert_eq!(refused(addresses[0], "user:ann", fields).await, (expected.0, expected.1.to_owned()), "{fields:?}");
    }

    // Who may publish does so with the cookie, as JSON only.
    let publish = async |session: &str, media_type: &str| {
        let mut request = Request::post("/api/v1/events", &json!({ "channels": ["user:ann"], "data": session }));
        request.headers = vec![("Content-Type".to_owned(), media_type.to_owned())];
        let request = request.header("Origin", PAGE).header("Cookie", &format!("sid={session}"));
        http::send(addresses[0], &request).await.expect("an answer").status()
    };
    assert_eq!(publish("s-ann", "application/json").await, 403);
    for form in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"] {
        assert_eq!(publish("s-bob", form).await, 415, "{form}");
    }
    assert_eq!(publish("s-bob", "application/json").await, 202);
    ann.wait_for_published(1, BOUND).await.expect("what bob published");

    // A token of an issuer is never seen by the application; an opaque one is looked up.
    let own = token("ann", Duration::from_secs(3_600), &json!({}));
    let bearer = format!("Bearer {own}");
    let by_token = Options::new(addresses[0], events_of(&["user:ann"])).header("Authorization", &bearer);
    let by_token = Client::opened(by_token, BOUND).await.expect("a token of an issuer opens");
    service.sign_in("opaque", json!({ "sub": "ann" }));
    let by_opaque = Options::new(addresses[1], events_of(&["user:ann"])).header("Authorization", "Bearer opaque");
    let by_opaque = Client::opened(by_opaque, BOUND).await.expect("an opaque token opens");
    for head in service.heads() {
        let head = head.to_ascii_lowercase();
        assert!(!head.contains(&own.to_ascii_lowercase()), "a token of an issuer was sent on");
        for name in ["theme", "tracking", "origin", "sec-fetch-site", "content-type", "forwarded"] {
            assert!(!head.contains(name), "{name} was sent on: {head}");
        }
    }

    // The stream ends with the session.
    let closed = ann.wait_for("its end", BOUND, |history| {
        history.events.iter().any(|received| received.event.kind == "gateway.closing")
    });
    closed.await.expect("it ends");
    assert!(ends.0.elapsed() >= Duration::from_secs(5), "{:?}", ends.0.elapsed());
    let closing = ann.events().into_iter().find(|event| event.kind == "gateway.closing").expect("it says why");
    assert_eq!(closing.json()["reason"], "token-expired");
    let as_ann = [("Origin", PAGE), ("Cookie", "sid=s-ann")];
    assert_eq!(refused(addresses[0], "user:ann", &as_ann).await, (401, "invalid-token".into()));

    // Signed out: no longer than an answer holds.
    service.sign_out("s-bob");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(refused(addresses[1], "user:bob", &as_page).await, (401, "invalid-token".into()));
    service.sign_in("s-bob", json!({ "sub": "bob", "role": "clerk" }));

    // An error or no answer is never an allow, and nothing final. Streams that are open stay open.
    for mood in [Mood::Fails, Mood::Hangs] {
        service.set(mood);
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let began = Instant::now();
        assert_eq!(refused(addresses[1], "user:bob", &as_page).await, (200, "identity-unavailable".into()), "{mood:?}");
        assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
        assert_eq!(publish("s-bob", "application/json").await, 503, "{mood:?}");
    }
    service.set(Mood::Answers);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let again = Client::opened(page(addresses[0], "user:bob", "s-bob"), BOUND).await.expect("it opens again");

    let producer = platform.kafka.producer().expect("a producer");
    for channel in ["user:ann", "user:bob"] {
        let envelope = json!({ "channels": [channel], "data": channel });
        producer.send(platform.topic(), &Record::json(channel, &envelope)).await.expect("Kafka takes it");
    }
    for (client, channel) in
        [(&bob, "user:bob"), (&again, "user:bob"), (&by_token, "user:ann"), (&by_opaque, "user:ann")]
    {
        let events = client.wait_for_published(1, BOUND).await.expect("its event");
        assert_eq!(events[0].data, channel, "{}", client.describe());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tries_unknown_sessions_again_and_again_is_little_work_for_the_application() {
    let _turn = turn::share().await;
    let service = SessionService::start().await.expect("the application starts");
    let platform = platform(&service, "5m").await;
    let address = platform.addresses()[0];
    let before = service.asked();
    let began = Instant::now();
    let tries = (0..200).map(|_| refused(address, "user:ann", &[("Origin", PAGE), ("Cookie", "sid=guess")]));
    for told in futures_util::future::join_all(tries).await {
        assert_eq!(told, (401, "invalid-token".into()));
    }
    let (asked, lasted) = (service.asked() - before, began.elapsed());
    println!("forward auth: 200 requests with one unknown session in {lasted:?}: asked {asked} times");
    assert!(asked <= 2 + lasted.as_secs(), "{asked} in {lasted:?}");
}

/// Sends, and answers the next message of this type.
async fn told(socket: &mut WebSocket, message: Value, kind: &str) -> Value {
    socket.send(&message).await.expect("it is sent");
    socket.next_of(kind).await.expect("an answer")
}

fn subscribe(channel: &str) -> Value {
    json!({ "type": "subscribe", "id": channel.replace(':', "-"), "channels": [channel] })
}

/// Waits until a stream says why it ends.
async fn reason(client: &Client) -> Value {
    let is_closing = |event: &Event| event.kind == "gateway.closing";
    client
        .wait_for("its end", BOUND, |history| history.events.iter().any(|received| is_closing(&received.event)))
        .await
        .expect("it ends");
    client.events().iter().find(|event| is_closing(event)).expect("it says why").json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_is_asked_again_while_streams_are_open_and_what_it_no_longer_grants_ends() {
    let _turn = turn::share().await;
    let service = SessionService::start().await.expect("the application starts");
    let platform = platform(&service, "10s").await;
    let address = platform.addresses()[0];
    for name in ["ann", "bob"] {
        service.sign_in(&format!("s-{name}"), json!({ "sub": name }));
    }
    for name in ["cleo", "dan"] {
        service.sign_in(&format!("s-{name}"), json!({ "sub": name, "role": "clerk" }));
    }
    service.sign_in("opaque-eve", json!({ "sub": "eve" }));
    let stream = async |channel: &str, name: &str| {
        let options = Options { reconnect: false, ..page(address, channel, &format!("s-{name}")) };
        Client::opened(options, BOUND).await.expect("a stream opens")
    };
    let (ann, bob, cleo) =
        (stream("user:ann", "ann").await, stream("user:bob", "bob").await, stream("desk", "cleo").await);
    let fields = [("Origin", PAGE), ("Cookie", "sid=s-dan")];
    let mut dan = WebSocket::open(address, "/api/v1/ws", &fields).await.expect("by a cookie");
    for channel in ["user:dan", "desk"] {
        told(&mut dan, subscribe(channel), "subscribed").await;
    }
    let mut eve = WebSocket::open(address, "/api/v1/ws", &[]).await.expect("without saying who it is");
    let authenticate = json!({ "type": "authenticate", "token": "opaque-eve" });
    eve.send(&authenticate).await.expect("it is sent");
    told(&mut eve, subscribe("user:eve"), "subscribed").await;

    // A round without an answer ends nobody's stream.
    service.set(Mood::Fails);
    let before = service.asked();
    let began = Instant::now();
    // Whoever reads answers pings, and is alive.
    while service.asked() < before + 5 && began.elapsed() < BOUND {
        for socket in [&mut dan, &mut eve] {
            told(socket, json!({ "type": "ping" }), "pong").await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    service.set(Mood::Answers);
    assert_eq!(service.asked(), before + 5, "each is asked about once");
    for client in [&ann, &bob, &cleo] {
        assert!(client.events().iter().all(|event| event.kind != "gateway.closing"), "{}", client.describe());
    }

    // Signed out, or no clerk any more.
    service.sign_out("s-bob");
    service.sign_out("opaque-eve");
    for name in ["cleo", "dan"] {
        service.sign_in(&format!("s-{name}"), json!({ "sub": name }));
    }
    let ends = tokio::join!(reason(&bob), reason(&cleo), eve.end(), dan.next_of("closing"));
    for closing in [&ends.0, &ends.1] {
        assert_eq!((&closing["reason"], &closing["retryable"]), (&json!("no-longer-permitted"), &json!(false)));
    }
    let end = ends.2.expect("it ends");
    assert_eq!((end.code, &end.messages.last().expect("why")["reason"]), (Some(1008), &json!("no-longer-permitted")));
    let closing = ends.3.expect("one subscription ends");
    assert_eq!((&closing["id"], &closing["reason"]), (&json!("desk"), &json!("no-longer-permitted")));
    let refused = told(&mut dan, subscribe("desk"), "problem").await;
    assert_eq!(refused["problem"]["status"], 403, "{refused}");

    let producer = platform.kafka.producer().expect("a producer");
    for channel in ["user:ann", "user:dan"] {
        let envelope = json!({ "channels": [channel], "data": channel });
        producer.send(platform.topic(), &Record::json(channel, &envelope)).await.expect("Kafka takes it");
    }
    assert_eq!(ann.wait_for_published(1, BOUND).await.expect("its event")[0].data, "user:ann");
    assert_eq!(dan.next_of("event").await.expect("its event")["data"], "user:dan");
}
