//! Lists that are refused, watches that are cut, and what can't be read.

use std::time::{Duration, Instant};

use anyhow::Result;
use events_gateway_cluster::faulty_api::{Blow, Fault};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::lab::{Place, empty, place};

/// One that the operator gives, and not the one by which it watches.
const LABEL: &str = "app.kubernetes.io/component";

/// What becomes of all watches, and that nothing is missed or written twice for it.
async fn survives(place: &Place, blow: Blow, relists: bool) -> Result<()> {
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    place.at_rest().await?;
    let (began, lists) = (Instant::now(), place.faulty.asked("list", "*/configmaps").len());
    let watches = place.faulty.asked("watch", "*/configmaps").len();
    // Nobody is told of what happens while nobody watches.
    let away = place.faulty.on("list watch", "*/configmaps", Fault::Slow(Duration::from_secs(2)));
    place.faulty.strike("*", blow);
    sleep(Duration::from_millis(300)).await;
    let config = place.path("configmaps", "events-config");
    place.api.merge(&config, &json!({ "metadata": { "labels": { LABEL: "another" } } })).await?.success()?;
    let is_mended = |object: &Value| object["metadata"]["labels"][LABEL] == "gateway";
    place.until(&config, "the label back", is_mended).await?;
    drop(away);
    place.at_rest().await?;
    let written = place.written(began).into_iter().filter(|one| !one.path.ends_with("/status"));
    let paths: Vec<String> = written.map(|one| one.path).collect();
    assert_eq!(paths, [config]);
    assert!(place.faulty.asked("watch", "*/configmaps").len() > watches);
    assert_eq!(place.faulty.asked("list", "*/configmaps").len() > lists, relists);
    Ok(())
}

#[tokio::test]
async fn watches_that_are_cut_go_on_where_they_were() -> Result<()> {
    survives(&place("broken").await?, Blow::Cut, false).await
}

#[tokio::test]
async fn watches_that_are_too_old_list_again_and_nothing_is_missed_or_written_twice() -> Result<()> {
    survives(&place("expired").await?, Blow::Gone, true).await
}

#[tokio::test]
async fn a_kind_that_may_not_be_listed_is_told_and_seen_to_once_it_may() -> Result<()> {
    let mut place = empty("unlisted").await?;
    let words = "networkpolicies is forbidden: User \"operator\" cannot list it";
    let rule = place.faulty.on("list watch", "*/networkpolicies", Fault::refused(403, "Forbidden", words));
    place.start().await?;
    place.create("events", json!({})).await?;
    let told = place.until_condition("events", "Degraded", "ReconcileFailed").await?;
    assert!(told.contains("NetworkPolicy"), "{told}");
    place.until_errors("unseen", 1.0).await?;
    assert!(rule.hits() < 30, "{}", rule.hits());
    drop(rule);
    place.until_well("events").await?;
    Ok(())
}

#[tokio::test]
async fn a_reset_that_can_not_be_read_stops_nobody() -> Result<()> {
    let mut place = empty("resets").await?;
    let namespace = place.namespace.name().to_owned();
    let unreadable = Fault::altered(move |list| {
        let object = json!({
            "apiVersion": "eventsgateway.dev/v1alpha1", "kind": "EventsGatewayOffsetReset",
            "metadata": { "name": "of-another-release", "namespace": namespace, "uid": "u", "resourceVersion": "1" },
            "spec": { "gateway": "events", "to": { "position": "Sideways" } },
        });
        if let Some(items) = list["items"].as_array_mut() {
            items.push(object);
        }
    });
    let rule = place.faulty.on("list", "*/eventsgatewayoffsetresets", unreadable);
    place.start().await?;
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    assert!(rule.hits() > 0);
    let log = place.operator().log();
    assert!(log.contains("of-another-release"), "it is told: {log}");
    Ok(())
}

#[tokio::test]
async fn a_list_with_an_object_that_can_not_be_read_is_told_and_read_once_it_can() -> Result<()> {
    let mut place = empty("garbled").await?;
    let garbled = Fault::altered(|list| list["items"] = json!([{ "metadata": { "name": 7 } }]));
    let rule = place.faulty.on("list", "*/configmaps", garbled);
    place.start().await?;
    place.create("events", json!({})).await?;
    let told = place.until_condition("events", "Degraded", "ReconcileFailed").await?;
    assert!(told.contains("ConfigMap"), "{told}");
    drop(rule);
    place.until_well("events").await?;
    place.until(&place.path("configmaps", "events-config"), "the ConfigMap", Value::is_object).await?;
    Ok(())
}

#[tokio::test]
async fn a_list_that_is_never_answered_is_asked_for_again() -> Result<()> {
    let mut place = empty("mute").await?;
    let rule = place.faulty.on_first(1, "list", "*/configmaps", Fault::Silent);
    place.start().await?;
    place.create("events", json!({})).await?;
    place.until_condition("events", "Degraded", "ReconcileFailed").await?;
    place
        .api
        .until(&place.path("configmaps", "events-config"), "the ConfigMap", Duration::from_secs(180), Value::is_object)
        .await?;
    assert_eq!(rule.hits(), 1);
    Ok(())
}
