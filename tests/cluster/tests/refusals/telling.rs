//! Statuses and notices that can't be written.

use std::time::{Duration, Instant};

use anyhow::Result;
use events_gateway_cluster::faulty_api::Fault;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::lab::{place, waits};

#[tokio::test]
async fn a_status_that_is_refused_keeps_nothing_from_being_done_and_is_tried_later_and_later() -> Result<()> {
    let place = place("status").await?;
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    place.at_rest().await?;
    let deployment = place.path("apps/v1/deployments", "events");
    let refusals = [(409, "Conflict", "conflict"), (413, "RequestEntityTooLarge", "api"), (422, "Invalid", "invalid")];
    for (number, (code, reason, category)) in (3..).zip(refusals) {
        let before = place.errors(category).await?;
        let rule = place.faulty.on("patch", "*/status", Fault::refused(code, reason, "not like this"));
        let began = Instant::now();
        place.merge("events", json!({ "spec": { "replicas": number } })).await?;
        place.until(&deployment, "the number", |object| object["spec"]["replicas"] == number).await?;
        sleep(Duration::from_secs(10)).await;
        let asked = place.faulty.asked("patch", "*/status").into_iter().filter(|one| one.at >= began);
        let waits = waits(&asked.collect::<Vec<_>>());
        // Pods come, one by one, and each is looked at.
        assert!((1..=12).contains(&rule.hits()), "{code}: {waits:?}");
        assert!(place.errors(category).await? > before, "{code}");
        drop(rule);
        place.until(&place.gateway("events"), "a status", |gateway| gateway["status"]["replicas"] == number).await?;
    }
    place.until_well("events").await?;
    Ok(())
}
