//! Offsets that are reset, lost or overtaken, and topics that are not what they were.

use events_gateway_harness::http::Request;
use events_gateway_harness::kafka::admin::Record;

use super::lab::{Lab, ask, client, expect, gaps, numbers, reads, record, resumed, status, stop, until_status};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_records_of_a_topic_created_anew_are_delivered_once() {
    let lab = Lab::new("anew").await;
    let gateway = lab.gateway().await;
    let client = client(&gateway, "orders").await;
    lab.send_all("orders", 0..5).await;
    expect(&client, 0..5).await;
    let generation = |status: &serde_json::Value| status["partitions"][0]["generation"].as_u64().unwrap_or(0);
    let before = generation(&status(&gateway, "events").await);
    lab.kafka.delete_topic(lab.topic()).await.expect("deletes");
    lab.kafka.create_topic(lab.topic(), 1).await.expect("the name is free");
    // More than there were: the old position exists again.
    lab.send_all("orders", 10..18).await;
    expect(&client, (0..5).chain(10..18)).await;
    assert!(generation(&status(&gateway, "events").await) > before);
    assert_eq!(
        gaps(&client).first().map(|(reason, _)| reason.as_str()),
        Some("source"),
        "what the old topic still held is unknown"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_set_back_by_hand_bring_exactly_the_replayed_records_again() {
    let lab = Lab::new("reset").await;
    let mut gateway = lab.gateway().await;
    let first = client(&gateway, "orders").await;
    lab.send_all("orders", 0..6).await;
    expect(&first, 0..6).await;
    let cursor = first.history().last_event_id.clone();
    drop(first);
    lab.committed(6).await;
    stop(&mut gateway).await;
    lab.kafka.reset_offsets(&lab.group(), lab.topic(), &[(0, 2)]).await.expect("an empty group");
    gateway.resume().await.expect("starts again");
    let second = resumed(&gateway, "orders", &cursor).await;
    expect(&second, 2..6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_commit_is_made_up_for_by_the_watermark() {
    let lab = Lab::new("lost").await;
    let mut gateway = lab.gateway().await;
    let first = client(&gateway, "orders").await;
    lab.send_all("orders", 0..4).await;
    expect(&first, 0..4).await;
    let cursor = first.history().last_event_id.clone();
    drop(first);
    lab.committed(4).await;
    stop(&mut gateway).await;
    lab.kafka.delete_group(&lab.group()).await.expect("an empty group");
    lab.send_all("orders", 4..6).await;
    gateway.resume().await.expect("starts again");
    let second = resumed(&gateway, "orders", &cursor).await;
    expect(&second, 4..6).await;
    assert_eq!(gaps(&second), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_retention_took_are_told_as_a_gap_to_who_was_connected_and_to_who_was_not() {
    let lab = Lab::new("retention").await;
    let gateway = lab.gateway().await;
    let connected = client(&gateway, "orders").await;
    lab.send_all("orders", 0..3).await;
    expect(&connected, 0..3).await;
    let cursor = connected.history().last_event_id.clone();
    lab.committed(3).await;
    assert_eq!(ask(&gateway, Request::post("/kafka/pause", &serde_json::Value::Null)).await.status(), 200);
    until_status(&gateway, "events", "nothing assigned", |status| {
        status["paused"] == true && status["partitions"].as_array().is_some_and(Vec::is_empty)
    })
    .await;
    lab.send_all("orders", 3..10).await;
    lab.kafka.delete_records(lab.topic(), 0, 7).await.expect("deletes");
    assert_eq!(ask(&gateway, Request::post("/kafka/resume", &serde_json::Value::Null)).await.status(), 200);
    expect(&connected, (0..3).chain(7..10)).await;
    assert_eq!(gaps(&connected).len(), 1, "{}", connected.describe());
    assert_eq!(gaps(&connected)[0].0, "source");
    let offline = resumed(&gateway, "orders", &cursor).await;
    expect(&offline, 7..10).await;
    assert_eq!(gaps(&offline).len(), 1, "{}", offline.describe());
    assert_eq!(gaps(&offline)[0].0, "source");
    let labels = ["reason=\"retention\""];
    assert!(gateway.metric("events_gateway_skipped_ranges_total", &labels).await.expect("metrics") >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aborted_transactions_are_not_delivered_and_leave_no_lag() {
    let lab = Lab::new("transactions").await;
    let gateway = lab.gateway().await;
    let client = client(&gateway, "orders").await;
    reads(&gateway, "events", 1).await;
    let records =
        |numbers: std::ops::Range<u64>| numbers.map(|number| record("orders", number)).collect::<Vec<Record>>();
    lab.kafka.transact(lab.topic(), &records(0..3), true).await.expect("commits");
    lab.kafka.transact(lab.topic(), &records(10..13), false).await.expect("aborts");
    lab.kafka.transact(lab.topic(), &records(3..5), true).await.expect("commits");
    expect(&client, 0..5).await;
    lab.kafka.transact(lab.topic(), &records(20..23), false).await.expect("aborts");
    // Behind the last record stand a control record, three aborted ones and one more control record.
    let seen = until_status(&gateway, "events", "the end of the log", |status| {
        status["partitions"][0]["log_end"].as_u64() >= Some(15)
    })
    .await;
    assert_eq!(seen["trouble"], serde_json::Value::Null);
    until_status(&gateway, "events", "no lag", |status| status["partitions"][0]["lag"] == 0).await;
    assert_eq!(numbers(&client), (0..5).collect::<Vec<_>>());
    // Nor do others see lag: what holds nothing is committed.
    lab.committed(15).await;
    lab.send(lab.topic(), "orders", 5).await;
    expect(&client, 0..6).await;
}
