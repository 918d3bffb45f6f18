//! Revoked tokens on real servers: their streams end everywhere, soon, and nothing brings them back.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use events_gateway_harness::http::{self, Request};
use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::{WebSocket, wait};
use events_gateway_suites::config::ADMIN_TOKEN;
use events_gateway_suites::endings::Endings;
use events_gateway_suites::platform::{Plan, Platform, events_of};
use events_gateway_suites::token::{ISSUER, identity, token};
use events_gateway_suites::turn;
use serde_json::{Value, json};
use tokio::time::Instant;

const BOUND: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const TOPIC: &str = "revocations";
/// How many streams the measured tests have, unless this says otherwise; one in thirty of them is a subject.
const STREAMS: &str = "EVENTS_GATEWAY_REVOCATION_STREAMS";

async fn platform(revocation: &Value, kafka_link: bool) -> Platform {
    let mut identity = identity();
    identity["revocation"] = json!({ "topic": TOPIC, "confirmWithin": "5s" });
    for (name, value) in revocation.as_object().into_iter().flatten() {
        identity["revocation"][name] = value.clone();
    }
    let overlay = json!({
        "identity": identity,
        "access": { "rules": [
            { "subscribe": ["user:{sub}"], "replay": ["user:{sub}"], "publish": ["user:{sub}"] },
            { "to": "everyone", "subscribe": ["news"] },
        ] },
    });
    let plan = Plan { publish: json!({}), overlay, kafka_link, partitions: 3, ..Plan::default() };
    Platform::start("revocation", &plan).await.expect("the platform starts")
}

async fn create_topic(platform: &Platform) {
    create_topic_with(platform, "compact").await;
}

async fn create_topic_with(platform: &Platform, policy: &str) {
    let policy = [("cleanup.policy", policy)];
    platform.kafka.create_topic_with(TOPIC, 3, &policy).await.expect("the topic");
    for address in platform.addresses() {
        let probe = token("probe", HOUR, &json!({}));
        wait::until("revocations are read", BOUND, || async {
            let tickets = Request::post("/api/v1/tickets", &json!({ "channels": ["user:probe"] }));
            let answer = http::send(address, &tickets.header("Authorization", &format!("Bearer {probe}"))).await?;
            Ok((answer.status() == 201).then_some(()))
        })
        .await
        .expect("they are");
    }
}

/// A token that was issued some time ago, in seconds.
fn issued(name: &str, ago: u64, id: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    token(name, HOUR, &json!({ "iat": now - ago, "jti": id }))
}

fn subscription(name: &str, token: &str) -> Request {
    Request::get(events_of(&[format!("user:{name}")])).header("Authorization", &format!("Bearer {token}"))
}

async fn revoke(platform: &Platform, replica: usize, what: &Value) -> (u16, Value) {
    let mut content = json!({ "issuer": ISSUER });
    for (name, value) in what.as_object().into_iter().flatten() {
        content[name] = value.clone();
    }
    let request = Request::post("/revoke", &content).header("Authorization", &format!("Bearer {ADMIN_TOKEN}"));
    let answer = platform.gateways[replica].ask(&request).await.expect("an answer");
    (answer.status(), answer.json().unwrap_or_default())
}

/// The status, and the problem's detail.
async fn status(address: SocketAddr, request: &Request) -> (u16, String) {
    let stream = http::Stream::open(address, request).await.expect("an answer");
    let status = stream.head().status;
    if status == 200 {
        return (status, String::new());
    }
    let problem: Value = http::send(address, request).await.expect("an answer").json().unwrap_or_default();
    (status, problem["detail"].as_str().unwrap_or_default().to_owned())
}

async fn ticket(address: SocketAddr, token: &str, name: &str) -> String {
    let request = Request::post("/api/v1/tickets", &json!({ "channels": [format!("user:{name}")] }));
    let answer = http::send(address, &request.header("Authorization", &format!("Bearer {token}"))).await;
    answer.expect("an answer").json().expect("JSON")["ticket"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_opens_and_publishes_nothing_anywhere_also_after_restarts() {
    let _turn = turn::share().await;
    let mut platform = platform(&Value::Null, false).await;
    let addresses = platform.addresses();
    // Before it is known who is revoked nobody is let in, and nobody is sent away for good.
    let (old, new) = (issued("ann", 60, "t-1"), issued("ann", 0, "t-2"));
    let refused = Endings::open(vec![(addresses[0], subscription("ann", &new))], BOUND).await.expect("a stream");
    let refused = refused.wait_for(0..1, BOUND).await.expect("its end").remove(0);
    assert_eq!((refused.reason(), &refused.closing["retryable"]), ("identity-unavailable", &json!(true)));
    assert_eq!(status(addresses[0], &Request::get(events_of(&["news"]))).await.0, 200);
    create_topic(&platform).await;

    let streams = |token: &str| addresses.iter().map(|address| (*address, subscription("ann", token))).collect();
    let held = Endings::open(streams(&old), BOUND).await.expect("streams");
    let stale = ticket(addresses[1], &old, "ann").await;
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64 - 30_000;
    let (code, answer) = revoke(&platform, 0, &json!({ "subject": "ann", "issued_before": before })).await;
    assert_eq!((code, &answer["complete"]), (200, &json!(true)), "{answer}");
    assert_eq!(answer["confirmed"].as_array().map(Vec::len), Some(3), "{answer}");
    assert_eq!(answer["revoked"], json!({ "issuer": ISSUER, "subject": "ann", "issued_before": before }));
    for end in held.wait_for(0..3, BOUND).await.expect("they end") {
        assert_eq!((end.reason(), &end.closing["retryable"]), ("revoked", &json!(false)));
    }
    let fresh = Endings::open(streams(&new), BOUND).await.expect("a token issued since counts");

    for address in &addresses {
        let (code, detail) = status(*address, &subscription("ann", &old)).await;
        assert!(code == 401 && detail.contains("revoked"), "{code} {detail}");
        let publish = Request::post("/api/v1/events", &json!({ "channels": ["user:ann"], "data": 1 }));
        assert_eq!(status(*address, &publish.header("Authorization", &format!("Bearer {old}"))).await.0, 401);
        assert_eq!(ticket(*address, &old, "ann").await, "");
    }
    let redeemed = Request::get(format!("/api/v1/events?channels=user:ann&ticket={stale}"));
    let stream = http::Stream::open(addresses[2], &redeemed).await.expect("an answer");
    assert_eq!(stream.head().status, 401, "a ticket of before");

    // One token by its id, by a command that somebody else writes; what is no revocation is skipped.
    let producer = platform.kafka.producer().expect("a producer");
    for (key, value) in
        [("nonsense", json!({})), (r#"["user","x","y"]"#, json!({})), (r#"["token","x","y"]"#, json!(7))]
    {
        producer.send(TOPIC, &Record::json(key, &value)).await.expect("Kafka takes it");
    }
    let key = json!(["token", ISSUER, "t-2"]).to_string();
    producer.send(TOPIC, &Record::json(&key, &json!({}))).await.expect("Kafka takes it");
    let ends = fresh.wait_for(0..3, BOUND).await.expect("they end");
    assert!(ends.iter().all(|end| end.reason() == "revoked"));
    let last = issued("ann", 0, "t-3");
    assert_eq!(status(addresses[0], &subscription("ann", &last)).await.0, 200);

    // Who starts anew reads all of it.
    platform.gateways[1].kill();
    platform.gateways[1].resume().await.expect("it is back");
    wait::until("its revocations", BOUND, || async {
        Ok((status(addresses[1], &subscription("ann", &last)).await.0 == 200).then_some(()))
    })
    .await
    .expect("it proves again");
    wait::until("it proves whoever isn't revoked", BOUND, || async {
        Ok((!ticket(addresses[1], &last, "ann").await.is_empty()).then_some(()))
    })
    .await
    .expect("it does");
    for revoked in [&old, &new] {
        assert_eq!(status(addresses[1], &subscription("ann", revoked)).await.0, 401);
    }
    let metric = platform.gateways[1].metric("events_gateway_revocation_records_total", &["outcome=\"malformed\""]);
    assert!((metric.await.expect("metrics") - 3.0).abs() < 0.1);

    // The topic gets more partitions: it is read again, and nobody is refused meanwhile.
    platform.kafka.add_partitions(TOPIC, 5).await.expect("partitions");
    wait::until("all replicas to read the new ones", BOUND, || async {
        let mut complete = true;
        for number in 0..12 {
            let (code, _) = revoke(&platform, number % 3, &json!({ "subject": format!("somebody {number}") })).await;
            complete &= code == 200;
            assert_eq!(status(addresses[number % 3], &subscription("ann", &last)).await.0, 200);
        }
        Ok(complete.then_some(()))
    })
    .await
    .expect("they confirm what is in any of them");

    assert!(platform.gateways.iter().all(|gateway| !gateway.log().contains("forgets some of them")));

    // Without Redis it is in force all the same, and the answer says that nobody knows.
    platform.server().expect("one server").kill();
    let (code, answer) = revoke(&platform, 0, &json!({ "subject": "bob" })).await;
    assert_eq!((code, &answer["complete"], &answer["unconfirmed"]), (202, &json!(false), &Value::Null), "{answer}");
    assert_eq!(status(addresses[2], &subscription("bob", &issued("bob", 60, "b"))).await.0, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_cut_off_ends_its_streams_where_it_is_to_and_catches_up() {
    let _turn = turn::share().await;
    let platform = platform(&json!({ "cutOffAfter": "5s", "whenCutOff": "disconnect" }), true).await;
    // Which is wrong, and complained of.
    create_topic_with(&platform, "delete").await;
    wait::until_true("a complaint", BOUND, || {
        platform.gateways.iter().all(|gateway| gateway.log().contains("the topic of revocations forgets some of them"))
    })
    .await
    .expect("every replica complains");
    let addresses = platform.addresses();
    let ann = issued("ann", 60, "a");
    let mut streams: Vec<_> = addresses.iter().map(|address| (*address, subscription("ann", &ann))).collect();
    streams.push((addresses[2], Request::get(events_of(&["news"]))));
    let held = Endings::open(streams, BOUND).await.expect("streams");
    let link = platform.kafka_link.as_ref().expect("a link");
    let cut = Instant::now();
    link.silence();
    let end = held.wait_for(2..3, BOUND).await.expect("it ends").remove(0);
    assert_eq!((end.reason(), &end.closing["retryable"]), ("identity-unavailable", &json!(true)));
    assert!(end.at - cut >= Duration::from_secs(2), "{:?}", end.at - cut);
    let (code, answer) = revoke(&platform, 0, &json!({ "subject": "bob" })).await;
    assert_eq!((code, answer["unconfirmed"].as_array().map(Vec::len)), (202, Some(1)), "{answer}");
    let refused = Endings::open(vec![(addresses[2], subscription("ann", &ann))], BOUND).await.expect("an answer");
    assert_eq!(refused.wait_for(0..1, BOUND).await.expect("its end")[0].reason(), "identity-unavailable");
    link.mend();
    wait::until("it proves again", BOUND, || async {
        Ok((!ticket(addresses[2], &ann, "ann").await.is_empty()).then_some(()))
    })
    .await
    .expect("it does");
    assert_eq!(status(addresses[2], &subscription("bob", &issued("bob", 60, "b"))).await.0, 401);
    assert_eq!(held.ended(), 1, "no other stream has ended, nor has that of nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_kafka_streams_stay_and_come_and_whoever_revokes_is_told() {
    let _turn = turn::share().await;
    let mut platform = platform(&json!({ "cutOffAfter": "5s" }), false).await;
    create_topic(&platform).await;
    let addresses = platform.addresses();
    let ann = issued("ann", 60, "a");
    let streams = || addresses.iter().map(|address| (*address, subscription("ann", &ann))).collect();
    let before = Endings::open(streams(), BOUND).await.expect("streams");
    platform.kafka.kill();
    let (code, problem) = revoke(&platform, 0, &json!({ "subject": "ann" })).await;
    assert_eq!((code, problem["title"].as_str()), (503, Some("Temporarily unavailable")), "{problem}");
    for gateway in &platform.gateways {
        gateway
            .wait_for_metric("events_gateway_revocations_age_seconds", &[], 6.0, BOUND)
            .await
            .expect("it is cut off");
    }
    let meanwhile = Endings::open(streams(), BOUND).await.expect("new streams are taken");
    assert_eq!(before.ended(), 0);
    platform.kafka.resume().await.expect("it is back");
    wait::until("a revocation that all confirm", BOUND, || async {
        Ok((revoke(&platform, 1, &json!({ "subject": "ann" })).await.0 == 200).then_some(()))
    })
    .await
    .expect("it heals");
    for held in [&before, &meanwhile] {
        let ends = held.wait_for(0..3, BOUND).await.expect("they end");
        assert!(ends.iter().all(|end| end.reason() == "revoked"));
    }
}

/// Streams of so many subjects, each with one stream after the other on all replicas.
fn crowd(addresses: &[SocketAddr], subjects: usize, each: usize, prefix: &str) -> Vec<(SocketAddr, Request)> {
    let of = |subject: usize| {
        let name = format!("{prefix}{subject}");
        let token = issued(&name, 60, &name);
        (0..each).map(move |index| (subject + index, subscription(&name, &token)))
    };
    let streams = (0..subjects).flat_map(of);
    streams.map(|(index, request)| (addresses[index % addresses.len()], request)).collect()
}

fn percentile(times: &mut [Duration], of: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() as f64 * of).ceil() as usize).clamp(1, times.len()) - 1]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_within_a_second_on_every_replica_that_is_connected_and_then_on_the_others() {
    let _turn = turn::take().await;
    let wanted: usize = std::env::var(STREAMS).ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let subjects = (wanted / 30).max(3);
    let each = wanted / subjects;
    let platform = platform(&json!({ "confirmWithin": "10s" }), true).await;
    create_topic(&platform).await;
    let addresses = platform.addresses();

    // All connected.
    let held = Endings::open(crowd(&addresses, subjects, each, "a"), BOUND * 5).await.expect("streams");
    let (mut last, mut answered, mut single) = (Vec::new(), Vec::new(), Vec::new());
    for subject in 0..subjects {
        let called = Instant::now();
        let (code, answer) = revoke(&platform, subject % 3, &json!({ "subject": format!("a{subject}") })).await;
        answered.push(called.elapsed());
        assert_eq!(code, 200, "{answer}");
        let ends = held.wait_for(subject * each..(subject + 1) * each, BOUND).await.expect("they end");
        assert!(ends.iter().all(|end| end.reason() == "revoked"));
        single.extend(ends.iter().map(|end| end.at - called));
        last.push(ends.iter().map(|end| end.at - called).max().unwrap_or_default());
    }
    println!(
        "revocation: {wanted} streams of {subjects} subjects on 3 replicas: call to the last stream closed p50 {:?} p99 {:?}, to each \
         stream p50 {:?} p99 {:?}, call to the answer that all have confirmed p50 {:?} p99 {:?}",
        percentile(&mut last, 0.5),
        percentile(&mut last, 0.99),
        percentile(&mut single, 0.5),
        percentile(&mut single, 0.99),
        percentile(&mut answered, 0.5),
        percentile(&mut answered, 0.99),
    );
    assert!(percentile(&mut last, 0.99) < Duration::from_secs(1), "{last:?}");
    drop(held);

    // One subject with all streams.
    let all = Endings::open(crowd(&addresses, 1, subjects * each, "whole"), BOUND * 5).await.expect("streams");
    let called = Instant::now();
    assert_eq!(revoke(&platform, 0, &json!({ "subject": "whole0" })).await.0, 200);
    let ends = all.wait_for(0..subjects * each, BOUND).await.expect("they end");
    let took = ends.iter().map(|end| end.at - called).max().unwrap_or_default();
    println!("revocation: {} streams of one subject: call to the last stream closed {took:?}", subjects * each);
    drop(all);

    // One cut off: the others as before, and that one as soon as it is back.
    let held = Endings::open(crowd(&addresses, subjects, each, "b"), BOUND * 5).await.expect("streams");
    let link = platform.kafka_link.as_ref().expect("a link");
    link.cut();
    let on_connected = |subject: usize| {
        (subject * each..(subject + 1) * each).filter(move |number| (subject + number % each) % 3 != 2)
    };
    let mut last = Vec::new();
    let content = |subject: usize| json!({ "issuer": ISSUER, "subject": format!("b{subject}") });
    let mut calls = tokio::task::JoinSet::new();
    for subject in 0..subjects {
        let called = Instant::now();
        // It waits for the one that can't confirm: nobody else waits for it.
        let request = Request::post("/revoke", &content(subject));
        let request = request.header("Authorization", &format!("Bearer {ADMIN_TOKEN}"));
        let admin = platform.gateways[subject % 2].admin();
        calls.spawn(async move { http::send(admin, &request).await });
        let ends = held.wait_for(on_connected(subject), BOUND).await.expect("those on the others end");
        last.push(ends.iter().map(|end| end.at - called).max().unwrap_or_default());
    }
    println!(
        "revocation: with one of 3 replicas cut off, on the two others: call to the last stream closed p50 {:?} p99 {:?}",
        percentile(&mut last, 0.5),
        percentile(&mut last, 0.99),
    );
    assert!(percentile(&mut last, 0.99) < Duration::from_secs(1), "{last:?}");
    let on_cut_off = subjects * each - (0..subjects).map(|subject| on_connected(subject).count()).sum::<usize>();
    assert_eq!(held.ended(), subjects * each - on_cut_off, "those on the one that is cut off are kept");
    let answers = calls.join_all().await;
    let unconfirmed = answers.into_iter().filter_map(|answer| answer.ok()?.json().ok());
    assert!(unconfirmed.into_iter().all(|answer| answer["unconfirmed"].as_array().is_some_and(|left| left.len() == 1)));
    let mended = Instant::now();
    link.mend();
    let ends = held.wait_for(0..subjects * each, BOUND).await.expect("they end");
    let took = ends.iter().map(|end| end.at.saturating_duration_since(mended)).max().unwrap_or_default();
    println!(
        "revocation: the one that was cut off ended its {on_cut_off} streams within {took:?} of being connected again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_ends_with_the_token_by_which_it_was_proven_last() {
    let _turn = turn::share().await;
    let platform = platform(&Value::Null, false).await;
    create_topic(&platform).await;
    let (old, new) = (issued("ann", 60, "t-1"), issued("ann", 0, "t-2"));
    let own = json!({ "type": "subscribe", "id": "s", "channels": ["user:ann"] });
    let mut sockets = Vec::new();
    for address in platform.addresses().into_iter().take(2) {
        let authorization = format!("Bearer {old}");
        let fields = [("Authorization", authorization.as_str())];
        let mut socket = WebSocket::open(address, "/api/v1/ws", &fields).await.expect("it opens");
        socket.send(&own).await.expect("it is sent");
        socket.next_of("subscribed").await.expect("it is subscribed");
        sockets.push(socket);
    }
    let (ends, mut renewed) = (sockets.remove(0), sockets.remove(0));
    renewed.send(&json!({ "type": "renew", "token": new })).await.expect("it is sent");
    renewed.next_of("renewed").await.expect("it is renewed");
    assert_eq!(revoke(&platform, 2, &json!({ "token_id": "t-1" })).await.0, 200);
    let end = ends.end().await.expect("it ends");
    let closing = end.messages.last().expect("why");
    assert_eq!((end.code, &closing["reason"], &closing["retryable"]), (Some(1008), &json!("revoked"), &json!(false)));
    renewed.send(&json!({ "type": "ping" })).await.expect("it is sent");
    renewed.next_of("pong").await.expect("it goes on");
    assert_eq!(revoke(&platform, 2, &json!({ "subject": "ann" })).await.0, 200);
    assert_eq!(renewed.end().await.expect("it ends").messages.last().expect("why")["reason"], "revoked");
}
