//! Settings that the brokers keep for a group.

use std::time::Duration;

use events_gateway_operator_kafka::settings::{Drift, GroupSettings};

use super::lab::{cluster, kafka, name};

fn settings(session: u64, heartbeat: Option<u64>) -> GroupSettings {
    GroupSettings {
        session_timeout: Some(Duration::from_millis(session)),
        heartbeat_interval: heartbeat.map(Duration::from_millis),
    }
}

fn drift(name: &'static str, wanted: &str, was: &str) -> Drift {
    Drift { name, wanted: wanted.to_owned(), was: Some(was.to_owned()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_is_set_and_told_and_a_second_time_nothing_is_written() {
    let cluster = cluster(kafka().await);
    let group = name("settings");
    let wanted = settings(9_000, Some(700));
    // The brokers' own are 6 s and 500 ms in this laboratory.
    let all =
        [drift("consumer.session.timeout.ms", "9000", "6000"), drift("consumer.heartbeat.interval.ms", "700", "500")];
    assert_eq!(cluster.settings_drift(group.clone(), wanted).await.expect("an answer"), all);
    assert_eq!(cluster.set_settings(group.clone(), wanted).await.expect("they are set"), all);
    assert_eq!(cluster.settings_drift(group.clone(), wanted).await.expect("an answer"), []);
    assert_eq!(cluster.set_settings(group.clone(), wanted).await.expect("nothing to do"), []);
    // The other setting, which isn't named now, stays: it would not if everything were written anew.
    let one = [drift("consumer.session.timeout.ms", "8000", "9000")];
    assert_eq!(cluster.set_settings(group.clone(), settings(8_000, None)).await.expect("it is set"), one);
    assert_eq!(cluster.settings_drift(group, settings(8_000, Some(700))).await.expect("an answer"), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_outside_the_brokers_bounds_is_invalid_and_sets_nothing() {
    let cluster = cluster(kafka().await);
    let group = name("bounds");
    let refused = cluster.set_settings(group.clone(), settings(10, Some(700))).await.expect_err("below the bound");
    assert_eq!(refused.category(), "invalid", "{refused}");
    println!("{refused}");
    assert!(refused.to_string().contains(&group) && refused.to_string().contains("consumer.session.timeout.ms"));
    let heartbeat = GroupSettings { session_timeout: None, heartbeat_interval: Some(Duration::from_millis(500)) };
    assert_eq!(cluster.settings_drift(group, heartbeat).await.expect("an answer"), []);
}
