//! The conditions: one table of their types and reasons. `docs/operator/troubleshooting.md` explains each.

use std::collections::BTreeMap;

use events_gateway_resources::EventsGateway;
use events_gateway_resources::condition::{Condition, ConditionStatus};
use events_gateway_resources::gateway::EventsGatewayStatus;
use events_gateway_resources::text::{Reason, Timestamp};
use k8s_openapi::jiff::Timestamp as Time;

use super::Observation;
use super::pods::Answer;
use crate::scaling::Activity;
use crate::validate;

use ConditionStatus::{False, True, Unknown};

/// A condition before it has a time.
type Said = (&'static str, ConditionStatus, &'static str, String);

/// Longest message.
const MAX_MESSAGE: usize = 1_000;

/// All conditions, as they follow from what was seen. Those whose status is what it was keep their time.
#[must_use]
pub fn conditions(seen: &Observation<'_>, now: &EventsGatewayStatus, before: &EventsGatewayStatus) -> Vec<Condition> {
    let said = [
        ready(seen, now),
        degraded(seen, now),
        redis_ready(seen),
        kafka_ready(seen),
        exposed(seen),
        autoscaling_active(seen),
        draining(seen, now),
        paused(seen),
    ];
    said.into_iter().map(|said| condition(said, seen.gateway, seen.now, before)).collect()
}

/// The status of a gateway that can't be looked at: what it was, and why.
#[must_use]
pub fn unobserved(gateway: &EventsGateway, failure: &str, now: Time) -> EventsGatewayStatus {
    let mut status = gateway.status.clone().unwrap_or_default();
    let said = ("Degraded", True, "ReconcileFailed", failure.to_owned());
    let told = condition(said, gateway, now, &status);
    match status.conditions.iter_mut().find(|known| known.kind.0 == "Degraded") {
        Some(known) => *known = told,
        None => status.conditions.push(told),
    }
    status
}

fn condition(said: Said, gateway: &EventsGateway, now: Time, before: &EventsGatewayStatus) -> Condition {
    let (kind, status, reason, message) = said;
    let same = before.conditions.iter().find(|known| known.kind.0 == kind && known.status == status);
    let time = same.map(|known| known.last_transition_time.clone());
    Condition {
        kind: Reason(kind.into()),
        status,
        reason: Reason(reason.into()),
        message: cut(&message).as_str().into(),
        last_transition_time: time.unwrap_or_else(|| Timestamp(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
        observed_generation: gateway.metadata.generation,
    }
}

fn cut(text: &str) -> String {
    text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= MAX_MESSAGE).map(|(_, c)| c).collect()
}

fn several(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// Whether a client can connect to what the spec asks for.
fn ready(seen: &Observation<'_>, now: &EventsGatewayStatus) -> Said {
    let (ready, updated) = (now.ready_replicas.unwrap_or(0), now.updated_replicas.unwrap_or(0));
    if let Err(problems) = seen.proven {
        let all: Vec<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
        let worst = problems.iter().map(|problem| problem.reason).min();
        let serving = if ready > 0 { format!(" ({ready} replicas go on with what they have)") } else { String::new() };
        let reason = match worst {
            None | Some(validate::Reason::InvalidSpec) => "InvalidSpec",
            Some(validate::Reason::SecretMissing) => "SecretMissing",
            Some(validate::Reason::ConfigMapMissing) => "ConfigMapMissing",
        };
        return ("Ready", False, reason, format!("{}{serving}", all.join("; ")));
    }
    if let Some(failure) = seen.failure
        && ready == 0
    {
        return ("Ready", False, "ReconcileFailed", failure.into());
    }
    if seen.wanted == 0 {
        return ("Ready", False, "ScaledToZero", "no replicas are wanted".into());
    }
    let deployed = now.replicas.unwrap_or(0);
    if ready == 0 {
        return ("Ready", False, "NoReadyReplicas", format!("0 of {deployed} replicas are ready{}", troubles(seen)));
    }
    if is_rolling(seen, now) {
        let text = format!("{updated} of {deployed} replicas run what is wanted, {ready} are ready");
        return ("Ready", True, "RollingOut", text);
    }
    ("Ready", True, "Serving", format!("{ready} of {deployed} replicas are ready"))
}

fn is_rolling(seen: &Observation<'_>, now: &EventsGatewayStatus) -> bool {
    seen.deployment.is_none_or(|deployment| {
        let observed = deployment.status.as_ref().and_then(|status| status.observed_generation);
        observed < deployment.metadata.generation || now.updated_replicas < now.replicas
    })
}

/// What keeps pods from running.
fn troubles(seen: &Observation<'_>) -> String {
    let mut all: Vec<String> =
        seen.pods.iter().filter_map(|pod| Some(format!("{}: {}", pod.name, pod.trouble.as_ref()?))).collect();
    all.truncate(3);
    if all.is_empty() { String::new() } else { format!("; {}", all.join("; ")) }
}

/// Whether something is not as it should be, although clients may be served.
fn degraded(seen: &Observation<'_>, now: &EventsGatewayStatus) -> Said {
    if let Some(failure) = seen.failure {
        return ("Degraded", True, "ReconcileFailed", failure.into());
    }
    if let Ok(validated) = seen.proven
        && let Some((_, text)) = validated.missing_kinds.first()
    {
        return ("Degraded", True, "KindMissing", text.clone());
    }
    let conditions = seen.deployment.and_then(|deployment| deployment.status.as_ref()?.conditions.as_deref());
    let stuck = conditions.unwrap_or_default().iter().find(|condition| {
        condition.type_ == "Progressing" && condition.status == "False"
            || condition.type_ == "ReplicaFailure" && condition.status == "True"
    });
    if let Some(stuck) = stuck {
        let message = format!("{}{}", stuck.message.clone().unwrap_or_default(), troubles(seen));
        return ("Degraded", True, "RolloutStuck", message);
    }
    let broken = seen.pods.iter().filter(|pod| !pod.ending && pod.trouble.is_some()).count();
    if broken > 0 {
        let who = several(broken, "pod doesn't", "pods don't");
        return ("Degraded", True, "PodsFailing", format!("{who} run{}", troubles(seen)));
    }
    let old = || seen.pods.iter().filter(|pod| !pod.is_new(seen.now));
    let silent: Vec<String> = old()
        .filter_map(|pod| match &pod.answer {
            Answer::None(why) if pod.ready => Some(format!("{}: {why}", pod.name)),
            _ => None,
        })
        .collect();
    if let Some(first) = silent.first() {
        let who = several(silent.len(), "ready replica doesn't", "ready replicas don't");
        return ("Degraded", True, "ReplicasSilent", format!("{who} answer the operator; {first}"));
    }
    let late = old().filter(|pod| !pod.ready && !pod.ending).count();
    if late > 0 {
        let (ready, deployed) = (now.ready_replicas.unwrap_or(0), now.replicas.unwrap_or(0));
        let text = format!("{ready} of {deployed} replicas are ready; {late} of the others made over a minute ago");
        return ("Degraded", True, "ReplicasMissing", text);
    }
    ("Degraded", False, "AsExpected", String::new())
}

fn redis_ready(seen: &Observation<'_>) -> Said {
    let answers: Vec<bool> = seen.pods.iter().filter_map(|pod| Some(pod.answer.known()?.redis.up)).collect();
    let up = answers.iter().filter(|up| **up).count();
    match (answers.len(), up) {
        (0, _) => ("RedisReady", Unknown, "NoAnswer", "no replica answers".into()),
        (all, up) if up == all => {
            let who = several(all, "replica reaches", "replicas reach");
            ("RedisReady", True, "Connected", format!("{who} Redis"))
        }
        (all, 0) => ("RedisReady", False, "Unreachable", format!("0 of {all} replicas reach Redis")),
        (all, up) => ("RedisReady", False, "PartlyReachable", format!("{up} of {all} replicas reach Redis")),
    }
}

fn kafka_ready(seen: &Observation<'_>) -> Said {
    if let Some(why) = &seen.consumption_paused {
        return ("KafkaReady", False, "Paused", why.clone());
    }
    if !seen.kafka_problems.is_empty() {
        return ("KafkaReady", False, "KafkaProblem", seen.kafka_problems.join("; "));
    }
    if seen.asks_brokers && seen.groups.is_none() {
        return ("KafkaReady", Unknown, "NotLooked", "the brokers haven't been asked yet".into());
    }
    let bindings: Vec<_> = seen.pods.iter().filter_map(|pod| pod.answer.known()).flat_map(|one| &one.kafka).collect();
    // The first replica's words of each binding.
    let mut down: BTreeMap<&str, &str> = BTreeMap::new();
    for binding in bindings.iter().filter(|binding| !binding.up && !binding.paused) {
        down.entry(&binding.binding).or_insert(binding.trouble.as_deref().unwrap_or("its consumers don't run"));
    }
    if bindings.is_empty() {
        return ("KafkaReady", Unknown, "NoAnswer", "no replica answers".into());
    }
    if down.is_empty() {
        return ("KafkaReady", True, "Consuming", "all bindings are consumed".into());
    }
    let told: Vec<String> = down.into_iter().map(|(binding, trouble)| format!("{binding}: {trouble}")).collect();
    ("KafkaReady", False, "ConsumersFailing", told.join("; "))
}

fn exposed(seen: &Observation<'_>) -> Said {
    if !seen.exposure.problems.is_empty() {
        return ("Exposed", False, "NotExposed", seen.exposure.problems.join("; "));
    }
    if !seen.exposure.waiting.is_empty() {
        return ("Exposed", False, "Waiting", seen.exposure.waiting.join("; "));
    }
    if seen.exposure.endpoints.is_empty() {
        return ("Exposed", Unknown, "NotLooked", "nothing was made yet".into());
    }
    ("Exposed", True, "Exposed", seen.exposure.endpoints.join(" "))
}

fn autoscaling_active(seen: &Observation<'_>) -> Said {
    let kind = "AutoscalingActive";
    if !seen.is_autoscaled() {
        return (kind, False, "Off", "spec.replicas is the count".into());
    }
    if let Some(writer) = &seen.autoscaler.second_writer {
        let text = format!(
            "{writer} writes spec.replicas beside the autoscaler: leave it out of what is applied; the count is held between \
             minReplicas and maxReplicas"
        );
        return (kind, False, "SecondWriter", text);
    }
    match seen.autoscaler.active {
        Some(true) => (kind, True, "Active", seen.autoscaler.message.clone()),
        Some(false) => (kind, False, "NoMetrics", format!("{}; the count is held", seen.autoscaler.message)),
        None => (kind, Unknown, "Waiting", "the autoscaler hasn't said anything yet".into()),
    }
}

/// Who drains, and what a scale-down waits for.
fn draining(seen: &Observation<'_>, now: &EventsGatewayStatus) -> Said {
    let fewer = |until: &str| {
        let deployed = now.replicas.unwrap_or(0);
        format!("{} of {deployed} replicas are wanted; the others drain once {until}", seen.wanted)
    };
    let awaited = match seen.activity {
        Activity::AwaitingRollout => Some(("AwaitingRollout", fewer("the rollout has ended or was given up"))),
        Activity::AwaitingTemplate => Some(("AwaitingTemplate", fewer("the changed pods are rolled out"))),
        _ => None,
    };
    if now.draining.is_empty() {
        let (reason, text) = awaited.unwrap_or(("NoneDraining", String::new()));
        return ("Draining", False, reason, text);
    }
    let reason = match seen.activity {
        Activity::ScalingDown => "ScalingDown",
        Activity::TakingBack => "TakingBack",
        _ if is_rolling(seen, now) => "RollingOut",
        // Evicted, or deleted.
        _ => "Leaving",
    };
    let connections: i32 = now.draining.iter().map(|one| one.connections).sum();
    let who = several(now.draining.len(), "replica drains", "replicas drain");
    let also = awaited.map(|(_, text)| format!("; {text}")).unwrap_or_default();
    ("Draining", True, reason, format!("{who}, connections left: {connections}{also}"))
}

fn paused(seen: &Observation<'_>) -> Said {
    match seen.paused {
        Some(why) => ("ReconciliationPaused", True, "Paused", format!("{why}: nothing is changed, status is kept")),
        None => ("ReconciliationPaused", False, "NotPaused", String::new()),
    }
}
