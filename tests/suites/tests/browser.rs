//! A native EventSource, in Chromium, through a load balancer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::{Browser, LoadBalancer, wait};
use events_gateway_suites::platform::{Plan, Platform, events_of};
use events_gateway_suites::turn;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const BOUND: Duration = Duration::from_secs(60);

/// Serves an empty page of another origin than the gateway's.
async fn page() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 8192]).await;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n";
                let _ = socket.write_all(format!("{head}<!doctype html><title>Events</title>").as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_source_misses_nothing_while_its_replicas_are_killed_and_drained() {
    let _turn = turn::take().await;
    let mut platform = Platform::start("browser", &Plan::default()).await.expect("the platform starts");
    let backends: Vec<_> = platform.gateways.iter().map(events_gateway_harness::Gateway::backend).collect();
    let nginx = LoadBalancer::nginx(&backends).await.expect("nginx starts");
    let browser = Browser::start().await.expect("a browser");
    browser.open(&format!("http://{}/", page().await)).await.expect("the page loads");
    let url = format!("http://{}{}", nginx.address(), events_of(&["user:alice", "everyone"]));
    let script = format!(
        "window.seen = []; window.other = []; window.opened = 0; window.failed = false;
         window.source = new EventSource('{url}');
         source.addEventListener('gateway.open', () => opened++);
         source.onerror = () => {{ if (source.readyState === EventSource.CLOSED) failed = true; }};
         source.addEventListener('order.created', event => seen.push(JSON.parse(event.data).number));
         source.addEventListener('gateway.gap', event => other.push(event.data));
         source.onmessage = event => other.push('unnamed ' + event.data);"
    );
    browser.run(&script).await.expect("the source opens");
    browser.wait_for("opened > 0", BOUND).await.expect("the stream opens");

    let producer = platform.kafka.producer().expect("a producer");
    let topic = platform.topic().to_owned();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let traffic = tokio::spawn(async move {
        let mut number = 0;
        while !*stopped.borrow() {
            number += 1;
            let channel = if number % 5 == 0 { "everyone" } else { "user:alice" };
            // One key, one partition, one order over both channels as far as Kafka is concerned.
            let data = json!({ "number": number });
            let envelope = json!({ "type": "order.created", "channels": [channel], "data": data });
            producer.send(&topic, &Record::json("alice", &envelope)).await.expect("Kafka takes it");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        number
    });

    for index in 0..platform.gateways.len() {
        platform.gateways[index].kill();
        tokio::time::sleep(Duration::from_secs(3)).await;
        platform.gateways[index].resume().await.expect("it comes back");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    for index in 0..platform.gateways.len() {
        let status = platform.gateways[index].stop(BOUND).await.expect("it drains");
        assert!(status.success(), "a drained replica ended with {status}");
        platform.gateways[index].resume().await.expect("it comes back");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    stop.send_replace(true);
    let produced: u64 = traffic.await.expect("the traffic ends well");

    let last = browser.wait_for(&format!("seen.length >= {produced}"), BOUND).await;
    let seen = browser.run("return seen").await.expect("the page answers");
    let seen: Vec<u64> = serde_json::from_value(seen).expect("numbers");
    let other = browser.run("return [opened, failed, source.readyState, ...other]").await.expect("the page answers");
    let missing: Vec<u64> = (1..=produced).filter(|number| !seen.contains(number)).take(10).collect();
    assert!(last.is_ok(), "missing {missing:?}; opened, failed, state, gaps: {other}");
    for everyone in [false, true] {
        let of_channel: Vec<u64> = seen.iter().copied().filter(|number| (number % 5 == 0) == everyone).collect();
        let wanted: Vec<u64> = (1..=produced).filter(|number| (number % 5 == 0) == everyone).collect();
        assert!(of_channel == wanted, "each once and in order; {other}");
    }
    let reconnected = browser.run("return opened > 1 && !failed && other.length === 0").await.expect("answers");
    assert_eq!(reconnected, true, "it reconnected by itself, without a gap: {other}");
    wait::until_true("chromium to live", BOUND, || browser.process().usage().is_some()).await.expect("it lives");
}
