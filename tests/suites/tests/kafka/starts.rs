//! Where a group begins that has never committed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use events_gateway_harness::kafka::admin::Record;
use serde_json::json;

use super::lab::{Lab, expect, reads, record, stop, trouble, until_status};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_without_commits_begins_where_the_configuration_says() {
    let mut lab = Lab::new("starts").await;
    let suite = lab.config.suite.clone();
    let names = ["earliest", "latest", "error", "ago"];
    let topic = |name: &str| format!("{suite}-{name}");
    let bindings = names.map(|name| {
        let start = if name == "ago" { "1h ago" } else { name };
        json!({ "name": name, "topics": [topic(name)], "groupId": topic(name), "start": start })
    });
    lab.config.overlay = json!({
        "kafka": { "bindings": bindings, "clientSettings": { "topic.metadata.refresh.interval.ms": "1000" } },
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for name in names {
        lab.kafka.create_topic(&topic(name), 1).await.expect("a topic");
        for (number, hours) in [(0, 3), (1, 2), (2, 0)] {
            let time = now - Duration::from_secs(hours * 3600);
            let old = Record { timestamp: i64::try_from(time.as_millis()).ok(), ..record(name, number) };
            lab.producer.send(&topic(name), &old).await.expect("Kafka takes it");
        }
    }
    let mut gateway = lab.gateway().await;
    let mut clients = Vec::new();
    for name in names {
        let earliest = events_gateway_harness::sse::Options::new(
            gateway.public(),
            format!("/api/v1/events?channels={name}&last_event_id=earliest"),
        );
        clients.push(events_gateway_harness::sse::Client::open(earliest));
    }
    for name in ["earliest", "latest", "ago"] {
        reads(&gateway, name, 1).await;
    }
    for name in names {
        lab.send(&topic(name), name, 3).await;
    }
    expect(&clients[0], 0..4).await;
    expect(&clients[1], 3..4).await;
    expect(&clients[3], 2..4).await;
    trouble(&gateway, "error", "no committed offset").await;
    until_status(&gateway, "error", "stopped", |status| status["partitions"][0]["phase"] == "stopped").await;
    expect(&clients[2], []).await;

    // Offsets can be set only while the group is empty.
    stop(&mut gateway).await;
    let group = topic("error");
    lab.kafka.reset_offsets(&group, &topic("error"), &[(0, 1)]).await.expect("an empty group");
    gateway.resume().await.expect("starts again");
    expect(&clients[2], 1..4).await;

    // What is in a partition before the group has seen it is new to the group.
    let added = topic("latest");
    lab.kafka.add_partitions(&added, 2).await.expect("one more");
    let late = Record { partition: Some(1), ..record("latest", 4) };
    // The old producer doesn't know of the partition yet.
    let producer = lab.kafka.producer().expect("a producer");
    producer.send(&added, &late).await.expect("Kafka takes it");
    expect(&clients[1], 3..5).await;
}
