//! How streams are closed and replicas end: commands, drains, signals.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use events_gateway_harness::http::Request;
use events_gateway_harness::kafka::admin::{Producer, Record};
use events_gateway_harness::sse::client::History;
use events_gateway_harness::sse::{Client, Crowd, Event, Options};
use events_gateway_harness::{Gateway, wait};
use events_gateway_suites::config::ADMIN_TOKEN;
use events_gateway_suites::platform::{Plan, Platform, events_of};
use events_gateway_suites::turn;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const BOUND: Duration = Duration::from_secs(60);
/// The exit code of a process that a second signal aborted.
const ABORTED: i32 = 70;

async fn one_replica(overlay: Value) -> Platform {
    let plan = Plan { replicas: 1, partitions: 1, overlay, ..Plan::default() };
    Platform::start("lifecycle", &plan).await.expect("the platform starts")
}

/// A client that doesn't come back.
async fn once(gateway: &Gateway, channel: &str) -> Client {
    let options = Options { reconnect: false, ..Options::new(gateway.public(), events_of(&[channel])) };
    Client::opened(options, BOUND).await.expect("the stream opens")
}

fn closing(history: &History) -> Option<(Instant, Value)> {
    let received = history.events.iter().find(|received| received.event.kind == "gateway.closing")?;
    Some((received.at, serde_json::from_str(&received.event.data).expect("closings are JSON")))
}

async fn until_closing(client: &Client) -> (Instant, Value) {
    let told = client.wait_for("a closing", BOUND, |history| closing(history).is_some()).await;
    told.expect("it is told");
    closing(&client.history()).expect("it was there a moment ago")
}

async fn post(gateway: &Gateway, path: &str) -> Value {
    let authorization = format!("Bearer {ADMIN_TOKEN}");
    let request = Request { method: "POST".to_owned(), ..Request::get(path).header("Authorization", &authorization) };
    let answer = gateway.ask(&request).await.expect("the admin listener answers");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json().expect("JSON")
}

async fn status(gateway: &Gateway) -> Value {
    let authorization = format!("Bearer {ADMIN_TOKEN}");
    let request = Request::get("/status").header("Authorization", &authorization);
    let answer = gateway.ask(&request).await.expect("the admin listener answers");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json().expect("JSON")
}

async fn disconnect(producer: &Producer, platform: &Platform, channel: &str) {
    let command = json!({ "type": "disconnect", "channels": [channel] });
    let topic = platform.config.commands.as_ref().expect("a topic of commands");
    producer.send(topic, &Record::json(channel, &command)).await.expect("Kafka takes it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnect_command_ends_the_streams_of_its_channel_on_all_replicas_within_a_second() {
    let _turn = turn::take().await;
    let platform = Platform::start("lifecycle", &Plan::default()).await.expect("the platform starts");
    let producer = platform.kafka.producer().expect("a producer");
    // The group of the commands has been joined, and its first record was read.
    let first = once(&platform.gateways[0], "user:first").await;
    disconnect(&producer, &platform, "user:first").await;
    until_closing(&first).await;

    let (mut theirs, mut others) = (Vec::new(), Vec::new());
    for gateway in &platform.gateways {
        for _ in 0..3 {
            theirs.push(once(gateway, "user:x").await);
        }
        others.push(once(gateway, "user:y").await);
    }
    sleep(Duration::from_millis(50)).await;
    let sent = Instant::now();
    disconnect(&producer, &platform, "user:x").await;
    for client in &theirs {
        let (at, told) = until_closing(client).await;
        assert_eq!(told["reason"], "disconnected");
        let took = at.saturating_duration_since(sent);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    // Who comes later isn't meant, and neither are others.
    let later = once(&platform.gateways[0], "user:x").await;
    sleep(Duration::from_secs(1)).await;
    for client in others.iter().chain([&later]) {
        assert!(closing(&client.history()).is_none(), "{}", client.describe());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_replica_refuses_retryably_and_serves_again_when_that_is_undone() {
    let _turn = turn::take().await;
    let mut platform = one_replica(Value::Null).await;
    let producer = platform.kafka.producer().expect("a producer");
    let gateway = &platform.gateways[0];
    let before = once(gateway, "user:a").await;
    assert_eq!(post(gateway, "/drain").await["changed"], true);
    let (_, told) = until_closing(&before).await;
    assert_eq!((&told["reason"], &told["retryable"]), (&json!("drain"), &json!(true)));
    let ready = gateway.ask(&Request::get("/ready")).await.expect("an answer");
    assert_eq!(ready.status(), 503);
    // A refusal is a stream, or an EventSource would give up.
    let refused = Client::open(Options { reconnect: false, ..Options::new(gateway.public(), events_of(&["user:a"])) });
    let (_, told) = until_closing(&refused).await;
    assert_eq!((&told["reason"], &told["retryable"]), (&json!("drain"), &json!(true)));
    assert_eq!(refused.history().connections[0].status, Some(200));

    assert_eq!(post(gateway, "/undrain").await["changed"], true);
    platform.gateways[0].wait_until_ready().await.expect("it is ready again");
    let after = once(&platform.gateways[0], "user:a").await;
    let envelope = json!({ "type": "note", "channels": ["user:a"], "data": 1 });
    producer.send(platform.topic(), &Record::json("a", &envelope)).await.expect("Kafka takes it");
    let events: Vec<Event> = after.wait_for_published(1, BOUND).await.expect("it consumes again");
    assert_eq!(events[0].data, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_closes_two_thousand_streams_at_the_rate_and_ends_with_0() {
    let _turn = turn::take().await;
    let rate = 500;
    let mut platform = one_replica(json!({ "drain": { "closesPerSecond": rate } })).await;
    let targets = (0..2_000).map(|index| events_of(&[format!("user:{}", index % 300)]));
    let crowd = Crowd::open(platform.gateways[0].public(), targets, BOUND).await.expect("a crowd opens");
    let began = Instant::now();
    platform.gateways[0].terminate();
    let mut ended: Vec<(Duration, u64)> = Vec::new();
    while crowd.ended() < 2_000 {
        assert!(began.elapsed() < Duration::from_secs(15), "{} of 2,000 have ended", crowd.ended());
        ended.push((began.elapsed(), crowd.ended()));
        sleep(Duration::from_millis(25)).await;
    }
    let took = began.elapsed();
    let second = Duration::from_secs(1);
    for (from, before) in &ended {
        let Some((_, then)) = ended.iter().rev().find(|(at, _)| *at <= *from + second) else { continue };
        // A busy machine delivers what was closed in one second a little later, together with the next.
        assert!(then - before <= rate * 3 / 2, "{} streams ended within a second of {from:?}", then - before);
    }
    assert!(took > Duration::from_millis(3_900), "2,000 at {rate} a second can't be closed in {took:?}");
    let status = platform.gateways[0].wait_for_end(Duration::from_secs(10)).await.expect("it ends");
    println!("2,000 streams closed in {took:?}, ended after {:?}", began.elapsed());
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_that_drain_share_the_rate() {
    let _turn = turn::take().await;
    let rate = 200;
    let plan = Plan {
        replicas: 2,
        partitions: 2,
        overlay: json!({ "drain": { "closesPerSecond": rate, "timeout": "30s", "settle": "2s" } }),
        ..Plan::default()
    };
    let platform = Platform::start("lifecycle", &plan).await.expect("the platform starts");
    let mut crowds = Vec::new();
    for (gateway, streams) in platform.gateways.iter().zip([900, 600]) {
        let targets = (0..streams).map(|index| events_of(&[format!("user:{}", index % 300)]));
        crowds.push(Crowd::open(gateway.public(), targets, BOUND).await.expect("a crowd opens"));
    }
    let began = Instant::now();
    for gateway in &platform.gateways {
        assert_eq!(post(gateway, "/drain").await["changed"], true);
    }
    let mut ended: Vec<(Duration, u64)> = Vec::new();
    let all = |crowds: &[Crowd]| crowds.iter().map(Crowd::ended).sum::<u64>();
    while all(&crowds) < 1_500 {
        assert!(began.elapsed() < Duration::from_secs(25), "{} of 1,500 have ended", all(&crowds));
        ended.push((began.elapsed(), all(&crowds)));
        sleep(Duration::from_millis(25)).await;
    }
    let took = began.elapsed();
    let second = Duration::from_secs(1);
    let most = ended.iter().filter_map(|(from, before)| {
        let (_, then) = ended.iter().rev().find(|(at, _)| *at <= *from + second)?;
        Some(then - before)
    });
    let most = most.max().unwrap_or(0);
    println!("1,500 streams of two replicas closed in {took:?}, at most {most} within a second");
    // Each by itself would close at the whole rate, so both together at twice as much.
    assert!(most <= rate * 3 / 2, "{most} streams ended within a second");
    assert!(took > Duration::from_millis(8_500), "2 s to settle, and 1,500 at {rate} a second: not in {took:?}");
    for gateway in &platform.gateways {
        let drained = wait::until("the end of the drain", BOUND, || async {
            let status = status(gateway).await;
            Ok((status["drained"] == true).then_some(status))
        });
        let status = drained.await.expect("it drains");
        assert_eq!((&status["state"], &status["connections"]), (&json!("draining"), &json!(0)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowded_replica_sends_clients_on_until_nobody_has_room() {
    let _turn = turn::take().await;
    let soft: u32 = 6;
    let overlay = json!({ "limits": { "softStreams": soft }, "replica": { "lease": "3s" } });
    let plan = Plan { replicas: 2, partitions: 1, overlay, ..Plan::default() };
    let platform = Platform::start("lifecycle", &plan).await.expect("the platform starts");
    let mut first = Vec::new();
    for _ in 0..soft {
        first.push(once(&platform.gateways[0], "user:a").await);
    }
    let seen = platform.gateways[0].wait_for_metric("events_gateway_leases", &["state=\"serving\""], 2.0, BOUND).await;
    seen.expect("they see each other");
    // Whoever is sent on comes back, and meets the other one.
    let mut others = Vec::new();
    for _ in 0..soft {
        let path = events_of(&["user:a"]);
        let refused = Client::open(Options { reconnect: false, ..Options::new(platform.gateways[0].public(), path) });
        let (_, told) = until_closing(&refused).await;
        assert_eq!((&told["reason"], &told["retryable"]), (&json!("crowded"), &json!(true)));
        assert_eq!(refused.history().connections[0].status, Some(200));
        others.push(once(&platform.gateways[1], "user:a").await);
    }
    for gateway in &platform.gateways {
        assert_eq!(status(gateway).await["connections"], soft);
    }
    let counted = platform.gateways[0].metric("events_gateway_refusals_total", &["reason=\"crowded\""]).await;
    assert!(counted.expect("metrics") >= f64::from(soft));

    // Now neither has room, so each takes everybody as soon as it has seen that.
    for gateway in &platform.gateways {
        let last = Client::opened(Options::new(gateway.public(), events_of(&["user:b"])), BOUND).await;
        others.push(last.expect("nobody is turned away who has nowhere to go"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_tells_what_a_replica_does() {
    let _turn = turn::take().await;
    let platform = one_replica(Value::Null).await;
    let gateway = &platform.gateways[0];
    let _client = once(gateway, "user:a").await;
    let consumes = wait::until("the assignment", BOUND, || async {
        let told = status(gateway).await;
        let consumes = |binding: &Value| binding["lag"] == 0 && binding["assigned"] == 1;
        let all_consume = told["kafka"].as_array().is_some_and(|bindings| bindings.iter().all(consumes));
        Ok(all_consume.then_some(told))
    });
    let told = consumes.await.expect("it consumes");
    assert_eq!(
        (&told["state"], &told["drained"], &told["redis"]["up"]),
        (&json!("serving"), &json!(false), &json!(true))
    );
    assert_eq!((&told["connections"], &told["channels"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&told["kafka"][0]["group"], &told["kafka"][0]["assigned"]),
        (&json!(platform.config.group()), &json!(1))
    );

    post(gateway, "/kafka/pause").await;
    let rests = wait::until("the pause", BOUND, || async {
        let told = status(gateway).await["kafka"][0].clone();
        Ok((told["paused"] == true && told["assigned"] == 0).then_some(told))
    });
    assert_eq!(rests.await.expect("it rests")["lag"], Value::Null);
    post(gateway, "/kafka/resume").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_aborts_the_drain() {
    let _turn = turn::take().await;
    let mut platform = one_replica(json!({ "drain": { "settle": "10s" } })).await;
    let client = once(&platform.gateways[0], "user:a").await;
    platform.gateways[0].terminate();
    let gateway = &mut platform.gateways[0];
    wait::until("the drain", BOUND, || async {
        Ok((gateway.ask(&Request::get("/ready")).await?.status() == 503).then_some(()))
    })
    .await
    .expect("it drains");
    assert!(gateway.runs() && closing(&client.history()).is_none());
    let began = Instant::now();
    let status = gateway.stop(Duration::from_secs(5)).await.expect("it ends");
    assert_eq!(status.code(), Some(ABORTED));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_a_replica_that_starts_whatever_it_waits_for() {
    let _turn = turn::take().await;
    let mut platform = one_replica(Value::Null).await;
    for (millis, is_alone) in [(0, false), (30, false), (100, false), (300, false), (100, true), (1_500, true)] {
        platform.gateways[0].kill();
        if is_alone {
            platform.links[0].cut();
            platform.kafka.freeze();
        }
        let gateway = &mut platform.gateways[0];
        let lives = |gateway: &Gateway| gateway.log().matches(": serving ").count();
        let before = lives(gateway);
        gateway.launch().expect("it starts");
        sleep(Duration::from_millis(millis)).await;
        let has_begun = lives(gateway) > before;
        let began = Instant::now();
        let status = gateway.stop(BOUND).await.expect("it ends");
        println!("{millis} ms after its start, alone: {is_alone}: {status} after {:?}", began.elapsed());
        // Before its first line a process ends by the signal itself.
        let is_unbegun = !has_begun && status.signal() == Some(15);
        assert!(status.code() == Some(0) || is_unbegun, "{millis} ms after its start it ended with {status}");
        assert!(began.elapsed() < Duration::from_secs(22), "the drain's 15 s, and some to end: {:?}", began.elapsed());
    }
    platform.kafka.thaw();
}
