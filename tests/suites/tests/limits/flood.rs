//! Floods, and how others fare meanwhile.
//!
//! The numbers are small enough for a busy machine; `EVENTS_GATEWAY_FLOOD=full` takes those of the figures.

use std::sync::atomic::Ordering;
use std::time::Duration;

use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::process::Usage;
use events_gateway_suites::platform::{Plan, Platform};
use events_gateway_suites::turn;
use serde_json::json;

use crate::attack::{Attack, Kind};
use crate::observers::Observers;

/// What others' p99 may be of what it was before.
const MOST_RATIO: f64 = 1.5;
/// What a busy machine does to p99 by itself. (Two cores carry the broker, Redis, the gateway, the observers and the flood.)
const NOISE: Duration = Duration::from_millis(40);
/// Memory that a flood may leave behind, in bytes: what the allocator keeps.
const MOST_LEFT: u64 = 48 << 20;
/// Memory that one may take, in bytes: 20 kB for each of 5,000 connections, or 200 kB for each of 500 readers.
const MOST_MORE: u64 = 100 << 20;
/// How long a flood goes on before it is looked at.
const SETTLE: Duration = Duration::from_secs(4);
/// How often one is tried that seems to hold others up.
const ATTEMPTS: usize = 3;
/// How long 50 wait who ask for distinct filters in vain: in the time of the figures they ask for 100,000.
const FILTERS_PAUSE: Duration = Duration::from_millis(10);
/// Publications a second that one address may send.
const PUBLISH_LIMIT: u64 = 50;

struct Numbers {
    slow: usize,
    half: usize,
    stuck: usize,
    /// Distinct filters that there may be.
    filters: usize,
    seconds: u64,
}

fn numbers() -> Numbers {
    match std::env::var("EVENTS_GATEWAY_FLOOD").as_deref() {
        Ok("full") => Numbers { slow: 500, half: 5_000, stuck: 500, filters: 1_000, seconds: 25 },
        _ => Numbers { slow: 100, half: 1_500, stuck: 100, filters: 200, seconds: 5 },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_floods_a_replica_holds_up_nobody_else_and_leaves_nothing() {
    let _turn = turn::take().await;
    let numbers = numbers();
    let overlay = json!({
        "publish": { "addressRate": { "perSecond": PUBLISH_LIMIT, "burst": PUBLISH_LIMIT } },
        "streams": { "peerTimeout": "60s" },
        "listen": { "maxConnections": 6_000 },
        "limits": { "streams": 5_900, "filters": numbers.filters },
    });
    let plan = Plan { replicas: 1, publish: json!({}), overlay, ..Plan::default() };
    let platform = Platform::start("limits-flood", &plan).await.expect("the platform starts");
    let address = platform.addresses()[0];
    let producer = || platform.kafka.producer().expect("a producer");
    let observers = Observers::start(address, 20, producer(), platform.topic().to_owned());
    let time = Duration::from_secs(numbers.seconds);
    observers.measure(Duration::from_secs(3)).await;

    let busy = producer();
    let topic = platform.topic().to_owned();
    // What stuck readers don't read: 200 kB/s.
    let noise = tokio::spawn(async move {
        let data = "x".repeat(10_000);
        loop {
            let record = Record::json("busy", &json!({ "channels": ["busy"], "data": data }));
            busy.send(&topic, &record).await.expect("Kafka takes it");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });

    let mut failures = Vec::new();
    for flood in [
        ("heads a byte at a time", Kind::Slow, numbers.slow),
        ("half heads", Kind::Half, numbers.half),
        ("stuck readers", Kind::Stuck, numbers.stuck),
        ("distinct filters", Kind::Filters(FILTERS_PAUSE), numbers.filters + 50),
        ("distinct filters without a pause", Kind::Filters(Duration::ZERO), numbers.filters + 20),
        ("a publisher at ten times its limit", Kind::Publish(PUBLISH_LIMIT * 10), 10),
    ] {
        // What a flood does it does each time; what the machine does meanwhile it doesn't.
        let mut failed = Vec::new();
        for _ in 0..ATTEMPTS {
            failed = attempt(&platform, &observers, time, flood).await;
            if failed.is_empty() {
                break;
            }
        }
        failures.extend(failed);
    }
    noise.abort();
    println!("limits: observed for {:.0?}", observers.age());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Floods once; what was wrong.
async fn attempt(
    platform: &Platform,
    observers: &Observers,
    time: Duration,
    (what, kind, many): (&str, Kind, usize),
) -> Vec<String> {
    let address = platform.addresses()[0];
    let idle = usage(platform);
    let before = observers.measure(time).await;
    let settled = usage(platform);
    let attack = Attack::start(address, kind, many);
    tokio::time::sleep(SETTLE).await;
    let began = usage(platform);
    let during = observers.measure(time).await;
    let flooded = usage(platform);
    let opens = observers.opens(address).await;
    let counts = attack.counts.clone();
    drop(attack);
    let left = returned(platform, settled.resident).await;
    let ratio = during.p99.as_secs_f64() / before.p99.as_secs_f64();
    let part = |from: Usage, to: Usage| (to.cpu - from.cpu).as_secs_f64() / time.as_secs_f64() * 100.0;
    println!(
        "limits: {what}, {many}: p50 {:.1?} -> {:.1?}, p99 {:.1?} -> {:.1?} ({ratio:.2} x, {} events), a new stream opens in \
         {opens:.1?}; CPU {:.0} -> {:.0} % of a core, memory {} -> {} -> {} MiB, descriptors {} -> {}; {counts:?}",
        before.p50,
        during.p50,
        before.p99,
        during.p99,
        during.events,
        part(idle, settled),
        part(began, flooded),
        settled.resident >> 20,
        flooded.resident >> 20,
        left.resident >> 20,
        settled.descriptors,
        flooded.descriptors,
    );
    let mut failed = Vec::new();
    if during.p99 > before.p99.mul_f64(MOST_RATIO) + NOISE {
        failed.push(format!("{what}: p99 {:?} -> {:?}", before.p99, during.p99));
    }
    if flooded.resident > settled.resident + MOST_MORE {
        failed.push(format!("{what}: memory {} -> {}", settled.resident, flooded.resident));
    }
    if left.resident > settled.resident + MOST_LEFT {
        failed.push(format!("{what}: memory {} -> {} left", settled.resident, left.resident));
    }
    if counts.mute.load(Ordering::Relaxed) > 0 {
        failed.push(format!("{what}: refusals that are no problem: {counts:?}"));
    }
    if let Kind::Filters(_) = kind {
        let [opened, refused] = counts.streams.each_ref().map(|count| count.load(Ordering::Relaxed));
        let most = numbers().filters as u64;
        if opened != most || refused < 10 * most {
            failed.push(format!("{what}: {opened} of {most} streams, {refused} refused"));
        }
    }
    if let Kind::Publish(_) = kind {
        let (taken, refused) = (counts.of(202), counts.of(429));
        // A burst, and what comes back in the time, of which a busy machine makes more.
        let most = PUBLISH_LIMIT * (2 * time + 2 * SETTLE).as_secs() + PUBLISH_LIMIT;
        if taken > most || refused < taken {
            failed.push(format!("{what}: {taken} taken, {refused} refused"));
        }
    }
    failed
}

fn usage(platform: &Platform) -> Usage {
    platform.gateways[0].usage().expect("it runs")
}

/// Waits until the flood's connections are gone, and its memory as far as it goes in some seconds.
async fn returned(platform: &Platform, before: u64) -> Usage {
    let mut now = usage(platform);
    for _ in 0..240 {
        if now.resident <= before + (8 << 20) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        now = usage(platform);
    }
    now
}
