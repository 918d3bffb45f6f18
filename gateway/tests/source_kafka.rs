//! What librdkafka's mock cluster can't show: the source on a real broker.

use std::time::Duration;

use events_gateway::source::kafka::options::Client;
use events_gateway::source::kafka::{KafkaSource, Options};
use events_gateway::source::{Signal, Source, Start, TopicPartition};
use events_gateway_harness::Kafka;
use events_gateway_harness::kafka::admin::Record;
use serde_json::json;

const TOPIC: &str = "orders";

/// Surveys and plays whatever is assigned, as ingest does, until a record has come; answers the topic's identity then.
async fn first_record(source: &mut KafkaSource) -> String {
    let (controls, mut sought, mut id, mut life) = (source.controls(), Vec::<TopicPartition>::new(), String::new(), 0);
    loop {
        if !sought.is_empty()
            && let Ok(surveys) = controls.survey(&sought, Start::Earliest).await
        {
            for survey in surveys {
                life += 1;
                controls.play(&survey.at, survey.log_start, life);
                id = survey.topic_id;
            }
            sought.clear();
        }
        match tokio::time::timeout(Duration::from_millis(200), source.next(true)).await {
            Ok(Some(Signal::Assigned(partitions))) => sought = partitions,
            Ok(Some(Signal::Revoked { partitions, .. })) => {
                sought.retain(|at| !partitions.contains(at));
                controls.release(partitions);
            }
            Ok(Some(Signal::Records(_))) => return id,
            Ok(None) => panic!("the source has ended"),
            Ok(Some(Signal::OutOfRange | Signal::Trouble(_))) | Err(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_created_anew_is_read_although_the_brokers_had_restarted_before() {
    let bound = Duration::from_secs(60);
    let mut kafka = Kafka::start().await.unwrap();
    kafka.create_topic(TOPIC, 1).await.unwrap();
    // The restart raises the partition's leader epoch; the new topic's begins again.
    kafka.restart().await.unwrap();
    let client = Client { bootstrap: kafka.bootstrap(), ..Client::default() };
    let mut source = KafkaSource::new(Options::new(client, "group", &[TOPIC])).unwrap();
    source.controls().subscribe(true);
    let record = Record::json("k", &json!({}));
    kafka.producer().unwrap().send(TOPIC, &record).await.unwrap();
    let before = tokio::time::timeout(bound, first_record(&mut source)).await.unwrap();
    kafka.delete_topic(TOPIC).await.unwrap();
    kafka.create_topic(TOPIC, 1).await.unwrap();
    kafka.producer().unwrap().send(TOPIC, &record).await.unwrap();
    let after = tokio::time::timeout(bound, first_record(&mut source)).await.expect("it is read");
    assert_ne!(after, before);
    source.controls().close().await;
}
