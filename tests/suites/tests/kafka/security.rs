//! Who the gateway is to the brokers, and what it may do there.

use std::time::Duration;

use events_gateway_harness::TokenEndpoint;
use events_gateway_harness::kafka::settings::{Listener, USERS};
use events_gateway_harness::token_endpoint::{CLIENT_ID, CLIENT_SECRET};
use serde_json::{Value, json};

use super::lab::{BOUND, Lab, client, expect, reads, status, trouble};

fn login(mechanism: &str, name: &str, password: &str) -> Value {
    json!({ "mechanism": mechanism, "username": { "value": name }, "password": { "value": password } })
}

fn secured(lab: &mut Lab, listener: Listener, sasl: Option<Value>) {
    let authority = lab.kafka.certificates().expect("certificates").authority();
    let protocol = match (listener, &sasl) {
        (Listener::Tls, _) => "ssl",
        (Listener::Sasl, _) => "sasl-plaintext",
        (Listener::SaslTls, _) => "sasl-ssl",
    };
    let mut security = json!({ "protocol": protocol });
    if listener != Listener::Sasl {
        security["tls"] = json!({ "caFile": authority });
    }
    if let Some(sasl) = sasl {
        security["sasl"] = sasl;
    }
    lab.config.kafka = lab.kafka.secured(listener);
    lab.config.overlay = json!({ "kafka": { "security": security } });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_encrypt_and_authenticate_works() {
    let (name, password) = USERS[0];
    let ways = [
        ("tls", Listener::Tls, None),
        ("plain", Listener::SaslTls, Some(login("PLAIN", name, password))),
        ("scram-256", Listener::Sasl, Some(login("SCRAM-SHA-256", name, password))),
        ("scram-512", Listener::SaslTls, Some(login("SCRAM-SHA-512", name, password))),
    ];
    let each = ways.map(|(way, listener, sasl)| async move {
        let mut lab = Lab::new(way).await;
        secured(&mut lab, listener, sasl);
        let gateway = lab.gateway().await;
        let client = client(&gateway, "orders").await;
        lab.send_all("orders", 0..3).await;
        expect(&client, 0..3).await;
        assert_eq!(status(&gateway, "events").await["trouble"], Value::Null, "{way}");
    });
    futures_util::future::join_all(each).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_fetched_renewed_and_asked_for_again_while_their_endpoint_refuses() {
    let endpoint = TokenEndpoint::start(Duration::from_secs(6)).await.expect("an endpoint");
    endpoint.refuse(true);
    let mut lab = Lab::new("oauth").await;
    lab.kafka.create_topic("oauth-dead", 1).await.expect("a topic");
    lab.config.dead_letters = Some("oauth-dead".to_owned());
    let oauth = json!({
        "tokenEndpoint": endpoint.url(), "clientId": CLIENT_ID, "clientSecret": { "value": CLIENT_SECRET },
    });
    secured(&mut lab, Listener::Sasl, Some(json!({ "mechanism": "OAUTHBEARER", "oauth": oauth })));
    let gateway = lab.gateway().await;
    let client = client(&gateway, "orders").await;
    lab.send(lab.topic(), "orders", 0).await;
    trouble(&gateway, "events", "token").await;
    endpoint.refuse(false);
    expect(&client, [0]).await;
    let issued = endpoint.issued();
    let more = events_gateway_harness::wait::until_true("renewed tokens", BOUND, || endpoint.issued() > issued + 2);
    more.await.expect("tokens are renewed before they end");
    endpoint.refuse(true);
    lab.producer.send(lab.topic(), &Default::default()).await.expect("Kafka takes it");
    lab.send(lab.topic(), "orders", 1).await;
    expect(&client, [0, 1]).await;
    endpoint.refuse(false);
    // A token is fetched by a callback, which must run before anything is asked of the brokers.
    let listed = super::dead_letters::run(&gateway, &["list", "--json"]).await;
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_and_tried_again_until_it_is_right() {
    let mut lab = Lab::new("password").await;
    secured(&mut lab, Listener::Sasl, Some(login("SCRAM-SHA-256", "carol", "carol-secret")));
    let gateway = lab.gateway().await;
    let client = client(&gateway, "orders").await;
    lab.send(lab.topic(), "orders", 0).await;
    trouble(&gateway, "events", "invalid credentials").await;
    assert!(gateway.metric("events_gateway_kafka_up", &[]).await.expect("metrics") < 1.0);
    lab.kafka.add_user("carol", "carol-secret").await.expect("a user");
    expect(&client, [0]).await;
    gateway.wait_for_metric("events_gateway_kafka_up", &[], 1.0, BOUND).await.expect("and no longer complains");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_right_is_told_and_harms_no_other_binding_and_once_granted_records_flow() {
    let mut lab = Lab::new("rights").await;
    let (name, password) = USERS[0];
    secured(&mut lab, Listener::Sasl, Some(login("SCRAM-SHA-256", name, password)));
    let (topic, group) = (format!("{}-topic", lab.config.suite), format!("{}-group", lab.config.suite));
    for topic in [&topic, &group] {
        lab.kafka.create_topic(topic, 1).await.expect("a topic");
    }
    // Named for somebody else: nobody's any more.
    lab.kafka.allow("somebody", &[&topic], &[&group]).await.expect("lists");
    let binding = |name: &str, topic: &str, group: &str| json!({ "name": name, "topics": [topic], "groupId": group, "start": "earliest" });
    lab.config.overlay["kafka"]["bindings"] = json!([
        binding("free", lab.topic(), &lab.group()),
        binding("no-topic", &topic, &format!("{topic}-free")),
        binding("no-group", &group, &group),
    ]);
    let gateway = lab.gateway().await;
    let mut clients = Vec::new();
    for (channel, topic) in [("free", lab.topic()), ("no-topic", topic.as_str()), ("no-group", group.as_str())] {
        clients.push(client(&gateway, channel).await);
        lab.send(topic, channel, 7).await;
    }
    expect(&clients[0], [7]).await;
    println!("group: {}", trouble(&gateway, "no-group", "uthoriz").await);
    // Named, once the topics have been asked for.
    println!("topic: {}", trouble(&gateway, "no-topic", &format!("topic {topic}: ")).await);
    reads(&gateway, "free", 1).await;
    assert_eq!(status(&gateway, "free").await["trouble"], Value::Null);
    for binding in ["no-topic", "no-group"] {
        let labels = [format!("binding=\"{binding}\"")];
        let up = gateway.metric("events_gateway_kafka_up", &[labels[0].as_str()]).await.expect("metrics");
        assert!(up < 1.0, "{binding}");
    }
    lab.kafka.allow(name, &[&topic], &[&group]).await.expect("lists");
    for client in &clients[1..] {
        expect(client, [7]).await;
    }
    gateway.wait_for_metric("events_gateway_kafka_up", &[], 3.0, BOUND).await.expect("nothing complains any more");
}
