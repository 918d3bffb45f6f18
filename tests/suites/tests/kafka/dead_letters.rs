//! Records that can't be delivered.

use events_gateway_harness::Gateway;
use events_gateway_harness::gateway::binary;
use events_gateway_harness::kafka::admin::Record;
use serde_json::{Value, json};

use super::lab::{BOUND, Lab, client, expect, record};

/// Runs `events-gateway dead-letters` with a gateway's configuration, and gives what it printed.
pub(crate) async fn run(gateway: &Gateway, words: &[&str]) -> String {
    let mut command = tokio::process::Command::new(binary().expect("a binary"));
    command.args(["dead-letters", "--config"]).arg(gateway.config()).args(words);
    let output = command.output().await.expect("it runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {} {complaint}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn raw(value: &str, headers: &[(&str, &str)]) -> Record {
    Record {
        key: Some("key".to_owned()),
        value: value.as_bytes().to_vec(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
        ..Record::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_delivered_becomes_a_dead_letter_and_is_redriven_to_the_channels_that_lack_it() {
    let mut lab = Lab::new("dead").await;
    let dead = format!("{}-letters", lab.config.suite);
    lab.kafka.create_topic_with(&dead, 1, &[("max.message.bytes", "4000000")]).await.expect("a topic");
    lab.config.dead_letters = Some(dead.clone());
    lab.config.overlay = json!({ "kafka": { "maxRecordBytes": 1_200_000 } });
    let gateway = lab.gateway().await;
    let (whole, torn) = (client(&gateway, "whole").await, client(&gateway, "torn").await);
    // A key of another type where the backlog should be: the one channel refuses, the other takes it.
    let backlog = format!("{}:{{torn}}:backlog", lab.config.suite);
    lab.redis.command::<()>(&["SET", &backlog, "in the way"]).await.expect("a string");

    let big = "x".repeat(1_100_000);
    let too_big = "x".repeat(1_300_000);
    let records = [
        raw("{not json", &[("trace", "abc")]),
        raw(r#"{"type":"t","data":1}"#, &[]),
        raw(&too_big, &[]),
        raw(r#"{"type":"gateway.open","channels":["whole"],"data":1}"#, &[]),
        raw(&format!(r#"{{"type":"t","data":"{big}"}}"#), &[]),
        raw(r#"{"type":"numbered","channels":["whole","torn"],"data":5}"#, &[("mine", "kept")]),
    ];
    for record in &records {
        lab.producer.send(lab.topic(), record).await.expect("Kafka takes it");
    }
    lab.producer.send(lab.topic(), &record("whole", 6)).await.expect("Kafka takes it");
    expect(&whole, [5, 6]).await;

    let letters = lab.kafka.read(&dead, 6, BOUND).await.expect("six letters");
    let header = |letter: &Record, name: &str| {
        let found = letter.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    let mut told: Vec<_> = letters
        .iter()
        .map(|letter| (header(letter, "egw-dead-offset"), header(letter, "egw-dead-reason"), letter.value.len()))
        .collect();
    told.sort();
    let expected = ["undecodable", "unroutable", "oversized", "forbidden-type", "unroutable", "refused"];
    for (offset, reason) in expected.iter().enumerate() {
        let told = &told[offset];
        assert_eq!((told.0.as_str(), told.1.as_str()), (offset.to_string().as_str(), *reason), "{told:?}");
        assert_eq!(told.2, records[offset].value.len(), "the value is kept: {reason}");
    }
    let first = letters.iter().find(|letter| header(letter, "egw-dead-offset") == "0").expect("the first");
    assert_eq!(header(first, "trace"), "abc");
    assert_eq!(header(first, "egw-dead-topic"), lab.topic());

    let listed = run(&gateway, &["list", "--json", "--reason", "refused"]).await;
    let line: Value = serde_json::from_str(listed.trim()).expect("one object");
    assert_eq!((&line["owed"], &line["from"]), (&json!(["torn"]), &json!([lab.topic(), 0, 5])), "{line}");
    assert_eq!(line["headers"]["mine"], "kept", "{line}");
    assert!(line["value"].as_str().is_some_and(|value| value.contains("numbered")), "{line}");
    assert_eq!(run(&gateway, &["list", "--json"]).await.lines().count(), 6);

    lab.redis.command::<()>(&["DEL", &backlog]).await.expect("out of the way");
    let said = run(&gateway, &["redrive", "--reason", "refused"]).await;
    assert!(said.contains("redriven: 1"), "{said}");
    torn.wait_for_published(1, BOUND).await.expect("what it was owed");
    lab.producer.send(lab.topic(), &record("torn", 7)).await.expect("Kafka takes it");
    expect(&torn, [5, 7]).await;
    expect(&whole, [5, 6]).await;
    for (reason, count) in [("unroutable", 2.0), ("refused", 1.0)] {
        let label = format!("reason=\"{reason}\"");
        let counted = gateway.metric("events_gateway_dead_letters_total", &[&label]).await.expect("metrics");
        assert!((counted - count).abs() < f64::EPSILON, "{reason}: {counted}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_topic_for_them_dead_letters_are_counted_and_logged() {
    let lab = Lab::new("silent").await;
    let gateway = lab.gateway().await;
    let client = client(&gateway, "orders").await;
    lab.producer.send(lab.topic(), &raw("{", &[])).await.expect("Kafka takes it");
    lab.send(lab.topic(), "orders", 1).await;
    expect(&client, [1]).await;
    let lost = gateway.metric("events_gateway_dead_letters_lost_total", &[]).await.expect("metrics");
    assert!((lost - 1.0).abs() < f64::EPSILON, "{lost}");
    assert!(gateway.log().contains("there is no dead-letter topic"), "{}", gateway.log());
}
