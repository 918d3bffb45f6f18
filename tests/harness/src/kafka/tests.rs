//! The broker does what the suites need of it.

use std::time::Duration;

use super::admin::Record;
use super::settings::{Listener, Settings, USERS};
use super::*;

fn record(value: &str) -> Record {
    Record { key: Some("key".to_owned()), value: value.as_bytes().to_vec(), ..Record::default() }
}

#[tokio::test]
async fn a_broker_keeps_its_records_and_its_port_over_kill_and_restart() {
    let mut kafka = Kafka::start().await.expect("a broker");
    let bootstrap = kafka.bootstrap();
    kafka.create_topic("orders", 2).await.expect("a topic");
    let producer = kafka.producer().expect("a producer");
    let place = producer.send("orders", &record("one")).await.expect("produces");
    assert_eq!(place.offset, 0);
    kafka.kill();
    kafka.resume().await.expect("comes back");
    assert_eq!(kafka.bootstrap(), bootstrap);
    let second = producer.send("orders", &record("two")).await.expect("the same producer goes on");
    assert_eq!((second.partition, second.offset), (place.partition, 1));
    kafka.restart().await.expect("restarts in good order");
    let read = kafka.read("orders", 2, Duration::from_secs(30)).await.expect("both are there");
    assert_eq!(read.iter().map(|record| record.value.as_slice()).collect::<Vec<_>>(), [b"one", b"two"]);
}

#[tokio::test]
async fn an_administrator_resets_offsets_deletes_records_and_re_creates_topics() {
    let kafka = Kafka::shared().await.expect("a broker");
    kafka.create_topic("admin", 1).await.expect("a topic");
    let producer = kafka.producer().expect("a producer");
    for number in 0..5 {
        producer.send("admin", &record(&number.to_string())).await.expect("produces");
    }
    assert_eq!(kafka.committed("group", "admin", 1).await.expect("answers"), [None]);
    kafka.reset_offsets("group", "admin", &[(0, 3)]).await.expect("an empty group can be reset");
    assert_eq!(kafka.committed("group", "admin", 1).await.expect("answers"), [Some(3)]);
    let forged = kafka.forge_offsets("group", "admin", &[(0, 2)]).await;
    assert!(forged.is_err(), "what was set by hand has no metadata to keep");
    kafka.delete_records("admin", 0, 2).await.expect("deletes");
    assert_eq!(kafka.watermarks("admin", 0).await.expect("answers"), (2, 5));
    kafka.delete_topic("admin").await.expect("deletes");
    kafka.create_topic("admin", 1).await.expect("the name is free again");
    assert_eq!(kafka.watermarks("admin", 0).await.expect("answers"), (0, 0));
}

#[tokio::test]
async fn secured_listeners_take_the_right_password_and_refuse_a_wrong_one() {
    let kafka = Kafka::with(&Settings { secured: true, ..Settings::default() }).await.expect("a broker");
    let authority = kafka.certificates().expect("certificates").authority();
    let (user, password) = USERS[0];
    for (listener, protocol, mechanism) in [
        (Listener::Tls, "ssl", None),
        (Listener::Sasl, "sasl_plaintext", Some("PLAIN")),
        (Listener::Sasl, "sasl_plaintext", Some("SCRAM-SHA-256")),
        (Listener::SaslTls, "sasl_ssl", Some("SCRAM-SHA-512")),
    ] {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", kafka.secured(listener))
            .set("broker.address.family", "v4")
            .set("security.protocol", protocol)
            .set("ssl.ca.location", authority.display().to_string());
        if let Some(mechanism) = mechanism {
            config.set("sasl.mechanism", mechanism).set("sasl.username", user).set("sasl.password", password);
        }
        let mut wrong = config.clone();
        assert!(tokio::task::spawn_blocking(move || answers(&config)).await.expect("runs"), "{protocol} {mechanism:?}");
        if mechanism.is_some() {
            wrong.set("sasl.password", "wrong");
            assert!(
                !tokio::task::spawn_blocking(move || answers(&wrong)).await.expect("runs"),
                "{protocol} {mechanism:?}"
            );
        }
    }
}

/// A client that shows a token that nobody has signed.
struct Bearer;

impl rdkafka::ClientContext for Bearer {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(
        &self,
        _config: Option<&str>,
    ) -> Result<rdkafka::client::OAuthToken, Box<dyn std::error::Error>> {
        let lifetime = Duration::from_secs(300);
        let ends = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)? + lifetime;
        Ok(rdkafka::client::OAuthToken {
            token: crate::token_endpoint::unsecured_token("alice", lifetime),
            principal_name: "alice".to_owned(),
            lifetime_ms: i64::try_from(ends.as_millis())?,
        })
    }
}

impl rdkafka::consumer::ConsumerContext for Bearer {}

#[tokio::test]
async fn the_broker_takes_the_tokens_of_the_token_endpoint() {
    let kafka = Kafka::with(&Settings { secured: true, ..Settings::default() }).await.expect("a broker");
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", kafka.secured(Listener::Sasl))
        .set("broker.address.family", "v4")
        .set("security.protocol", "sasl_plaintext")
        .set("sasl.mechanism", "OAUTHBEARER")
        .set("group.id", "bearer");
    let answered = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer<Bearer> = config.create_with_context(Bearer).expect("a consumer");
        (0..100).any(|_| {
            // The token is asked for while polling.
            let _ = consumer.poll(Duration::from_millis(100));
            consumer.fetch_metadata(None, Duration::from_secs(1)).is_ok_and(|metadata| !metadata.brokers().is_empty())
        })
    });
    assert!(answered.await.expect("runs"));
}
