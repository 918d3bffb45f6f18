//! Measurements on one machine, printed; run with `--release -- --ignored --nocapture measure`.

use std::sync::Arc;
use std::time::Instant;

use events_gateway::backlog::{Batch, Breaks, Placed};
use events_gateway_core::source::{Generation, Origin, SourceId};
use events_gateway_core::{Channel, Event};
use futures_util::{StreamExt as _, stream};

use crate::servers::{Cluster, Sentinels};
use crate::suite::{batch, channel, now, token};
use crate::world::{Ear, Limits, Standalone, World, until};

fn events(source: &SourceId, from: u64, count: u64) -> Vec<Placed> {
    let event = |place| Event {
        kind: "created".into(),
        data: vec![b'x'; 256].into(),
        time: now(),
        attributes: Default::default(),
        id: None,
        key: Some("key".into()),
        origin: Origin { source: source.clone(), generation: Generation(1), place },
    };
    (from..from + count).map(|place| Placed { event: Arc::new(event(place)), once: None }).collect()
}

/// The CPU seconds that a process has used.
fn cpu(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_appends() {
    for (size, calls) in [(1, 60_000), (5, 20_000), (20, 8_000), (50, 4_000)] {
        let world = Standalone::start();
        let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
        let data_set = ports.data_set().await.unwrap();
        let channels: Vec<Channel> = (0..1_000).map(|number| channel(&format!("user:{number}"))).collect();
        let pid = world.server.pid();
        let (redis, own) = (cpu(&pid), cpu("self"));
        let started = Instant::now();
        // One outstanding append per channel: call n of a channel waits for n - 1 because each chunk of 1,000 ends first.
        for round in 0..calls / 1_000 {
            let source = SourceId::new("b", "t", 0);
            let appends = channels.iter().map(|channel| {
                let events = events(&source, round * size, size);
                ports.append(Batch { source: source.clone(), ..batch(channel, &data_set, events) })
            });
            let appends: Vec<_> = appends.collect();
            let stored: usize = stream::iter(appends)
                .buffer_unordered(256)
                .map(|done| done.unwrap().stored)
                .fold(0, |sum, stored| async move { sum + stored })
                .await;
            assert_eq!(stored as u64, 1_000 * size);
        }
        let seconds = started.elapsed().as_secs_f64();
        let (redis, own) = (cpu(&pid) - redis, cpu("self") - own);
        for line in world.server.text(&["INFO", "commandstats"]).lines().filter(|line| !line.contains("calls=1,")) {
            println!("{line}");
        }
        println!(
            "{size:>3} events a call: {:>7.0} calls/s {:>7.0} events/s; redis {:.1} us a call ({:.0}% of a core), client {:.1} us a call",
            calls as f64 / seconds,
            (calls * size) as f64 / seconds,
            redis / calls as f64 * 1e6,
            redis / seconds * 100.0,
            own / calls as f64 * 1e6,
        );
    }
}

async fn fifty_thousand(world: &dyn World, lose: impl FnOnce()) {
    let ear = Arc::new(Ear::default());
    let ports = world.connect(Limits::default(), ear.clone());
    ports.data_set().await.unwrap();
    let owned: Vec<_> = (0..50_000).map(|number| (channel(&format!("user:{number}")), token("r1", number))).collect();
    let started = Instant::now();
    let none = Breaks::default();
    let registered: Vec<_> = owned.iter().map(|(channel, token)| ports.register(channel, token, &none)).collect();
    stream::iter(registered).buffer_unordered(1_000).for_each(|done| async move { assert!(done.is_ok()) }).await;
    println!("50,000 registered in {:?}", started.elapsed());
    let started = Instant::now();
    assert!(ports.verify(&owned, &Breaks::default()).await.iter().all(Result::is_ok));
    println!("50,000 verified in {:?}", started.elapsed());
    let data_set = ports.data_set().await.unwrap();
    let source = SourceId::new("b", "t", 0);
    let started = Instant::now();
    let appends: Vec<_> = owned
        .iter()
        .map(|(channel, _)| {
            ports.append(Batch { source: source.clone(), ..batch(channel, &data_set, events(&source, 0, 1)) })
        })
        .collect();
    stream::iter(appends).buffer_unordered(1_000).for_each(|done| async move { assert!(done.is_ok()) }).await;
    until("all are announced", || ear.announced.lock().len() == 50_000).await;
    println!("50,000 appended and announced in {:?}", started.elapsed());
    let started = Instant::now();
    lose();
    until("all are resumed", || ear.resumed.lock().len() >= 50_000).await;
    println!("connections killed; 50,000 resumed in {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_subscriptions_standalone() {
    let world = Standalone::start();
    fifty_thousand(&world, || {
        drop(world.server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_subscriptions_sentinel() {
    let world = Sentinels::start();
    fifty_thousand(&world, || {
        world.nodes.iter().for_each(|node| drop(node.command(&["CLIENT", "KILL", "TYPE", "pubsub"])));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_subscriptions_cluster() {
    let world = Cluster::start();
    fifty_thousand(&world, || {
        world.nodes.iter().for_each(|node| drop(node.command(&["CLIENT", "KILL", "TYPE", "pubsub"])));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measure_a_verify_while_the_server_is_away() {
    let mut world = Standalone::start();
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let owned: Vec<_> = (0..50_000).map(|number| (channel(&format!("user:{number}")), token("r1", number))).collect();
    assert!(ports.verify(&owned, &Breaks::default()).await.iter().all(Result::is_ok));
    world.server.kill();
    let started = Instant::now();
    assert!(ports.verify(&owned, &Breaks::default()).await.iter().all(Result::is_err));
    println!("50,000 refused in {:?}", started.elapsed());
}
