//! Bounds by subject and address.

use std::net::SocketAddr;
use std::time::Duration;

use events_gateway_harness::http::{self, Request, Stream};
use events_gateway_harness::wait;
use events_gateway_suites::platform::{Plan, Platform, events_of};
use events_gateway_suites::token::{identity, token};
use events_gateway_suites::turn;
use futures_util::future::join_all;
use serde_json::{Value, json};

const BOUND: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const MOST: usize = 6;

/// A stream that is open, or why it was refused.
async fn ask(address: SocketAddr, fields: &[(&str, &str)]) -> Result<Stream, String> {
    let mut request = Request::get(events_of(&["news"])).header("Accept", "text/event-stream");
    for (name, value) in fields {
        request = request.header(name, value);
    }
    let mut stream = Stream::open(address, &request).await.expect("an answer");
    assert_eq!(stream.head().status, 200, "a retryable refusal is a stream");
    let mut text = String::new();
    while !text.contains("event: ") || !text.ends_with("\n\n") {
        let part = stream.part().await.expect("a stream that says something").expect("more of it");
        text.push_str(&String::from_utf8_lossy(&part));
    }
    if text.contains("event: gateway.open") {
        return Ok(stream);
    }
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
    let closing: Value = serde_json::from_str(data).expect("the data of gateway.closing");
    assert_eq!(closing["retryable"], true, "{text}");
    assert!(text.contains("retry: "), "{text}");
    Err(closing["reason"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_has_so_many_streams_on_all_replicas_and_on_each_while_redis_is_away() {
    let _turn = turn::share().await;
    let overlay = json!({
        "identity": identity(),
        "access": { "rules": [{ "subscribe": ["news"] }] },
        "limits": { "subjectStreams": MOST },
        "replica": { "lease": "3s" },
    });
    let plan = Plan { replicas: 3, overlay, ..Plan::default() };
    let mut platform = Platform::start("limits-subject", &plan).await.expect("the platform starts");
    let addresses = platform.addresses();
    let ann = format!("Bearer {}", token("ann", HOUR, &json!({})));
    let bob = format!("Bearer {}", token("bob", HOUR, &json!({})));

    // Of many at once, on all replicas, exactly as many get in as there is room for.
    let fields = [("Authorization", ann.as_str())];
    let tries = (0..60).map(|number| ask(addresses[number % 3], &fields));
    let (held, refused): (Vec<_>, Vec<_>) = join_all(tries).await.into_iter().partition(Result::is_ok);
    assert_eq!((held.len(), refused.len()), (MOST, 60 - MOST));
    assert!(refused.iter().all(|refused| refused.as_ref().is_err_and(|reason| reason == "subject-limit")));
    assert!(ask(addresses[0], &[("Authorization", &bob)]).await.is_ok(), "another has their own");
    println!("limits: 60 streams of one subject at once on 3 replicas: {} opened, the limit is {MOST}", held.len());

    // What is given back is there again, on any replica.
    drop(held);
    let mut again = Vec::new();
    wait::until("all of them open elsewhere", BOUND, || async {
        Ok(ask(addresses[1], &[("Authorization", &ann)]).await.ok())
    })
    .await
    .map(|stream| again.push(stream))
    .expect("room again");
    while again.len() < MOST {
        match ask(addresses[1], &[("Authorization", &ann)]).await {
            Ok(stream) => again.push(stream),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    assert!(ask(addresses[0], &[("Authorization", &ann)]).await.is_err());

    // A replica that is killed counts until its lease has ended.
    platform.gateways[1].kill();
    let took = tokio::time::Instant::now();
    let mut held = vec![
        wait::until("its lease has ended", BOUND, || async {
            Ok(ask(addresses[0], &[("Authorization", &ann)]).await.ok())
        })
        .await
        .expect("room again"),
    ];
    println!("limits: a killed replica's streams count for {:?} more, its lease is 3 s", took.elapsed());

    // While Redis is away each counts its own, and nobody waits for long.
    for link in &platform.links {
        link.silence();
    }
    let mut slowest = Duration::ZERO;
    let mut opened = [1, 0];
    for (index, address) in [addresses[0], addresses[2]].into_iter().enumerate() {
        loop {
            let began = tokio::time::Instant::now();
            // A channel that can't be owned now still opens, and says so later: what counts here is the answer's head.
            let request = Request::get(events_of(&["news"])).header("Authorization", &ann);
            let stream = Stream::open(address, &request).await.expect("an answer");
            slowest = slowest.max(began.elapsed());
            let refused = platform.gateways[index * 2]
                .metric("events_gateway_refusals_total", &["reason=\"subject-limit\""])
                .await
                .expect("metrics");
            held.push(stream);
            opened[index] += 1;
            if opened[index] > MOST {
                assert!(refused > 0.0, "more than its own limit");
                break;
            }
        }
        let alone = platform.gateways[index * 2].metric("events_gateway_subject_limit_alone_total", &[]).await;
        assert!(alone.expect("metrics") >= (MOST - 1) as f64);
    }
    println!("limits: while Redis is silent an answer took {slowest:?} at most");
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    for link in &platform.links {
        link.mend();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_whom_the_trusted_proxies_name() {
    let _turn = turn::share().await;
    let overlay = json!({
        "listen": { "trustedProxies": ["127.0.0.0/8"] },
        "limits": {
            "addressStreams": 3,
            "addressConnections": 2,
            "addressStreamRate": { "perSecond": 5, "burst": 5 },
        },
    });
    let plan = Plan { replicas: 1, overlay, ..Plan::default() };
    let platform = Platform::start("limits-address", &plan).await.expect("the platform starts");
    let address = platform.addresses()[0];
    let mut held = Vec::new();
    for client in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
        for _ in 0..3 {
            held.push(ask(address, &[("X-Forwarded-For", client)]).await.expect("room for this address"));
        }
        let told = ask(address, &[("X-Forwarded-For", client)]).await.err();
        assert_eq!(told.as_deref(), Some("address-limit"), "{client}");
    }
    let told = ask(address, &[("X-Forwarded-For", "2001:db8::ffff:2")]).await.err();
    assert_eq!(told.as_deref(), Some("address-limit"), "of the same network");
    let mut reasons = Vec::new();
    for _ in 0..6 {
        reasons.extend(ask(address, &[("X-Forwarded-For", "192.0.2.1")]).await.err());
    }
    assert!(reasons.iter().any(|reason| reason == "address-rate"), "{reasons:?}");
    let bad = http::send(address, &Request::get(events_of(&["no channel"]))).await.expect("an answer");
    assert!(bad.status() >= 400, "what is wrong for good is no stream");
}
