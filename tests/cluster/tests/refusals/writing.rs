//! Writes that are refused, or never answered.

use std::time::{Duration, Instant};

use anyhow::Result;
use events_gateway_cluster::condition;
use events_gateway_cluster::faulty_api::Fault;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::lab::{BOUND, place, waits};

#[tokio::test]
async fn a_conflict_is_tried_again() -> Result<()> {
    let place = place("conflict").await?;
    let words = "the object has been modified; please apply your changes to the latest version";
    let rule = place.faulty.on_first(2, "patch", "*/services/events", Fault::refused(409, "Conflict", words));
    place.create("events", json!({})).await?;
    place.until(&place.path("services", "events"), "the Service", Value::is_object).await?;
    place.until_well("events").await?;
    assert_eq!(rule.hits(), 2);
    place.until_errors("conflict", 2.0).await?;
    Ok(())
}

#[tokio::test]
async fn a_kind_that_may_not_be_written_is_told_and_all_else_is_made_and_scaled() -> Result<()> {
    let place = place("forbidden").await?;
    let words = "poddisruptionbudgets.policy is forbidden: User \"operator\" cannot patch it";
    let budgets = "*/poddisruptionbudgets/events";
    let rule = place.faulty.on("patch", budgets, Fault::refused(403, "Forbidden", words));
    place.create("events", json!({ "exposure": { "ingress": { "hosts": ["events.example.org"] } } })).await?;
    let told = place.until_condition("events", "Degraded", "ReconcileFailed").await?;
    assert!(told.starts_with("failed to apply PodDisruptionBudget events: poddisruptionbudgets.policy is"), "{told}");
    assert!(!told.contains("Status {"), "Kubernetes' words and nobody else's: {told}");
    let deployment = place.path("apps/v1/deployments", "events");
    for path in
        [&place.path("services", "events"), &deployment, &place.path("networking.k8s.io/v1/ingresses", "events")]
    {
        place.until(path, "being made all the same", Value::is_object).await?;
    }
    place.merge("events", json!({ "spec": { "replicas": 4 } })).await?;
    place.until(&deployment, "four", |object| object["spec"]["replicas"] == 4).await?;
    place.merge("events", json!({ "spec": { "replicas": 1 } })).await?;
    place.until(&deployment, "one", |object| object["spec"]["replicas"] == 1).await?;
    place.until_errors("forbidden", 1.0).await?;
    // What is found of Kafka brings passes of its own.
    place.until_condition("events", "KafkaReady", "KafkaProblem").await?;
    // Left to itself it asks later and later.
    sleep(Duration::from_secs(3)).await;
    let (began, before) = (Instant::now(), rule.hits());
    sleep(Duration::from_secs(15)).await;
    let asked: Vec<_> = place.faulty.asked("patch", budgets).into_iter().filter(|one| one.at >= began).collect();
    assert!(rule.hits() - before <= 4, "{:?}", waits(&asked));
    drop(rule);
    place.until_well("events").await?;
    place.until(&place.path("policy/v1/poddisruptionbudgets", "events"), "the budget", Value::is_object).await?;
    Ok(())
}

#[tokio::test]
async fn no_pod_is_made_without_what_it_needs() -> Result<()> {
    let place = place("needs").await?;
    let rule = place.faulty.on("patch", "*/networkpolicies/events", Fault::refused(403, "Forbidden", "not for you"));
    place.create("events", json!({ "networkPolicy": { "enabled": true } })).await?;
    place.until_condition("events", "Degraded", "ReconcileFailed").await?;
    let deployment = place.path("apps/v1/deployments", "events");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(place.api.get(&deployment).await?.status, 404, "its pods would be open to everybody");
    drop(rule);
    place.until(&deployment, "the Deployment", Value::is_object).await?;
    place.until_well("events").await?;
    Ok(())
}

#[tokio::test]
async fn the_words_of_an_admission_webhook_are_told_and_that_they_differ_makes_no_hot_loop() -> Result<()> {
    let place = place("webhook").await?;
    let words = "admission webhook \"policy.example.org\" denied the request: no owner label (request {n})";
    let deployments = "*/deployments/events";
    let rule = place.faulty.on("patch", deployments, Fault::refused(422, "Invalid", words));
    place.create("events", json!({})).await?;
    let told = place.until_condition("events", "Degraded", "ReconcileFailed").await?;
    assert!(told.contains("Deployment events: admission webhook \"policy.example.org\" denied"), "{told}");
    let before = rule.hits();
    sleep(Duration::from_secs(15)).await;
    // Each try is one to apply and one to overwrite.
    let asked = place.faulty.asked("patch", deployments);
    assert!(rule.hits() - before <= 16, "{:?}", waits(&asked));
    place.until_errors("invalid", 1.0).await?;
    drop(rule);
    place.until_well("events").await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_says_when_to_come_back_is_not_asked_before() -> Result<()> {
    let place = place("throttled").await?;
    let busy = |retry_after| Fault::Refused {
        code: 429,
        reason: "TooManyRequests",
        message: "too many requests".into(),
        retry_after,
    };
    let path = "*/services/events";
    let rule = place.faulty.on_first(2, "patch", path, busy(Some(8)));
    place.create("events", json!({})).await?;
    place.until(&place.path("services", "events"), "the Service", Value::is_object).await?;
    assert_eq!(rule.hits(), 2);
    let waits = waits(&place.faulty.asked("patch", path));
    assert!(waits.iter().take(2).all(|wait| *wait >= Duration::from_secs(8)), "{waits:?}");
    place.until_errors("throttled", 2.0).await?;
    place.until_well("events").await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_has_trouble_is_asked_later_and_later_and_all_is_well_after_it() -> Result<()> {
    let place = place("trouble").await?;
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    place.at_rest().await?;
    let began = Instant::now();
    let words = "etcdserver: leader changed";
    let rules = [
        place.faulty.on("create update patch delete", "*", Fault::refused(500, "InternalError", words)),
        place.faulty.on(
            "create update patch delete",
            "*/configmaps/*",
            Fault::refused(503, "ServiceUnavailable", words),
        ),
    ];
    place.merge("events", json!({ "spec": { "log": { "level": "debug" }, "replicas": 3 } })).await?;
    sleep(Duration::from_secs(20)).await;
    let asked = place.written(began);
    assert!((2..=30).contains(&asked.len()), "{:?}", asked.iter().map(|one| &one.path).collect::<Vec<_>>());
    place.until_errors("api-server", 1.0).await?;
    drop(rules);
    let deployment = place.path("apps/v1/deployments", "events");
    place.until(&deployment, "three", |object| object["spec"]["replicas"] == 3).await?;
    place.until_well("events").await?;
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_never_answered_holds_up_only_its_gateway_and_is_told() -> Result<()> {
    let place = place("silent").await?;
    let rule = place.faulty.on("patch", "*/configmaps/stuck-config", Fault::Silent);
    place.create("stuck", json!({})).await?;
    let began = Instant::now();
    while rule.hits() == 0 && began.elapsed() < BOUND {
        sleep(Duration::from_millis(50)).await;
    }
    let began = Instant::now();
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let told = place.until_condition("stuck", "Ready", "ReconcileFailed").await?;
    assert!(told.contains("failed to apply ConfigMap stuck-config"), "{told}");
    place.until_errors("unreachable", 1.0).await?;
    drop(rule);
    place.until_well("stuck").await?;
    Ok(())
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_again() -> Result<()> {
    let place = place("cut").await?;
    let rule = place.faulty.on_first(3, "patch", "*/services/*", Fault::Cut);
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    assert_eq!(rule.hits(), 3);
    Ok(())
}

#[tokio::test]
async fn a_mark_that_is_refused_is_told_and_nobody_goes_undrained() -> Result<()> {
    let place = place("mark").await?;
    place.create("events", json!({ "replicas": 3 })).await?;
    let deployment = place.path("apps/v1/deployments", "events");
    place.until(&deployment, "three pods", |object| object["status"]["replicas"] == 3).await?;
    let rule = place.faulty.on("patch", "*/pods/*", Fault::refused(403, "Forbidden", "pods are not yours"));
    place.merge("events", json!({ "spec": { "replicas": 1 } })).await?;
    let told = place.until_condition("events", "Degraded", "ReconcileFailed").await?;
    assert!(told.starts_with("failed to mark pod events-") && told.ends_with("pods are not yours"), "{told}");
    sleep(Duration::from_secs(4)).await;
    assert_eq!(place.api.get(&deployment).await?.success()?.body["spec"]["replicas"], 3);
    drop(rule);
    place.until(&deployment, "one pod", |object| object["status"]["replicas"] == 1).await?;
    place.until_well("events").await?;
    Ok(())
}

#[tokio::test]
async fn a_number_of_replicas_that_is_refused_is_told_and_set_later() -> Result<()> {
    let place = place("number").await?;
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    place.at_rest().await?;
    let rule = place.faulty.on("patch", "*/deployments/events", Fault::refused(403, "Forbidden", "exceeded quota"));
    place.merge("events", json!({ "spec": { "replicas": 3 } })).await?;
    let told = place.until_condition("events", "Degraded", "ReconcileFailed").await?;
    assert_eq!(told, "failed to set the number of replicas: exceeded quota");
    drop(rule);
    let deployment = place.path("apps/v1/deployments", "events");
    place.until(&deployment, "three", |object| object["spec"]["replicas"] == 3).await?;
    place.until_well("events").await?;
    Ok(())
}

#[tokio::test]
async fn while_a_namespace_goes_nobody_is_asked_in_a_hot_loop_and_then_it_is_forgotten() -> Result<()> {
    let place = place("going").await?;
    place.create("events", json!({})).await?;
    // It keeps the gateway, and so the namespace, from going.
    place.merge("events", json!({ "metadata": { "finalizers": ["example.org/held"] } })).await?;
    place.until_well("events").await?;
    place.at_rest().await?;
    let began = Instant::now();
    place.api.delete(&format!("/api/v1/namespaces/{}", place.namespace.name())).await?.success()?;
    let config = place.path("configmaps", "events-config");
    place.until(&config, "its content going", Value::is_null).await?;
    sleep(Duration::from_secs(10)).await;
    let asked = place.written(began);
    assert!(asked.len() <= 12, "{:?}", asked.iter().map(|one| &one.path).collect::<Vec<_>>());
    place.merge("events", json!({ "metadata": { "finalizers": null } })).await?;
    place.until(&format!("/api/v1/namespaces/{}", place.namespace.name()), "its end", Value::is_null).await?;
    let name = "events_gateway_operator_last_success_timestamp_seconds";
    let operator = place.operator();
    events_gateway_harness::wait::until("being forgotten", BOUND, || async {
        Ok((operator.metric(name, &["name=\"events\""]).await? < 1.0).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn what_is_not_found_while_it_is_written_is_made_later() -> Result<()> {
    let place = place("absent").await?;
    let words = "namespaces \"absent\" not found";
    let rule = place.faulty.on_first(3, "create patch", "*/absent-*", Fault::refused(404, "NotFound", words));
    place.create("events", json!({})).await?;
    place.until_well("events").await?;
    assert_eq!(rule.hits(), 3);
    let gateway = place.api.get(&place.gateway("events")).await?.success()?.body;
    assert!(
        !condition::is_true(&gateway, "Degraded") || condition::of(&gateway, "Degraded")["reason"] != "ReconcileFailed"
    );
    Ok(())
}
