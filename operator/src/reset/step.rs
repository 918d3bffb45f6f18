//! One step of a reset.

use std::collections::BTreeSet;
use std::time::Duration;

use events_gateway_operator_kafka::{Cluster, KafkaError};
use events_gateway_resources::condition::{Condition, ConditionStatus};
use events_gateway_resources::offset_reset::status::Phase;
use events_gateway_resources::text::{Reason, Timestamp as Time};
use events_gateway_resources::{EventsGateway, EventsGatewayOffsetReset, EventsGatewayOffsetResetStatus};
use k8s_openapi::jiff::Timestamp;

use kube::runtime::controller::Action;
use kube::{Api, Resource as _, ResourceExt as _};

use super::plan;
use crate::context::{Context, key};
use crate::controller::Failure;
use crate::kafka::{cluster, group_id, readers};
use crate::status_patch;

/// How often is looked whether the groups are empty.
const WHILE_QUIESCING: Duration = Duration::from_secs(1);
/// How often is tried again what needs somebody else.
const WHILE_WAITING: Duration = Duration::from_secs(10);

/// What a step comes to.
enum Next {
    /// The next phase, which is written before it is begun.
    Phase(Phase, &'static str, String),
    /// It waits; why.
    Wait(Duration, &'static str, String),
}

pub(super) async fn step(context: &Context, reset: &EventsGatewayOffsetReset) -> Result<Action, Failure> {
    let mut status = reset.status.clone().unwrap_or_default();
    let namespace = reset.namespace().unwrap_or_default();
    let key = (namespace.clone(), reset.spec.gateway.0.clone());
    let found = context.stores.gateways.get(&key);
    let gateway = found.as_ref().and_then(|gateway| gateway.0.as_ref().ok());
    let next = match gateway {
        None => {
            let text = format!("there is no EventsGateway {} in this namespace", key.1);
            Next::Wait(WHILE_WAITING, "GatewayMissing", text)
        }
        Some(gateway) => advance(context, reset, gateway, &mut status).await,
    };
    let (action, reason, text) = match next {
        Next::Phase(phase, reason, text) => {
            tracing::info!(namespace, name = reset.name_any(), ?phase, reason, "offset reset");
            status.phase = phase;
            if status.started.is_none() {
                status.started = Some(now());
            }
            if matches!(phase, Phase::Succeeded | Phase::Failed) {
                status.ended = Some(now());
                let about = reset.object_ref(&());
                match phase {
                    Phase::Succeeded => context.notices.normal(&about, reason, &text),
                    _ => context.notices.warning(&about, reason, &text),
                }
            }
            (Action::requeue(Duration::from_millis(100)), reason, text)
        }
        Next::Wait(time, reason, text) => (Action::requeue(time), reason, text),
    };
    status.conditions = vec![condition(reset, status.phase, reason, &text)];
    if reset.status.as_ref() != Some(&status) {
        write(context, reset, &status).await?;
    }
    Ok(action)
}

async fn advance(
    context: &Context,
    reset: &EventsGatewayOffsetReset,
    gateway: &EventsGateway,
    status: &mut EventsGatewayOffsetResetStatus,
) -> Next {
    let key = key(gateway);
    let bindings: Vec<String> = reset.spec.bindings.iter().map(|name| name.0.clone()).collect();
    if let Some(unknown) =
        bindings.iter().find(|name| gateway.spec.kafka.bindings.iter().all(|one| one.name.0 != **name))
    {
        let text = format!("spec.bindings: the gateway {} has no binding {unknown}", key.1);
        return Next::Phase(Phase::Failed, "InvalidSpec", text);
    }
    let target = match plan::target(&reset.spec.to) {
        Ok(target) => target,
        Err(text) => return Next::Phase(Phase::Failed, "InvalidSpec", text),
    };
    if !context.settings.kafka {
        let text = "the operator doesn't talk to brokers: it runs with --kafka false".into();
        return Next::Phase(Phase::Failed, "BrokersNotAsked", text);
    }
    let readers = readers(gateway, &bindings);
    let cluster = match cluster(&context.client, &context.kafka.clusters, &key, gateway).await {
        Ok(cluster) => cluster,
        Err(trouble) => return Next::Wait(WHILE_WAITING, "KafkaUnreachable", trouble.to_string()),
    };
    match status.phase {
        Phase::Pending => {
            if let Some(other) = before(context, reset, gateway) {
                return Next::Wait(WHILE_QUIESCING, "Waiting", format!("the offset reset {other} is under way"));
            }
            if reset.spec.dry_run {
                return Next::Phase(Phase::Planning, "DryRun", "it only tells what it would do".into());
            }
            Next::Phase(Phase::Quiescing, "Quiescing", "the replicas leave the groups".into())
        }
        Phase::Quiescing => match members(&cluster, readers.keys().cloned().collect()).await {
            Ok(left) if left.is_empty() => {
                Next::Phase(Phase::Planning, "Planning", "the groups are empty; offsets are found out".into())
            }
            Ok(left) => Next::Wait(WHILE_QUIESCING, "Quiescing", format!("still in the groups: {}", left.join(", "))),
            Err(error) => Next::Wait(WHILE_WAITING, "KafkaUnreachable", error.to_string()),
        },
        Phase::Planning => match cluster.plan_reset(readers, target).await {
            Ok(plan) => {
                status.records = Some(plan.records());
                status.partitions = plan::told(&plan, gateway);
                let problems: Vec<String> = plan.problems().filter_map(|one| one.problem.clone()).collect();
                if !problems.is_empty() {
                    return Next::Phase(Phase::Failed, "Impossible", problems.join("; "));
                }
                if status.partitions.len() > 4_096 {
                    status.partitions.clear();
                    let text = "more than 4,096 partitions: name some of the bindings".into();
                    return Next::Phase(Phase::Failed, "TooManyPartitions", text);
                }
                let text = format!("{} partitions, {} records", status.partitions.len(), plan.records());
                if reset.spec.dry_run {
                    return Next::Phase(Phase::Succeeded, "Planned", format!("{text}; nothing was set"));
                }
                Next::Phase(Phase::Setting, "Setting", text)
            }
            Err(
                error @ (KafkaError::NotFound { .. } | KafkaError::Unsupported { .. } | KafkaError::Invalid { .. }),
            ) => Next::Phase(Phase::Failed, "Impossible", error.to_string()),
            Err(error) => Next::Wait(WHILE_WAITING, "KafkaUnreachable", error.to_string()),
        },
        Phase::Setting => match cluster.apply_reset(plan::read(&status.partitions, gateway)).await {
            Ok(outcomes) => {
                let mut refused = Vec::new();
                for outcome in outcomes {
                    let of = |one: &&mut events_gateway_resources::offset_reset::status::PartitionPlan| {
                        one.topic.0 == outcome.topic && one.partition == outcome.partition
                    };
                    let Some(one) = status.partitions.iter_mut().find(of) else { continue };
                    match outcome.result {
                        Ok(_) => (one.done, one.problem) = (true, None),
                        Err(error) => {
                            one.problem = Some(error.to_string().as_str().into());
                            refused.push(error.to_string());
                        }
                    }
                }
                match refused.first() {
                    None => Next::Phase(Phase::Resuming, "Resuming", "offsets are set; the replicas come back".into()),
                    Some(first) => {
                        status.partitions.iter_mut().for_each(|one| one.problem = None);
                        Next::Wait(WHILE_WAITING, "Refused", format!("{} partitions: {first}", refused.len()))
                    }
                }
            }
            // Somebody came back: what was planned may be over. It begins again.
            Err(error @ KafkaError::InUse { .. }) => {
                status.partitions.clear();
                status.records = None;
                Next::Phase(Phase::Quiescing, "PauseLost", error.to_string())
            }
            Err(error @ KafkaError::Unsupported { .. }) => Next::Phase(Phase::Failed, "Impossible", error.to_string()),
            Err(error) => Next::Wait(WHILE_WAITING, "KafkaUnreachable", error.to_string()),
        },
        Phase::Resuming => {
            let text = format!("{} records come again", status.records.unwrap_or(0));
            if gateway.spec.consumption.paused {
                return Next::Phase(Phase::Succeeded, "Done", format!("{text}, once spec.consumption.paused is false"));
            }
            match members(&cluster, readers.keys().cloned().collect()).await {
                Ok(members) if !members.is_empty() || gateway.spec.replicas == 0 => {
                    Next::Phase(Phase::Succeeded, "Done", text)
                }
                Ok(_) => Next::Wait(WHILE_QUIESCING, "Resuming", "no replica is back yet".into()),
                Err(error) => Next::Wait(WHILE_WAITING, "KafkaUnreachable", error.to_string()),
            }
        }
        Phase::Succeeded | Phase::Failed => Next::Wait(WHILE_WAITING, "Done", String::new()),
    }
}

/// Who is in the groups.
async fn members(cluster: &Cluster, groups: BTreeSet<String>) -> Result<Vec<String>, KafkaError> {
    let mut members = Vec::new();
    for (_, group) in cluster.groups(groups).await? {
        members.extend(group?.members.iter().map(ToString::to_string));
    }
    Ok(members)
}

/// The reset of the same groups that is under way, or was there earlier.
fn before(context: &Context, reset: &EventsGatewayOffsetReset, gateway: &EventsGateway) -> Option<String> {
    let groups = |reset: &EventsGatewayOffsetReset| -> BTreeSet<String> {
        let bindings = gateway.spec.kafka.bindings.iter();
        let chosen =
            bindings.filter(|binding| reset.spec.bindings.is_empty() || reset.spec.bindings.contains(&binding.name));
        chosen.map(group_id).collect()
    };
    let own = groups(reset);
    let age = |reset: &EventsGatewayOffsetReset| {
        (reset.metadata.creation_timestamp.as_ref().map(|time| time.0), reset.metadata.uid.clone())
    };
    let others = context.stores.resets.state();
    let mut others = others.iter().filter(|other| {
        let phase = other.status.as_ref().map(|status| status.phase).unwrap_or_default();
        let is_active = !matches!(phase, Phase::Succeeded | Phase::Failed);
        other.metadata.namespace == reset.metadata.namespace
            && other.metadata.uid != reset.metadata.uid
            && other.metadata.deletion_timestamp.is_none()
            && other.spec.gateway == reset.spec.gateway
            && !other.spec.dry_run
            && is_active
            && (phase != Phase::Pending || age(other) < age(reset))
            && !groups(other).is_disjoint(&own)
    });
    others.next().map(|other| other.name_any())
}

fn condition(reset: &EventsGatewayOffsetReset, phase: Phase, reason: &str, text: &str) -> Condition {
    let status = match phase {
        Phase::Succeeded => ConditionStatus::True,
        Phase::Failed => ConditionStatus::False,
        _ => ConditionStatus::Unknown,
    };
    let before = reset.status.as_ref().and_then(|before| before.conditions.first());
    let same = before.filter(|before| before.status == status).map(|before| before.last_transition_time.clone());
    let text: String = text.chars().take(300).collect();
    Condition {
        kind: Reason("Complete".into()),
        status,
        reason: Reason(reason.into()),
        message: text.as_str().into(),
        last_transition_time: same.unwrap_or_else(now),
        observed_generation: reset.metadata.generation,
    }
}

fn now() -> Time {
    Time(Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

async fn write(
    context: &Context,
    reset: &EventsGatewayOffsetReset,
    status: &EventsGatewayOffsetResetStatus,
) -> Result<(), Failure> {
    let resets: Api<EventsGatewayOffsetReset> =
        Api::namespaced(context.client.clone(), &reset.namespace().unwrap_or_default());
    let before = reset.status.clone().unwrap_or_default();
    let patch = status_patch::over(&before, status);
    match resets.patch_status(&reset.name_any(), &status_patch::parameters(), &patch).await {
        Ok(_) => {
            context.metrics.writes.with_label_values(&["EventsGatewayOffsetReset"]).inc();
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(Failure::Status(source)),
    }
}
