//! What the tests share: one broker, one Redis, and gateways that read topics of their own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use events_gateway_harness::http::{Request, Response};
use events_gateway_harness::kafka::Settings;
use events_gateway_harness::kafka::admin::{Producer, Record};
use events_gateway_harness::redis::Server;
use events_gateway_harness::sse::{Client, Event, Options};
use events_gateway_harness::{Gateway, Kafka, wait};
use events_gateway_suites::config::{ADMIN_TOKEN, Config, Redis};
use events_gateway_suites::platform::events_of;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// For whatever is expected to happen soon on a machine that is busy.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

static KAFKA: OnceCell<Kafka> = OnceCell::const_new();
static REDIS: OnceCell<Server> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

/// One test's corner of the broker and of Redis.
pub(crate) struct Lab {
    pub(crate) kafka: &'static Kafka,
    pub(crate) redis: &'static Server,
    pub(crate) producer: Producer,
    /// Of its gateways; `config.suite` is also the topic that [`Lab::new`] creates, with one partition.
    pub(crate) config: Config,
}

impl Lab {
    pub(crate) async fn new(name: &str) -> Self {
        let settings = Settings { secured: true, access_control: true, ..Settings::default() };
        let kafka = KAFKA.get_or_try_init(|| Kafka::with(&settings)).await.expect("a broker");
        Self::on(kafka, name).await
    }

    pub(crate) async fn on(kafka: &'static Kafka, name: &str) -> Self {
        let redis = REDIS.get_or_try_init(Server::start).await.expect("a Redis");
        let suite = format!("{name}{}", NEXT.fetch_add(1, Ordering::Relaxed));
        kafka.create_topic(&suite, 1).await.expect("a topic");
        Self {
            kafka,
            redis,
            producer: kafka.producer().expect("a producer"),
            config: Config {
                kafka: kafka.bootstrap(),
                redis: Redis::Standalone(redis.address()),
                topics: vec![suite.clone()],
                publish: Value::Null,
                commands: None,
                dead_letters: None,
                suite,
                overlay: Value::Null,
            },
        }
    }

    pub(crate) fn topic(&self) -> &str {
        &self.config.topics[0]
    }

    pub(crate) fn group(&self) -> String {
        self.config.group()
    }

    pub(crate) async fn gateway(&self) -> Gateway {
        self.gateway_with(&self.config).await
    }

    pub(crate) async fn gateway_with(&self, config: &Config) -> Gateway {
        let name = format!("{}-{}", config.suite, NEXT.fetch_add(1, Ordering::Relaxed));
        let started = Gateway::start(&name, |ports| config.render(&name, ports)).await;
        started.expect("a gateway")
    }

    /// A record for one channel, the number its data.
    pub(crate) async fn send(&self, topic: &str, channel: &str, number: u64) {
        self.producer.send(topic, &record(channel, number)).await.expect("Kafka takes it");
    }

    pub(crate) async fn send_all(&self, channel: &str, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.send(self.topic(), channel, number).await;
        }
    }

    /// Waits until the group has committed this offset of the lab's topic.
    pub(crate) async fn committed(&self, offset: i64) {
        let what = format!("{} has committed {offset}", self.group());
        let group = self.group();
        let waited = wait::until(&what, BOUND, || async {
            let committed = self.kafka.committed(&group, self.topic(), 1).await?;
            Ok((committed == [Some(offset)]).then_some(()))
        });
        waited.await.expect("a commit");
    }
}

pub(crate) fn record(channel: &str, number: u64) -> Record {
    Record::json(channel, &json!({ "type": "numbered", "channels": [channel], "data": number }))
}

pub(crate) async fn client(gateway: &Gateway, channel: &str) -> Client {
    let options = Options::new(gateway.public(), events_of(&[channel]));
    Client::opened(options, BOUND).await.expect("a stream opens")
}

/// A client that comes back with a cursor.
pub(crate) async fn resumed(gateway: &Gateway, channel: &str, cursor: &str) -> Client {
    let options = Options { last_event_id: cursor.to_owned(), ..Options::new(gateway.public(), events_of(&[channel])) };
    Client::opened(options, BOUND).await.expect("a stream opens")
}

pub(crate) fn numbers(client: &Client) -> Vec<u64> {
    client.published().iter().map(number).collect()
}

fn number(event: &Event) -> u64 {
    event.data.parse().expect("a number")
}

/// Waits for as many events as expected, then a little for one too many.
pub(crate) async fn expect(client: &Client, expected: impl IntoIterator<Item = u64>) {
    let expected: Vec<u64> = expected.into_iter().collect();
    client.wait_for_published(expected.len(), BOUND).await.expect("all that is expected");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(numbers(client), expected, "{}", client.describe());
}

/// The gaps that a client was told: reason and `may_repeat`.
pub(crate) fn gaps(client: &Client) -> Vec<(String, bool)> {
    let events = client.events();
    let gaps = events.iter().filter(|event| event.kind == "gateway.gap");
    let told = gaps.map(|gap| {
        let data = gap.json();
        (data["reason"].as_str().unwrap_or_default().to_owned(), data["may_repeat"].as_bool().unwrap_or_default())
    });
    told.collect()
}

pub(crate) async fn ask(gateway: &Gateway, request: Request) -> Response {
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    gateway.ask(&request.header("Authorization", &bearer)).await.expect("the admin listener answers")
}

/// What `/kafka` tells of a binding.
pub(crate) async fn status(gateway: &Gateway, binding: &str) -> Value {
    let all = ask(gateway, Request::get("/kafka")).await.json().expect("JSON");
    let consumers = all["consumers"].as_array().expect("a list");
    let mut mine = consumers.iter().filter(|consumer| consumer["binding"] == binding);
    mine.next_back().cloned().unwrap_or(Value::Null)
}

/// Waits until `condition` holds of what `/kafka` tells of a binding.
pub(crate) async fn until_status(
    gateway: &Gateway,
    binding: &str,
    what: &str,
    condition: impl Fn(&Value) -> bool,
) -> Value {
    let mut last = Value::Null;
    let deadline = tokio::time::Instant::now() + BOUND;
    while tokio::time::Instant::now() < deadline {
        last = status(gateway, binding).await;
        if condition(&last) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain for {what}: {last:#}\n{}", gateway.log());
}

/// Waits until the binding reads all partitions that are to be its own.
pub(crate) async fn reads(gateway: &Gateway, binding: &str, partitions: usize) {
    let all = |status: &Value| {
        let list = status["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
        list.len() == partitions && list.iter().all(|one| one["phase"] == "reading")
    };
    until_status(gateway, binding, "reading", all).await;
}

pub(crate) async fn trouble(gateway: &Gateway, binding: &str, part: &str) -> String {
    let what = format!("trouble with {part:?}");
    let told = until_status(gateway, binding, &what, |status| {
        status["trouble"].as_str().is_some_and(|trouble| trouble.contains(part))
    });
    told.await["trouble"].as_str().unwrap_or_default().to_owned()
}

pub(crate) async fn stop(gateway: &mut Gateway) {
    let status = gateway.stop(BOUND).await.expect("it ends");
    assert!(status.success(), "{status}\n{}", gateway.log());
}
