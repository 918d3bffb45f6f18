//! Pausing, stopping and killing replicas, and commands to all of them.

use std::time::{Duration, Instant};

use events_gateway_harness::http::Request;
use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::sse::Client;
use events_gateway_harness::{Gateway, wait};
use serde_json::{Value, json};

use super::lab::{BOUND, Lab, ask, client, expect, reads, record, status, stop, until_status};

fn command(kind: &str, channel: &str) -> Record {
    Record::json(channel, &json!({ "type": kind, "channels": [channel] }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_keep_channels_warm_and_close_connections_on_every_replica() {
    let mut lab = Lab::new("commands").await;
    let commands = format!("{}-commands", lab.config.suite);
    lab.kafka.create_topic(&commands, 1).await.expect("a topic");
    lab.config.commands = Some(commands.clone());
    let (one, two) = tokio::join!(lab.gateway(), lab.gateway());
    lab.producer.send(&commands, &command("connect", "session:1")).await.expect("Kafka takes it");
    let meta = format!("{}:{{session:1}}:meta", lab.config.suite);
    wait::until("a meta of the channel", BOUND, || async {
        Ok((lab.redis.command::<u32>(&["EXISTS", &meta]).await? == 1).then_some(()))
    })
    .await
    .expect("connect creates it");
    let mine = [client(&one, "session:1").await, client(&two, "session:1").await];
    let other = client(&two, "session:2").await;
    lab.producer.send(&commands, &command("disconnect", "session:1")).await.expect("Kafka takes it");
    for client in &mine {
        let closed = |history: &events_gateway_harness::sse::client::History| {
            history.events.iter().any(|received| received.event.kind == "gateway.closing")
        };
        client.wait_for("gateway.closing", BOUND, closed).await.expect("it is closed");
    }
    lab.send(lab.topic(), "session:2", 1).await;
    expect(&other, [1]).await;
    assert_eq!(other.history().connections.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_group_is_left_with_its_streams_open_and_goes_on_without_loss() {
    let lab = Lab::new("paused").await;
    let one = lab.gateway().await;
    let client = client(&one, "orders").await;
    lab.send_all("orders", 0..3).await;
    expect(&client, 0..3).await;
    assert_eq!(ask(&one, Request::post("/kafka/pause", &Value::Null)).await.status(), 200);
    let rests = |status: &Value| status["paused"] == true && status["partitions"] == json!([]);
    until_status(&one, "events", "leaving the group", rests).await;
    let two = lab.gateway().await;
    lab.send_all("orders", 3..6).await;
    until_status(&two, "events", "staying out", rests).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(rests(&status(&two, "events").await));
    expect(&client, 0..3).await;
    assert_eq!(ask(&two, Request::post("/kafka/resume", &Value::Null)).await.status(), 200);
    expect(&client, 0..6).await;
    assert_eq!(client.history().connections.len(), 1);
}

/// Produces to every partition until each has flowed again, and tells how long that took.
async fn outage(lab: &Lab, client: &Client, partitions: i32, mut next: u64) -> Duration {
    let began = Instant::now();
    let mut first: Vec<u64> = Vec::new();
    for partition in 0..partitions {
        let one = Record { partition: Some(partition), ..record("orders", next) };
        lab.producer.send(lab.topic(), &one).await.expect("Kafka takes it");
        first.push(next);
        next += 1;
    }
    let all = |history: &events_gateway_harness::sse::client::History| {
        let seen = |number: &u64| history.events.iter().any(|received| received.event.data == number.to_string());
        first.iter().all(seen)
    };
    client.wait_for("every partition", BOUND, all).await.expect("they flow again");
    began.elapsed()
}

async fn pair(lab: &Lab) -> (Gateway, Gateway) {
    let (one, two) = tokio::join!(lab.gateway(), lab.gateway());
    reads(&one, "events", 3).await;
    reads(&two, "events", 3).await;
    (one, two)
}

async fn with_partitions(name: &str, overlay: Value) -> Lab {
    let mut lab = Lab::new(name).await;
    lab.kafka.add_partitions(lab.topic(), 6).await.expect("six partitions");
    lab.config.overlay = overlay;
    lab
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_partitions_of_a_stopped_replica_flow_again_within_a_second_and_of_a_killed_one_after_the_session() {
    let fast = json!({ "drain": { "settle": "0s" } });
    let lab = with_partitions("handover", fast).await;
    let (mut one, mut two) = pair(&lab).await;
    let client = client(&one, "orders").await;
    outage(&lab, &client, 6, 0).await;

    two.terminate();
    let stopped = outage(&lab, &client, 6, 100).await;
    let status = two.wait_for_end(BOUND).await.expect("it ends");
    assert!(status.success(), "{status}");
    two.resume().await.expect("it starts again");
    reads(&one, "events", 3).await;
    reads(&two, "events", 3).await;

    two.kill();
    let killed = outage(&lab, &client, 6, 200).await;
    println!("flowing again after SIGTERM: {stopped:?}; after SIGKILL: {killed:?} (session timeout 6 s, KIP-848)");
    // Six seconds are the brokers' setting; on a busy machine the assignment takes a moment more.
    assert!(killed < Duration::from_secs(9), "{killed:?}");
    assert!(stopped < Duration::from_secs(2), "{stopped:?}");
    stop(&mut one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_classic_protocol_hands_over_too() {
    let classic = json!({ "kafka": { "protocol": "classic", "sessionTimeout": "3s" }, "drain": { "settle": "0s" } });
    let lab = with_partitions("handover-classic", classic).await;
    let (mut one, mut two) = pair(&lab).await;
    let client = client(&one, "orders").await;
    outage(&lab, &client, 6, 0).await;
    two.terminate();
    let stopped = outage(&lab, &client, 6, 100).await;
    two.wait_for_end(BOUND).await.expect("it ends");
    two.resume().await.expect("it starts again");
    reads(&one, "events", 3).await;
    reads(&two, "events", 3).await;
    two.kill();
    let killed = outage(&lab, &client, 6, 200).await;
    println!("flowing again after SIGTERM: {stopped:?}; after SIGKILL: {killed:?} (session timeout 3 s, classic)");
    assert!(killed < Duration::from_secs(8), "{killed:?}");
    assert!(stopped < Duration::from_secs(4), "{stopped:?}");
    stop(&mut one).await;
}
