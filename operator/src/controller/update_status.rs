//! Step 5: what was seen is told, when it is worth a write.

use std::time::Duration;

use events_gateway_operator_core::status::worth_writing;
use events_gateway_resources::condition::ConditionStatus;
use events_gateway_resources::{EventsGateway, EventsGatewayStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Api;
use tokio::time::Instant;

use super::error::Failure;
use crate::context::{Context, Key};
use crate::status_patch;

/// Writes the status, if it says more than the last one.
pub(crate) async fn update_status(
    context: &Context,
    key: &Key,
    gateway: &EventsGateway,
    about: &ObjectReference,
    status: EventsGatewayStatus,
) -> Result<(), Failure> {
    let told = context.told.lock().get(key).cloned();
    let watched = gateway.status.clone().unwrap_or_default();
    // What was written last may not have come back yet; what came back may be older or another's.
    let (before, age) = match told {
        Some((told, at)) if at.elapsed() < Duration::from_secs(5) => (told, at.elapsed()),
        Some((_, at)) => (watched, at.elapsed()),
        None => (watched, Duration::MAX),
    };
    if !worth_writing(&before, &status, age) {
        return Ok(());
    }
    write(context, key, &before, &status).await?;
    for (condition, reason) in [("Ready", "NotReady"), ("Degraded", "Degraded")] {
        notify(context, about, &before, &status, condition, reason);
    }
    context.told.lock().insert(key.clone(), (status, Instant::now()));
    Ok(())
}

/// Writes a status over the one before.
pub(crate) async fn write(
    context: &Context,
    key: &Key,
    before: &EventsGatewayStatus,
    status: &EventsGatewayStatus,
) -> Result<(), Failure> {
    let gateways: Api<EventsGateway> = Api::namespaced(context.client.clone(), &key.0);
    match gateways.patch_status(&key.1, &status_patch::parameters(), &status_patch::over(before, status)).await {
        Ok(_) => {
            context.metrics.writes.with_label_values(&["EventsGateway"]).inc();
            Ok(())
        }
        // It was deleted meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(Failure::Status(source)),
    }
}

/// Gives a notice when a condition turned bad, or good again.
fn notify(
    context: &Context,
    about: &ObjectReference,
    before: &EventsGatewayStatus,
    now: &EventsGatewayStatus,
    kind: &str,
    bad: &str,
) {
    let find = |status: &EventsGatewayStatus| status.conditions.iter().find(|one| one.kind.0 == kind).cloned();
    let Some(condition) = find(now) else { return };
    let was = find(before).map(|condition| condition.status);
    if was == Some(condition.status) {
        return;
    }
    // That a gateway that was made just now has no ready replica yet is nothing to be warned of.
    if was.is_none() && condition.reason.0 == "NoReadyReplicas" {
        return;
    }
    let is_bad = (kind == "Ready") == (condition.status != ConditionStatus::True);
    let text = match condition.message.0.as_str() {
        "" => condition.reason.0.clone(),
        message => format!("{}: {message}", condition.reason.0),
    };
    if is_bad {
        context.notices.warning(about, bad, &text);
    } else if was.is_some() {
        let good = if kind == "Ready" { "Ready" } else { "Recovered" };
        context.notices.normal(about, good, &text);
    }
}
