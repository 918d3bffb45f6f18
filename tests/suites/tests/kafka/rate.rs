//! How fast a backlog of records is taken in.

use std::time::Instant;

use serde_json::json;

use super::lab::{BOUND, Lab, record};

const RECORDS: u64 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures: run it alone, on a machine that does nothing else"]
async fn the_rate_of_ingest_is_measured() {
    let mut lab = Lab::new("rate").await;
    lab.kafka.add_partitions(lab.topic(), 6).await.expect("six partitions");
    lab.producer = lab.kafka.producer().expect("a producer that knows of them");
    for batch in 0..RECORDS / 10_000 {
        let mut answers = Vec::new();
        for number in 0..10_000 {
            let record = record(&format!("user:{}", number % 500), batch * 10_000 + number);
            answers.push(lab.producer.enqueue(lab.topic(), &record).expect("room"));
        }
        for answer in answers {
            answer.await.expect("Kafka takes it");
        }
    }
    for redis in [true, false] {
        let mut config = lab.config.clone();
        config.suite = format!("{}-{redis}", lab.config.suite);
        if !redis {
            config.overlay = json!({ "redis": { "mode": "memory", "nodes": [] } });
        }
        let gateway = lab.gateway_with(&config).await;
        gateway.wait_for_metric("events_gateway_records_total", &[], 1.0, BOUND).await.expect("it begins");
        let began = Instant::now();
        let before = gateway.metric("events_gateway_appended_events_total", &[]).await.expect("metrics");
        gateway.wait_for_metric("events_gateway_appended_events_total", &[], RECORDS as f64, BOUND).await.expect("all");
        let rate = (RECORDS as f64 - before) / began.elapsed().as_secs_f64();
        let cpu = gateway.metric("process_cpu_seconds_total", &[]).await.expect("metrics");
        let calls = gateway.metric("events_gateway_appends_total", &[]).await.expect("metrics");
        println!("redis {redis}: {rate:.0} records/s, {cpu:.2} s of CPU in all, {calls:.0} appends");
    }
}
