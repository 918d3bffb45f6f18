//! Who clients are and what they may do, on real servers: everybody gets theirs, and nobody anybody else's.

use std::net::SocketAddr;
use std::time::Duration;

use events_gateway_harness::http::{self, Request};
use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::sse::{Client, Options};
use events_gateway_harness::wait;
use events_gateway_harness::websocket::{Answer, WebSocket};
use events_gateway_suites::platform::{Plan, Platform, events_of};
use events_gateway_suites::token::{identity, token};
use events_gateway_suites::turn;
use serde_json::{Value, json};
use tokio::time::Instant;

const BOUND: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// Subjects whose names look like other things.
const NAMES: [(&str, &str); 6] = [
    ("ann", "user:ann"),
    ("auth0|5f", "user:auth0~7C5f"),
    ("7:private", "user:7~3Aprivate"),
    ("a@b.c", "user:a~40b.c"),
    ("*", "user:~2A"),
    ("..", "user:.."),
];

async fn platform() -> Platform {
    let overlay = json!({
        "identity": identity(),
        "access": { "rules": [
            { "to": "everyone", "subscribe": ["news"], "replay": ["news"] },
            { "subscribe": ["user:{sub}", "team:{claims./teams/*}", "log:{sub}"], "replay": ["user:{sub}"] },
            { "claims": { "/roles": "publisher" }, "publish": ["user:*"] },
            { "claims": { "/roles": "operator" }, "subscribe": ["**", "all"] },
            { "claims": { "/roles": "watcher" }, "stats": ["**"] },
        ] },
        "aliases": [
            { "path": "/pages/{user}", "channels": ["user:{user}"] },
            { "path": "/pages/", "channels": ["news"],
              "parameters": [{ "name": "users", "is": "channels", "channel": "user:{value}" }] },
            { "path": "/everything", "channels": ["all"] },
            { "path": "/raw/{user}", "channels": ["user:{user}"], "serves": "websocket" },
        ],
        "channels": { "all": true, "public": ["news"] },
        "listen": { "cors": { "origins": ["https://shop.example"], "credentials": true } },
    });
    let plan = Plan { replicas: 2, publish: json!({}), overlay, ..Plan::default() };
    Platform::start("identity", &plan).await.expect("the platform starts")
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn options(address: SocketAddr, target: &str, token: &str) -> Options {
    Options::new(address, target).header("Authorization", &bearer(token))
}

/// The status and the end of the problem's type.
async fn refused(address: SocketAddr, target: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let mut request = Request::get(target);
    for (name, value) in fields {
        request = request.header(name, value);
    }
    // A stream that opens would never end.
    let stream = http::Stream::open(address, &request).await.expect("an answer");
    let status = stream.head().status;
    if status == 200 {
        return (status, String::new());
    }
    let problem: Value = http::send(address, &request).await.expect("an answer").json().unwrap_or_default();
    (status, problem["type"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_their_own_channels_and_nobody_anybody_elses() {
    let _turn = turn::share().await;
    let platform = platform().await;
    let addresses = platform.addresses();
    let mut clients = Vec::new();
    for (index, (name, channel)) in NAMES.iter().enumerate() {
        let token = token(name, HOUR, &json!({ "teams": ["red", name] }));
        let options = options(addresses[index % 2], &events_of(&[channel]), &token);
        clients.push((*channel, Client::opened(options, BOUND).await.expect("their own stream opens")));
    }
    let attempts = attempts();
    let mut tried = 0;
    for (who, target) in &attempts {
        let token = token(who, HOUR, &json!({ "teams": ["red"] }));
        for address in &addresses {
            let (status, problem) = refused(*address, target, &[("Authorization", &bearer(&token))]).await;
            assert!(matches!(status, 400 | 403), "{who} {target}: {status} {problem}");
            tried += 1;
        }
        let (status, problem) = refused(addresses[0], target, &[]).await;
        assert!(matches!(status, 400 | 401), "nobody {target}: {status} {problem}");
        tried += 1;
    }
    let producer = platform.kafka.producer().expect("a producer");
    for (_, channel) in NAMES {
        let envelope = json!({ "channels": [channel], "data": channel });
        producer.send(platform.topic(), &Record::json(channel, &envelope)).await.expect("Kafka takes it");
    }
    for (channel, client) in &clients {
        client.wait_for_published(1, BOUND).await.expect("their event");
        let data: Vec<String> = client.published().into_iter().map(|event| event.data).collect();
        assert_eq!(data, [*channel], "{}", client.describe());
    }
    // An alias opens what its client may have, and a WebSocket of one nothing else.
    let aliased = options(addresses[0], "/pages/ann", &token("ann", HOUR, &json!({})));
    Client::opened(aliased, BOUND).await.expect("her own page opens");
    for (who, expected) in [("ann", None), ("bob", Some(403))] {
        let authorization = bearer(&token(who, HOUR, &json!({})));
        let answer = WebSocket::ask(addresses[0], "/raw/ann", &[("Authorization", &authorization)]).await;
        let refused = match answer.expect("an answer") {
            Answer::Open(_) => None,
            Answer::Refused(status, _) => Some(status),
        };
        assert_eq!(refused, expected, "{who}");
        tried += usize::from(expected.is_some());
    }
    println!("identity: {tried} attempts at others' channels, 0 opened");
}

/// Who asks for what isn't theirs.
fn attempts() -> Vec<(&'static str, String)> {
    let mut attempts = Vec::new();
    for (who, own) in NAMES {
        for channel in [
            "user:bob",
            "user:*",
            "user:**",
            "**",
            "*",
            "user",
            "user:",
            "all",
            "team:blue",
            "team:ann",
            "log:bob",
            "everyone",
            "user:ann:private",
            "user:7:private",
            "user:auth0",
            "user:5f",
            "user:a",
            "news:secret",
            "process:1",
            "user:{sub}",
            "USER:ann",
            "user:ANN",
            "user:%61nn2",
            "user:a~40b.c2",
            "user:auth0~7c5f",
        ] {
            attempts.push((who, format!("/api/v1/events?channels={channel}")));
            attempts.push((who, format!("/api/v1/events?topics={own},{channel}")));
        }
        attempts.push((who, "/api/v1/events?channels=user:bob&last_event_id=earliest".to_owned()));
        attempts.push((who, format!("/api/v1/events?channels={own}&channels=user:bob")));
        attempts.push((who, format!("/api/v1/events?channels={own}%2Cuser:bob")));
        attempts.push((who, format!("/api/v1/events?channels={own}%00,user:bob")));
        attempts.push((who, format!("/api/v1/events?channels={own}&token=x")));
        for path in ["/pages/bob", "/pages/%62ob", "/pages/?users=bob", "/pages/?users=ann2,bob", "/everything"] {
            attempts.push((who, path.to_owned()));
        }
    }
    attempts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_token_and_goes_on_with_the_next_one() {
    let _turn = turn::share().await;
    let platform = platform().await;
    let producer = platform.kafka.producer().expect("a producer");
    let send = async |number: u64| {
        let envelope = json!({ "channels": ["user:ann"], "data": number });
        producer.send(platform.topic(), &Record::json("user:ann", &envelope)).await.expect("Kafka takes it");
    };
    let short = token("ann", Duration::from_secs(5), &json!({}));
    let began = Instant::now();
    let first = Options { reconnect: false, ..options(platform.addresses()[0], &events_of(&["user:ann"]), &short) };
    let first = Client::opened(first, BOUND).await.expect("a stream opens");
    send(1).await;
    first.wait_for_published(1, BOUND).await.expect("its event");
    let closed = first.wait_for("its end", BOUND, |history| {
        history.events.iter().any(|received| received.event.kind == "gateway.closing")
    });
    closed.await.expect("it ends");
    let lasted = began.elapsed();
    assert!((4_000..10_000).contains(&lasted.as_millis()), "{lasted:?}");
    let own: Vec<_> = first.events().into_iter().filter(|event| event.kind.starts_with("gateway.")).collect();
    let kinds: Vec<&str> = own.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["gateway.open", "gateway.expiring", "gateway.closing"]);
    assert!(own[1].json()["expires_in_ms"].as_u64().is_some_and(|millis| millis <= 2_000), "{}", own[1].data);
    assert_eq!(own[2].json()["reason"], "token-expired");
    send(2).await;

    // An expired token opens nothing.
    let target = events_of(&["user:ann"]);
    let stale = refused(platform.addresses()[0], &target, &[("Authorization", &bearer(&short))]).await;
    assert_eq!(stale, (401, "invalid-token".to_owned()));
    let again = Options {
        last_event_id: first.history().last_event_id.clone(),
        ..options(platform.addresses()[1], &target, &token("ann", HOUR, &json!({})))
    };
    let again = Client::opened(again, BOUND).await.expect("a stream opens");
    let events = again.wait_for_published(1, BOUND).await.expect("what it missed");
    assert_eq!(events[0].data, "2");
    assert!(again.events().iter().all(|event| event.kind != "gateway.gap"), "{}", again.describe());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_to_replay_everybody_goes_on_from_their_own_recent_cursor_only() {
    let _turn = turn::share().await;
    let platform = platform().await;
    let producer = platform.kafka.producer().expect("a producer");
    let send = async |number: u64| {
        let envelope = json!({ "channels": ["team:red"], "data": number });
        producer.send(platform.topic(), &Record::json("team:red", &envelope)).await.expect("Kafka takes it");
    };
    let open = async |replica: usize, who: &str, cursor: &str| {
        let token = token(who, HOUR, &json!({ "teams": ["red"] }));
        let asked = options(platform.addresses()[replica], &events_of(&["team:red"]), &token);
        let asked = Options { last_event_id: cursor.to_owned(), reconnect: false, ..asked };
        Client::opened(asked, BOUND).await.expect("a stream opens")
    };
    let told_of_a_gap = |client: &Client| client.events().iter().any(|event| event.kind == "gateway.gap");

    let first = open(0, "ann", "").await;
    send(1).await;
    first.wait_for_published(1, BOUND).await.expect("her event");
    let cursor = first.history().last_event_id.clone();
    drop(first);
    send(2).await;
    let again = open(1, "ann", &cursor).await;
    again.wait_for_published(1, BOUND).await.expect("what she missed");
    assert_eq!(again.published()[0].data, "2");
    assert!(!told_of_a_gap(&again), "{}", again.describe());

    // A colleague who may subscribe has nothing of it, nor has she by a cursor that was made up or changed.
    let changed = format!("{}{}", &cursor[..cursor.len() - 1], if cursor.ends_with('A') { 'B' } else { 'A' });
    for (who, cursor) in [("bob", cursor.as_str()), ("ann", "anything"), ("ann", &changed)] {
        let other = open(0, who, cursor).await;
        let is_told = other.wait_for("a gap", BOUND, |history| {
            history.events.iter().any(|received| received.event.kind == "gateway.gap")
        });
        is_told.await.expect("it is told");
        assert!(other.published().is_empty(), "{who} {cursor}: {}", other.describe());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_publish_publishes_and_two_publishers_share_no_key() {
    let _turn = turn::share().await;
    let platform = platform().await;
    let address = platform.addresses()[0];
    let ann = token("ann", HOUR, &json!({}));
    let client = Client::opened(options(address, &events_of(&["user:ann"]), &ann), BOUND).await.expect("a stream");
    let publish = async |token: Option<&str>, channel: &str, data: &str| {
        let mut request = Request::post("/api/v1/events", &json!({ "channels": [channel], "data": data }));
        request = request.header("Idempotency-Key", "1");
        if let Some(token) = token {
            request = request.header("Authorization", &bearer(token));
        }
        http::send(address, &request).await.expect("an answer").status()
    };
    let publisher = |name: &str| token(name, HOUR, &json!({ "roles": ["publisher"] }));
    assert_eq!(publish(None, "user:ann", "x").await, 401);
    assert_eq!(publish(Some(&ann), "user:ann", "x").await, 403);
    assert_eq!(publish(Some(&publisher("one")), "news", "x").await, 403);
    assert_eq!(publish(Some("nonsense"), "user:ann", "x").await, 401);
    assert_eq!(publish(Some(&publisher("one")), "user:ann", "one").await, 202);
    assert_eq!(publish(Some(&publisher("other")), "user:ann", "other").await, 202);
    assert_eq!(publish(Some(&publisher("one")), "user:ann", "one").await, 202, "a retry");
    let last = json!({ "channels": ["user:ann"], "data": "last" });
    let last = Request::post("/api/v1/events", &last).header("Authorization", &bearer(&publisher("one")));
    assert_eq!(http::send(address, &last).await.expect("an answer").status(), 202);
    let events = client.wait_for_published(3, BOUND).await.expect("all of it");
    let data: Vec<&str> = events.iter().map(|event| event.data.as_str()).collect();
    assert_eq!(data, ["one", "other", "last"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_name_the_channels_that_whoever_asks_may_read() {
    let _turn = turn::share().await;
    let platform = platform().await;
    let mut clients = Vec::new();
    for (index, name) in ["ann", "ann", "bob"].into_iter().enumerate() {
        let token = token(name, HOUR, &json!({}));
        let target = events_of(&[format!("user:{name}"), "news".to_owned()]);
        let options = options(platform.addresses()[index % 2], &target, &token);
        clients.push(Client::opened(options, BOUND).await.expect("a stream opens"));
    }
    let stats = async |who: Option<(&str, &[&str])>| {
        let mut request = Request::get("/api/v1/events/stats");
        if let Some((name, roles)) = who {
            request = request.header("Authorization", &bearer(&token(name, HOUR, &json!({ "roles": roles }))));
        }
        http::send(platform.addresses()[0], &request).await.expect("an answer")
    };
    assert_eq!(stats(None).await.status(), 401);
    assert_eq!(stats(Some(("ann", &["operator"]))).await.status(), 403);
    // What each replica does is in its lease soon.
    let all = wait::until("all connections", BOUND, || async {
        let told = stats(Some(("root", &["watcher", "operator"]))).await.json()?;
        Ok((told["cluster"]["connections"] == 3 && told["cluster"]["replicas"] == 2).then_some(told))
    });
    let all = all.await.expect("they are told");
    assert_eq!(all["replica"]["connections"], 2);
    let named = |told: &Value| -> Vec<(String, u64)> {
        let channels = told["channels"].as_array().cloned().unwrap_or_default();
        let pair = |channel: &Value| {
            (channel["channel"].as_str().unwrap_or_default().to_owned(), channel["connections"].as_u64().unwrap_or(0))
        };
        channels.iter().map(pair).collect()
    };
    let (news, ann, bob) = (("news".to_owned(), 2), ("user:ann".to_owned(), 1), ("user:bob".to_owned(), 1));
    assert_eq!(named(&all), [news.clone(), ann.clone(), bob]);
    let own = stats(Some(("ann", &["watcher"]))).await.json().expect("JSON");
    assert_eq!(named(&own), [news, ann]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_opens_one_stream_on_any_replica_with_its_channels_and_nothing_else() {
    let _turn = turn::share().await;
    let platform = platform().await;
    let (one, other) = (platform.addresses()[0], platform.addresses()[1]);
    let ann = token("ann", HOUR, &json!({}));
    let ask = async |token: Option<&str>, channels: &[&str]| {
        let mut request = Request::post("/api/v1/tickets", &json!({ "channels": channels }));
        if let Some(token) = token {
            request = request.header("Authorization", &bearer(token));
        }
        http::send(one, &request).await.expect("an answer")
    };
    let ticket = async |channels: &[&str]| {
        let answer = ask(Some(&ann), channels).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
        let issued: Value = answer.json().expect("JSON");
        assert_eq!(issued["expires_in_ms"], 30_000);
        issued["ticket"].as_str().expect("a text").to_owned()
    };
    assert_eq!(ask(None, &["user:ann"]).await.status(), 401);
    assert_eq!(ask(Some(&ann), &["user:bob"]).await.status(), 403);
    assert_eq!(ask(Some(&ann), &[]).await.status(), 400);

    let first = ticket(&["user:ann", "news"]).await;
    let target = format!("/api/v1/events?channels=news,user:ann&ticket={first}");
    let options = Options { reconnect: false, ..Options::new(other, &target) };
    let client = Client::opened(options, BOUND).await.expect("a stream opens without another proof");
    let headers = client.history().connections[0].headers.clone();
    assert!(headers.contains(&("referrer-policy".to_owned(), "no-referrer".to_owned())), "{headers:?}");
    let producer = platform.kafka.producer().expect("a producer");
    let envelope = json!({ "channels": ["user:ann"], "data": "hers" });
    producer.send(platform.topic(), &Record::json("user:ann", &envelope)).await.expect("Kafka takes it");
    client.wait_for_published(1, BOUND).await.expect("her event");
    assert_eq!(refused(one, &target, &[]).await, (401, "invalid-token".to_owned()), "it is spent");

    let second = ticket(&["user:ann"]).await;
    let wider = format!("/api/v1/events?channels=user:ann,news&ticket={second}");
    assert_eq!(refused(one, &wider, &[]).await.0, 403);
    for target in [
        format!("/api/v1/events?channels=user:ann&ticket={second}"),
        "/api/v1/events?channels=user:ann&ticket=".to_owned(),
        format!("/api/v1/events?channels=user:ann&ticket={}", "A".repeat(43)),
        format!("/api/v1/events?channels=user:ann&ticket={second}&ticket={second}"),
    ] {
        assert!(matches!(refused(one, &target, &[]).await.0, 400 | 401), "{target}");
    }
    // A page of another origin asks first.
    let preflight = Request { method: "OPTIONS".to_owned(), ..Request::get("/api/v1/tickets") }
        .header("Origin", "https://shop.example")
        .header("Access-Control-Request-Method", "POST");
    let allowed = http::send(one, &preflight).await.expect("an answer");
    assert_eq!(allowed.head.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS, POST"));
    assert_eq!(allowed.head.header("access-control-allow-credentials"), Some("true"));
    // It is no token.
    let third = ticket(&["user:ann"]).await;
    let fields = bearer(&third);
    assert_eq!(refused(one, &events_of(&["user:ann"]), &[("Authorization", &fields)]).await.0, 401);
    assert_eq!(refused(one, &format!("/api/v1/events/stats?ticket={third}"), &[]).await.0, 400);
    for gateway in &platform.gateways {
        assert!(!gateway.log().contains(&first), "no ticket stands in a log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_origin_opens_nothing_with_its_visitors_cookie() {
    let _turn = turn::share().await;
    let platform = platform().await;
    let address = platform.addresses()[0];
    let target = events_of(&["user:ann"]);
    let cookie = format!("session={}", token("ann", HOUR, &json!({})));
    for (fields, expected) in [
        (&[("Sec-Fetch-Site", "same-origin")][..], 200),
        (&[("Origin", "https://shop.example"), ("Sec-Fetch-Site", "cross-site")], 200),
        (&[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Origin", "null")], 403),
        (&[("Sec-Fetch-Site", "cross-site")], 403),
        (&[], 401),
    ] {
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("Cookie", cookie.as_str())]).collect();
        assert_eq!(refused(address, &target, &fields).await.0, expected, "{:?}", &fields[..fields.len() - 1]);
    }
}
