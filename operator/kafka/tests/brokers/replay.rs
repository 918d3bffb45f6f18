//! Real gateways, whose group is put back to the beginning.

use std::time::Duration;

use events_gateway_harness::http::Request;
use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::redis::Server;
use events_gateway_harness::sse::{Client, Options};
use events_gateway_harness::{Gateway, Kafka, wait};
use events_gateway_operator_kafka::Group;
use events_gateway_operator_kafka::reset::{Change, Target};
use events_gateway_suites::config::{ADMIN_TOKEN, Config, Redis};
use events_gateway_suites::platform::events_of;
use serde_json::{Value, json};

use super::lab::{BOUND, cluster, kafka, name, readers, until_committed, until_group};

const RECORDS: u64 = 100;

/// Gateways of a suite of their own.
struct Gateways {
    kafka: &'static Kafka,
    _redis: Server,
    config: Config,
}

impl Gateways {
    async fn new(stem: &str, partitions: i32) -> Self {
        let (kafka, suite) = (kafka().await, name(stem));
        let redis = Server::start().await.expect("a Redis");
        kafka.create_topic(&suite, partitions).await.expect("a topic");
        let config = Config {
            kafka: kafka.bootstrap(),
            redis: Redis::Standalone(redis.address()),
            topics: vec![suite.clone()],
            commands: None,
            dead_letters: None,
            suite,
            publish: Value::Null,
            overlay: Value::Null,
        };
        Self { kafka, _redis: redis, config }
    }

    fn topic(&self) -> &str {
        &self.config.suite
    }

    async fn start(&self, name: &str) -> Gateway {
        let started = Gateway::start(name, |ports| self.config.render(name, ports)).await;
        started.expect("a gateway")
    }

    /// Records 0 to 99, all of one channel.
    async fn produce(&self) {
        let producer = self.kafka.producer().expect("a producer");
        for number in 0..RECORDS {
            let event = json!({ "type": "numbered", "channels": ["orders"], "data": number });
            producer.send(self.topic(), &Record::json("orders", &event)).await.expect("Kafka takes it");
        }
    }
}

async fn stream(gateway: &Gateway, cursor: &str) -> Client {
    let options =
        Options { last_event_id: cursor.to_owned(), ..Options::new(gateway.public(), events_of(&["orders"])) };
    Client::opened(options, BOUND).await.expect("a stream")
}

fn numbers(client: &Client) -> Vec<u64> {
    client.published().iter().map(|event| event.data.parse().expect("a number")).collect()
}

async fn ask(gateway: &Gateway, request: Request) -> Value {
    let answer = gateway.ask(&request.header("Authorization", &format!("Bearer {ADMIN_TOKEN}"))).await;
    let answer = answer.expect("the admin listener answers");
    assert_eq!(answer.status(), 200);
    answer.json().expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_a_group_that_was_put_back_are_delivered_again_and_not_taken_for_repeats() {
    let gateways = Gateways::new("replay", 1).await;
    let (kafka, topic, group) = (gateways.kafka, gateways.topic(), gateways.config.group());
    let cluster = cluster(kafka);
    let mut gateway = gateways.start("replayed").await;
    let first = stream(&gateway, "").await;
    gateways.produce().await;
    first.wait_for_published(100, BOUND).await.expect("all of them");
    let end = i64::try_from(RECORDS).ok();
    until_committed(kafka, &group, topic, &[end]).await;
    let cursor = first.history().last_event_id.clone();
    drop(first);

    let plan = cluster.plan_reset(readers(&group, &[topic]), Target::Earliest).await.expect("a plan");
    assert_eq!(plan.records(), 100);
    let refused = cluster.apply_reset(plan.clone()).await.expect_err("the gateway is in it");
    assert_eq!(refused.category(), "in-use", "{refused}");
    let status = gateway.stop(BOUND).await.expect("it ends");
    assert!(status.success(), "{status}");
    until_group(&cluster, &group, "empty", Group::is_empty).await;
    let outcomes = cluster.apply_reset(plan).await.expect("an empty group");
    assert!(outcomes.iter().all(|outcome| outcome.result == Ok(Change::Set)), "{outcomes:?}");

    gateway.resume().await.expect("it starts again");
    let second = stream(&gateway, &cursor).await;
    second.wait_for_published(100, BOUND).await.expect("all of them again");
    // Behind the last of them comes none more.
    until_committed(kafka, &group, topic, &[end]).await;
    assert_eq!(numbers(&second), (0..RECORDS).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_empties_the_group_and_keeps_newcomers_out_while_it_is_put_back_with_streams_open() {
    let gateways = Gateways::new("quiesced", 2).await;
    let (kafka, topic, group) = (gateways.kafka, gateways.topic(), gateways.config.group());
    let cluster = cluster(kafka);
    let (one, two) = tokio::join!(gateways.start("quiesced-1"), gateways.start("quiesced-2"));
    until_group(&cluster, &group, "of two", |group| group.members.len() == 2).await;
    let client = stream(&two, "").await;
    gateways.produce().await;
    client.wait_for_published(100, BOUND).await.expect("all of them");
    let lag = wait::until("all of it to be committed", BOUND, || async {
        let lag = cluster.lag(readers(&group, &[topic])).await?.remove(&group).transpose()?;
        Ok(lag.filter(|lag| lag.total() == 0 && lag.uncommitted() == 0))
    });
    lag.await.expect("it commits");

    ask(&one, Request::post("/kafka/pause", &Value::Null)).await;
    until_group(&cluster, &group, "empty", Group::is_empty).await;
    let three = gateways.start("quiesced-3").await;
    // From now on it knows of the pause. It must not have come in before it did.
    wait::until("the newcomer to rest", BOUND, || async {
        let members = super::lab::group(&cluster, &group).await.members;
        anyhow::ensure!(members.is_empty(), "{members:?}");
        let consumers = ask(&three, Request::get("/kafka")).await["consumers"].clone();
        let rests =
            consumers.as_array().is_some_and(|all| !all.is_empty() && all.iter().all(|one| one["paused"] == true));
        Ok(rests.then_some(()))
    })
    .await
    .expect("it stays out");
    let plan = cluster.plan_reset(readers(&group, &[topic]), Target::Earliest).await.expect("a plan");
    assert_eq!(plan.records(), 100);
    let outcomes = cluster.apply_reset(plan).await.expect("an empty group");
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    let rested = tokio::time::timeout(Duration::from_secs(2), client.wait_for_published(101, BOUND)).await;
    assert!(rested.is_err(), "nobody reads while they are paused");

    ask(&three, Request::post("/kafka/resume", &Value::Null)).await;
    client.wait_for_published(200, BOUND).await.expect("all of them again");
    until_group(&cluster, &group, "of three", |group| group.members.len() == 3).await;
    assert_eq!(numbers(&client), (0..RECORDS).chain(0..RECORDS).collect::<Vec<_>>());
    assert_eq!(client.history().connections.len(), 1, "the stream stayed open");
}
