//! Which group protocol is spoken.

use events_gateway_harness::Kafka;
use events_gateway_harness::kafka::Settings;
use serde_json::json;
use tokio::sync::OnceCell;

use super::lab::{Lab, client, expect};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_speaks_the_consumer_protocol_unless_it_is_told_to_speak_the_classic_one() {
    let new = Lab::new("protocol-new").await;
    let mut classic = Lab::new("protocol-classic").await;
    classic.config.overlay = json!({ "kafka": { "protocol": "classic" } });
    for lab in [&new, &classic] {
        lab.send(lab.topic(), "orders", 1).await;
    }
    let (one, two) = tokio::join!(new.gateway(), classic.gateway());
    for (lab, gateway) in [(&new, &one), (&classic, &two)] {
        let client = client(gateway, "orders").await;
        lab.send(lab.topic(), "orders", 2).await;
        client
            .wait_for("the live event", super::lab::BOUND, |history| {
                history.events.iter().any(|received| received.event.data == "2")
            })
            .await
            .expect("it flows");
    }
    let types = new.kafka.group_types().await.expect("a list of groups");
    assert_eq!(types.get(&new.group()).map(String::as_str), Some("Consumer"), "{types:?}");
    assert_eq!(types.get(&classic.group()).map(String::as_str), Some("Classic"), "{types:?}");
}

static OLD: OnceCell<Kafka> = OnceCell::const_new();

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_without_the_consumer_protocol_are_spoken_to_in_the_classic_one() {
    let mut settings = Settings::default();
    let name = "group.coordinator.rebalance.protocols";
    settings.properties.insert(name.to_owned(), "classic".to_owned());
    let old = OLD.get_or_try_init(|| Kafka::with(&settings)).await.expect("an old broker");
    let lab = Lab::on(old, "protocol-old").await;
    let gateway = lab.gateway().await;
    let client = client(&gateway, "orders").await;
    lab.send_all("orders", 0..3).await;
    expect(&client, 0..3).await;
    assert!(gateway.log().contains("classic group protocol"), "{}", gateway.log());
    let types = old.group_types().await.expect("a list of groups");
    assert_eq!(types.get(&lab.group()).map(String::as_str), Some("Classic"), "{types:?}");
}
