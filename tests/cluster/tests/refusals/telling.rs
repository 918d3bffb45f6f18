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

#[tokio::test]
async fn notices_that_are_refused_or_never_answered_keep_nothing_else_from_being_done() -> Result<()> {
    let place = place("notices").await?;
    for (fault, name) in [(Fault::refused(403, "Forbidden", "no events"), "refused"), (Fault::Silent, "silent")] {
        let rule = place.faulty.on("create patch", "*/events.k8s.io/*", fault);
        // The way in can't be made: that is worth a warning.
        let sections = json!({ "replicas": 3, "exposure": { "httpRoute": { "parents": [{ "name": "public" }] } } });
        place.create(name, sections).await?;
        let deployment = place.path("apps/v1/deployments", name);
        place.until(&deployment, "three pods", |object| object["status"]["replicas"] == 3).await?;
        let began = Instant::now();
        place.merge(name, json!({ "spec": { "replicas": 1 } })).await?;
        place.until(&deployment, "one pod", |object| object["status"]["replicas"] == 1).await?;
        place.until(&place.gateway(name), "one told", |gateway| gateway["status"]["replicas"] == 1).await?;
        assert!(began.elapsed() < Duration::from_secs(20), "{name}: {:?}", began.elapsed());
        assert!(rule.hits() > 0, "{name}");
    }
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    let budget = place.path("policy/v1/poddisruptionbudgets", "events");
    place.until(&budget, "the last thing that is made", Value::is_object).await?;
    Ok(())
}
