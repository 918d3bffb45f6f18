use std::collections::BTreeMap;

use events_gateway_core::publication::{Content, Publications};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _};
use rdkafka::mocking::MockCluster;
use rdkafka::{Offset, TopicPartitionList};

use super::*;

const ANYBODY: By<'static> = By { publisher: "", key: None, may: &|_| true };

fn publisher(bootstrap: &str, options: Options) -> Publisher {
    Publisher::new(Client { bootstrap: bootstrap.into(), ..Client::default() }, options).unwrap()
}

fn options() -> Options {
    Options {
        topic: "events".into(),
        max_record_bytes: 10_000,
        max_channels: 3,
        max_pending_bytes: 1 << 20,
        timeout: Duration::from_secs(60),
        address_rate: None,
        publisher_rate: None,
        counters: Arc::default(),
    }
}

fn read<'a>(media_type: &'a str, body: &'a str) -> Publications<'a> {
    let content = Content { media_type: Some(media_type), fields: &[], body: body.as_bytes() };
    Publications::read(&content, 100).unwrap()
}

async fn publish(publisher: &Publisher, by: By<'_>, body: &str) -> Vec<Result<Place, Refused>> {
    let publications = read("application/json", body);
    publisher.publish(by, &publications.events, publications.is_batch).await
}

/// A record as it stands in the topic: key, headers, value.
type Stored = (String, BTreeMap<String, String>, String);

/// All records of a partition, in its order.
fn stored(bootstrap: &str, partition: i32, count: usize) -> Vec<Stored> {
    let mut config = Client { bootstrap: bootstrap.into(), ..Client::default() }.config();
    let consumer: BaseConsumer = config.set("group.id", "test").create().unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("events", partition, Offset::Beginning).unwrap();
    consumer.assign(&assignment).unwrap();
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
    (0..count)
        .map(|_| {
            let record = consumer.poll(Duration::from_secs(20)).expect("a record").unwrap();
            let headers = record
                .headers()
                .map(|headers| headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect());
            (text(record.key()), headers.unwrap_or_default(), text(record.payload()))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_stands_in_kafka_in_its_order_with_what_makes_a_retry_harmless() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", 4, 1).unwrap();
    let bootstrap = cluster.bootstrap_servers();
    let publisher = publisher(&bootstrap, options());
    let first = publish(&publisher, ANYBODY, r#"{"channels":["user:42","b"],"id":"7"}"#).await;
    let partition = first[0].as_ref().unwrap().partition;
    let by = By { publisher: "shop", key: Some("batch-1"), ..ANYBODY };
    let batch =
        r#"[{"channels":["user:42"],"data":1},{"channels":["x"],"key":"user:42"},{"channels":["user:42"],"data":3}]"#;
    let outcomes = publish(&publisher, by, batch).await;
    let places: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(places, [1, 2, 3].map(|offset| Place { partition, offset }), "one key has one partition, and an order");

    let stored = tokio::task::spawn_blocking(move || stored(&bootstrap, partition, 4)).await.unwrap();
    let headers = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let key = || "user:42".to_owned();
    assert_eq!(stored[0], (key(), headers(&[(PUBLISHER, "")]), r#"{"channels":["user:42","b"],"id":"7"}"#.into()));
    assert_eq!(
        stored[2],
        (
            key(),
            headers(&[(PUBLISHER, "shop"), (IDEMPOTENCY_KEY, "batch-1/1")]),
            r#"{"channels":["x"],"key":"user:42"}"#.into()
        )
    );
    assert_eq!(publisher.counters().outcomes().next(), Some((Outcome::Taken, 4)));
    assert_eq!(publisher.counters().times().0.iter().sum::<u64>(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_one_event_keeps_no_other_from_kafka() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", 1, 1).unwrap();
    let publisher = publisher(&cluster.bootstrap_servers(), options());
    let large = "x".repeat(9_990);
    let batch = format!(
        r#"[{{"channels":["a"]}},{{"channels":[]}},{{"channels":["a","b","c","d"]}},{{"channels":["a"],"data":"{large}"}},
            {{"channels":["a"],"type":"gateway.gap"}},{{"channels":["all"]}},7,{{"channels":["b"]}}]"#
    );
    let outcomes = publish(&publisher, ANYBODY, &batch).await;
    let told: Vec<String> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().map_or_else(ToString::to_string, |place| place.offset.to_string()))
        .collect();
    assert_eq!(told[0], "0");
    assert_eq!(told[1], "channels: expected at least one channel, found none");
    assert_eq!(told[2], "channels: at most 3, found 4");
    assert!(told[3].ends_with("at most 10000 are taken"), "{}", told[3]);
    assert_eq!(told[4], "type: the prefix \"gateway.\" is the gateway's own");
    assert!(told[5].contains("the gateway's to address"), "{}", told[5]);
    assert_eq!(told[6], "value: expected an object, found a number");
    assert_eq!(told[7], "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_or_an_id_is_for_one_event_of_one_publisher() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", 1, 1).unwrap();
    let publisher = publisher(&cluster.bootstrap_servers(), options());
    let by = |publisher| By { publisher, key: Some("1"), ..ANYBODY };
    let (shop, bank) = (by("shop"), by("bank"));
    let (paid, shipped) = (r#"{"channels":["a"],"data":"paid"}"#, r#"{"channels":["a"],"data":"shipped"}"#);
    assert!(publish(&publisher, shop, paid).await[0].is_ok());
    assert!(publish(&publisher, shop, paid).await[0].is_ok(), "a retry; that it is one is found where it counts");
    assert_eq!(publish(&publisher, shop, shipped).await, [Err(Refused::KeyReused)]);
    assert!(publish(&publisher, bank, shipped).await[0].is_ok());
    let with_id = |id: &str, data: &str| format!(r#"{{"channels":["a"],"id":"{id}","data":"{data}"}}"#);
    assert!(publish(&publisher, ANYBODY, &with_id("1", "x")).await[0].is_ok(), "a key is no id");
    assert_eq!(publish(&publisher, ANYBODY, &with_id("1", "y")).await, [Err(Refused::KeyReused)]);

    let event = |source: &str| {
        format!(r#"{{"specversion":"1.0","id":"1","source":"{source}","type":"t","channel":"a","data":"{source}"}}"#)
    };
    for source in ["/one", "/other"] {
        let body = event(source);
        let publications = read("application/cloudevents+json", &body);
        let outcomes = publisher.publish(ANYBODY, &publications.events, false).await;
        assert!(outcomes[0].is_ok(), "the ids of CloudEvents are their sources' own: {outcomes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_kafka_the_answer_comes_in_time_and_says_that_a_retry_is_harmless() {
    let publisher = publisher("127.0.0.1:1", Options { timeout: Duration::from_secs(1), ..options() });
    let began = Instant::now();
    let outcomes = publish(&publisher, ANYBODY, r#"[{"channels":["a"]},{"channels":[]}]"#).await;
    assert_eq!(outcomes[0], Err(Refused::Unavailable));
    assert!(matches!(outcomes[1], Err(Refused::Invalid(_))), "{outcomes:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let counted: Vec<_> = publisher.counters().outcomes().map(|(_, count)| count).collect();
    assert_eq!(counted, [0, 1, 0, 0, 0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_too_fast_is_told_when_to_come_again() {
    let rate = |burst: u32| Some(Rate { per_second: 1.try_into().unwrap(), burst: burst.try_into().unwrap() });
    let options = Options { address_rate: rate(3), publisher_rate: rate(2), ..options() };
    let publisher = publisher("127.0.0.1:1", options);
    let sender = |address: &str, publisher: &str| Sender { address: address.parse().ok(), publisher: publisher.into() };
    assert_eq!(publisher.admit(&sender("192.0.2.1", ""), 3), Ok(()));
    assert!(publisher.admit(&sender("192.0.2.1", ""), 2).is_err_and(|seconds| seconds <= 3), "by address");
    assert_eq!(publisher.admit(&sender("192.0.2.2", "shop"), 2), Ok(()));
    assert!(publisher.admit(&sender("192.0.2.3", "shop"), 1).is_err(), "by identity, wherever it comes from");
    assert_eq!(publisher.admit(&sender("192.0.2.3", "bank"), 1), Ok(()));
    assert_eq!(publisher.admit(&sender("", ""), 100), Ok(()));
    assert_eq!(publisher.counters().outcomes().nth(4), Some((Outcome::Limited, 3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_to_a_channel_that_its_publisher_has_no_right_to() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("events", 1, 1).unwrap();
    let publisher = publisher(&cluster.bootstrap_servers(), options());
    let by = By { may: &|channel| channel.as_str() != "secret", ..ANYBODY };
    let batch = r#"[{"channels":["a","secret"]},{"channels":["a"]}]"#;
    let outcomes = publish(&publisher, by, batch).await;
    assert_eq!(outcomes[0], Err(Refused::Denied(Channel::parse("secret").unwrap())));
    assert_eq!(outcomes[1].as_ref().unwrap().offset, 0, "not even to the others");
}
