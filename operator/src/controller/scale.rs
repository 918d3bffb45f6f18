//! Carries out what scaling decided: marks pods, tells replicas, sets the Deployment's number.

use events_gateway_operator_core::scaling::{
    DELETION_COST, DRAIN_SINCE, Decision, Notice, REMOVING, Situation, Step, decide,
};
use events_gateway_operator_core::{Kind, labels, names};
use events_gateway_resources::EventsGateway;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::EventType;
use serde_json::json;

use super::dereference::Dereferenced;
use super::error::Failure;
use super::survey::address;
use crate::context::{Context, Key};

/// Decides how many replicas there are to be next.
pub(crate) fn decided(
    gateway: &EventsGateway,
    found: &Dereferenced,
    wanted: i32,
    template_waits: bool,
) -> Option<Decision> {
    let deployment = found.deployment.as_ref()?;
    let drain = &gateway.spec.drain;
    let budget =
        drain.timeout.get().saturating_sub(drain.settle.get()).as_secs_f64() * f64::from(drain.closes_per_second);
    Some(decide(&Situation {
        wanted: u32::try_from(wanted).unwrap_or(0),
        deployment: events_gateway_operator_core::scaling::Deployment::of(deployment),
        pods: found.scaled.clone(),
        drain_timeout: drain.timeout.get(),
        drain_budget: budget as u64,
        drain_at_once: gateway.spec.rollout.drain_at_once.and_then(|at_once| u32::try_from(at_once).ok()),
        template_waits,
        now: Timestamp::now(),
    }))
}

/// Carries out the steps, in their order.
pub(crate) async fn carry_out(
    context: &Context,
    key: &Key,
    about: &ObjectReference,
    found: &Dereferenced,
    decision: &Decision,
) -> Result<(), Failure> {
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &key.0);
    for step in &decision.steps {
        tracing::info!(?step, activity = decision.activity.as_str(), "scaling");
        match step {
            Step::Mark { pod, uid, mark } => {
                let annotations = json!({ DELETION_COST: mark.cost.to_string(), DRAIN_SINCE: mark.since.to_string() });
                annotate(&pods, pod, uid, &annotations).await?;
                let text = format!("replica {pod} drains: fewer are wanted");
                context.notices.of_pod(EventType::Normal, about, pod, "DrainStarted", &text);
            }
            Step::Unmark { pod, uid } => {
                annotate(&pods, pod, uid, &json!({ DELETION_COST: null, DRAIN_SINCE: null })).await?;
            }
            Step::Drain { pod } => tell(context, key, found, pod, true).await,
            Step::Undrain { pod } => tell(context, key, found, pod, false).await,
            Step::SetReplicas { replicas, removal } => {
                let patch = json!({
                    "metadata": { "annotations": { REMOVING: removal.as_ref().map(ToString::to_string) } },
                    "spec": { "replicas": replicas },
                });
                let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), &key.0);
                let parameters = PatchParams { field_manager: Some(labels::MANAGER.into()), ..PatchParams::default() };
                let written = deployments.patch(&names::main(&key.1), &parameters, &Patch::Merge(&patch)).await;
                let written = written.map_err(Failure::Scale)?;
                let object = (Kind::Deployment, names::main(&key.1));
                context.applied.remember_scale(key, &object, written.metadata.generation.unwrap_or(0));
                context.applied.remember_deployment(key, written);
                context.metrics.writes.with_label_values(&["Deployment"]).inc();
                context.notices.scaled(about, *replicas);
            }
        }
    }
    for notice in &decision.notices {
        match notice {
            Notice::PassedOver { pod } => {
                let text = format!("replica {pod} was to go and Kubernetes took another: it serves again");
                context.notices.of_pod(EventType::Warning, about, pod, "OtherReplicaRemoved", &text);
            }
            Notice::TimedOut { pod, connections } => {
                let left = connections.map_or_else(|| "an unknown number of".into(), |left| left.to_string());
                let text = format!("replica {pod} goes with {left} connections: its drain didn't end in time");
                context.notices.of_pod(EventType::Warning, about, pod, "DrainTimedOut", &text);
            }
        }
    }
    Ok(())
}

/// Annotates this very pod; one that is gone, or another of the same name, is left alone.
async fn annotate(pods: &Api<Pod>, pod: &str, uid: &str, annotations: &serde_json::Value) -> Result<(), Failure> {
    let patch = json!({ "metadata": { "uid": uid, "annotations": annotations } });
    let parameters = PatchParams { field_manager: Some(labels::MANAGER.into()), ..PatchParams::default() };
    match pods.patch_metadata(pod, &parameters, &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(source) => Err(Failure::Mark { pod: pod.into(), source }),
    }
}

/// A replica that can't be reached is told again in the next pass.
async fn tell(context: &Context, key: &Key, found: &Dereferenced, name: &str, drain: bool) {
    let pod = found.pods.iter().find(|pod| pod.metadata.name.as_deref() == Some(name));
    let (Some(pod), Some(client)) = (pod, &found.replicas) else { return };
    let Some(address) = address(pod) else { return };
    let told = if drain { client.drain(address).await } else { client.undrain(address).await };
    match told {
        Ok(changed) => tracing::info!(pod = name, drain, changed, "replica told"),
        Err(error) => {
            context.metrics.errors.with_label_values(&[error.category()]).inc();
            tracing::warn!(pod = name, drain, %error, "failed to tell a replica");
        }
    }
    context.surveys.forget_pod(key, pod.metadata.uid.as_deref().unwrap_or_default());
}
