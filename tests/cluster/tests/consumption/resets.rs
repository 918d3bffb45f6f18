//! One gateway, from its first record to a reset and a pause.

use anyhow::{Context as _, Result};
use events_gateway_cluster::condition;
use events_gateway_cluster::gateways::{self, VERSION};
use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::sse::client::{Client, Options};
use events_gateway_harness::wait;
use serde_json::{Value, json};

use super::lab::{BOUND, Lab};

/// Records before the reset.
const RECORDS: usize = 60;

#[tokio::test]
async fn groups_are_told_pauses_and_resets_are_carried_out_and_streams_stay_open() -> Result<()> {
    let lab = Lab::start().await?;
    // The operator makes the topic.
    let managed = json!({ "topics": { "mode": "Manage", "partitions": 3, "replicationFactor": 1 } });
    lab.create("events", "orders", &managed).await?;
    let gateway = lab.path("eventsgateways", "events");
    lab.until(&gateway, "Ready", |gateway| condition::of(gateway, "Ready")["status"] == "True").await?;
    lab.until(&gateway, "KafkaReady", |gateway| condition::of(gateway, "KafkaReady")["status"] == "True").await?;
    assert_eq!(lab.kafka.watermarks("orders", 2).await?, (0, 0), "three partitions");

    let client = Client::opened(Options::new(lab.service("events").await?, "/api/v1/events?channels=orders"), BOUND);
    let client = client.await?;
    publish(&lab, 0..RECORDS).await?;
    client.wait_for_published(RECORDS, BOUND).await.context("the first time")?;
    let told = lab
        .until(&gateway, "the group without lag", |gateway| {
            let group = &gateway["status"]["groups"][0];
            group["lag"] == 0 && group["members"] == 1 && gateway["status"]["connections"]["total"] == 1
        })
        .await?;
    let group = &told["status"]["groups"][0];
    assert_eq!((&group["groupId"], &group["state"]), (&json!("events"), &json!("Stable")));
    assert_eq!(told["status"]["protocol"], "consumer");

    // First only told, then done: all records are younger.
    let since_ten = json!({ "position": "Time", "time": "2026-01-01T10:00:00Z" });
    let dry = reset(&lab, "again-since-ten-dry", json!({ "to": since_ten, "dryRun": true })).await?;
    assert_eq!((&dry["status"]["phase"], &dry["status"]["records"]), (&json!("Succeeded"), &json!(RECORDS)));
    show(&lab, "reset-get", "get egwreset -o wide").await?;
    let done = reset(&lab, "again-since-ten", json!({ "to": since_ten })).await?;
    assert_eq!(done["status"]["phase"], "Succeeded", "{:#}", done["status"]);
    assert_eq!(done["status"]["records"], RECORDS);
    show(&lab, "reset-wait", "wait --for=condition=Complete egwreset/again-since-ten --timeout=5m").await?;
    let partitions = done["status"]["partitions"].as_array().context("no partitions")?;
    assert!(partitions.len() == 3 && partitions.iter().all(|one| one["done"] == true), "{partitions:#?}");
    let again = client.wait_for_published(2 * RECORDS, BOUND).await.context("after the reset")?;
    assert_eq!(again.len(), 2 * RECORDS, "each comes again, once");

    let committed = || async {
        let committed = lab.kafka.committed("events", "orders", 3).await?;
        Ok((committed.iter().flatten().sum::<i64>() == RECORDS as i64).then_some(()))
    };
    wait::until("commits", BOUND, committed).await?;
    lab.until(&gateway, "a member again", |gateway| gateway["status"]["groups"][0]["members"] == 1).await?;

    // A pause by spec: the replicas leave, the stream stays, and what waits is told as lag.
    let paused = |paused: bool| json!({ "spec": { "consumption": { "paused": paused } } });
    lab.api.merge(&gateway, &paused(true)).await?.success()?;
    lab.until(&gateway, "no members", |gateway| {
        condition::of(gateway, "KafkaReady")["reason"] == "Paused" && gateway["status"]["groups"][0]["members"] == 0
    })
    .await?;
    publish(&lab, RECORDS..RECORDS + 5).await?;
    lab.until(&gateway, "lag", |gateway| gateway["status"]["lag"] == 5).await?;
    assert_eq!(client.published().len(), 2 * RECORDS);
    lab.api.merge(&gateway, &paused(false)).await?.success()?;
    client.wait_for_published(2 * RECORDS + 5, BOUND).await.context("after the pause")?;
    assert_eq!(client.history().connections.len(), 1, "the stream was never closed");
    lab.until(&gateway, "consuming", |gateway| condition::of(gateway, "KafkaReady")["status"] == "True").await?;

    // A reset that is deleted while it holds the groups lets them go on.
    let wrong =
        json!({ "to": { "position": "Offsets", "offsets": [{ "topic": "orders", "partition": 9, "offset": 1 }] } });
    let failed = reset(&lab, "wrong", wrong).await?;
    assert_eq!(failed["status"]["phase"], "Failed");
    assert_eq!(condition::of(&failed, "Complete")["reason"], "Impossible", "{failed:#}");
    publish(&lab, RECORDS + 5..RECORDS + 6).await?;
    client.wait_for_published(2 * RECORDS + 6, BOUND).await.context("after the failed reset")?;

    // Records that a reset passes over never come, and subscribers are told.
    assert_eq!(gaps(&client), [""; 0]);
    // What was told while the reset held the group may still stand there.
    lab.until(&gateway, "a member again", |gateway| gateway["status"]["groups"][0]["members"] == 1).await?;
    lab.api.merge(&gateway, &paused(true)).await?.success()?;
    lab.until(&gateway, "no members", |gateway| gateway["status"]["groups"][0]["members"] == 0).await?;
    publish(&lab, RECORDS + 6..RECORDS + 9).await?;
    let over = reset(&lab, "over", json!({ "to": { "position": "Latest" } })).await?;
    assert_eq!((&over["status"]["phase"], &over["status"]["records"]), (&json!("Succeeded"), &json!(-3)));
    lab.api.merge(&gateway, &paused(false)).await?.success()?;
    publish(&lab, RECORDS + 9..RECORDS + 10).await?;
    let all = client.wait_for_published(2 * RECORDS + 7, BOUND).await.context("after what was passed over")?;
    let last: Value = serde_json::from_str(&all[2 * RECORDS + 6].data)?;
    assert_eq!(last["number"], RECORDS + 9);
    assert_eq!(gaps(&client), ["source"]);
    Ok(())
}

/// Why the gaps that a client was told of are there.
fn gaps(client: &Client) -> Vec<String> {
    let told = client.events().into_iter().filter(|event| event.kind == "gateway.gap");
    let reason = |data: &str| Some(serde_json::from_str::<Value>(data).ok()?["reason"].as_str()?.to_owned());
    told.map(|event| reason(&event.data).unwrap_or(event.data)).collect()
}

async fn publish(lab: &Lab, numbers: std::ops::Range<usize>) -> Result<()> {
    let producer = lab.kafka.producer()?;
    for number in numbers {
        let event = json!({ "type": "order", "channels": ["orders"], "data": { "number": number } });
        producer.send("orders", &Record::json(&number.to_string(), &event)).await?;
    }
    Ok(())
}

/// Creates a reset and waits for its end.
async fn reset(lab: &Lab, name: &str, mut spec: Value) -> Result<Value> {
    spec["gateway"] = json!("events");
    let collection = lab.namespace.path(VERSION, "eventsgatewayoffsetresets");
    lab.api.create(&collection, &gateways::reset(name, &spec)).await?.success()?;
    lab.until(&lab.path("eventsgatewayoffsetresets", name), "its end", |reset| {
        ["Succeeded", "Failed"].iter().any(|end| reset["status"]["phase"] == *end)
    })
    .await
}

/// Prints what people see: docs/operator/kafka.md shows it.
async fn show(lab: &Lab, name: &str, words: &str) -> Result<()> {
    let said = lab.kubectl()?.say(&format!("-n {} {words}", lab.namespace.name())).await?;
    println!("--- output: {name}\n$ kubectl {words}\n{said}\n---");
    Ok(())
}
