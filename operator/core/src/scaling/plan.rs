//! The decision itself.

use std::time::Duration;

use super::decision::{Activity, Decision, Draining, Notice, Step};
use super::deployment::Removal;
use super::mark::Mark;
use super::pod::{Pod, Replica, SLACK, Stage};
use super::{Situation, count, rollout, victims};

/// How often replicas are asked that drain or are taken back.
const WHILE_DRAINING: Duration = Duration::from_secs(2);
/// Between a mark and the drain, where nothing goes wrong.
const AT_ONCE: Duration = Duration::from_secs(10);
/// How often is looked at what changes tell anyway.
const WHILE_WAITING: Duration = Duration::from_secs(15);

/// Decides what is to be done next.
#[must_use]
pub fn decide(situation: &Situation) -> Decision {
    let deployment = &situation.deployment;
    let has = u32::try_from(situation.live().count()).unwrap_or(u32::MAX);
    let rolls = rollout::is_under_way(situation);
    // Also those that Kubernetes is about to remove, and those that it is about to make.
    let surplus = if rolls { 0 } else { has.max(deployment.replicas).saturating_sub(situation.wanted) };
    let (kept, rest) = victims::keep(situation, surplus as usize);
    let mut decision = Decision { draining: draining(situation), ..Decision::default() };
    if situation.wanted > deployment.replicas {
        decision.steps.push(Step::SetReplicas { replicas: situation.wanted, removal: None });
    }
    // While Kubernetes is about to remove some it goes by the marks: who serves again too early is taken with its clients.
    if deployment.is_observed() && (rolls || has <= deployment.replicas) {
        for pod in &rest {
            take_back(situation, pod, &mut decision);
        }
    }
    let is_lower = situation.wanted < deployment.replicas;
    let may_begin = is_lower && !rolls && deployment.is_observed() && has >= deployment.replicas;
    let more = if may_begin && !situation.template_waits {
        victims::pick(situation, &kept, surplus as usize - kept.len())
    } else {
        Vec::new()
    };
    // Until its controller has seen the spec, a rollout may have begun.
    if deployment.is_observed() {
        begin(situation, &kept, &more, &mut decision);
    }
    // Who was told to drain just now is soon less ready than those that are done.
    if is_lower && !rolls && deployment.is_observed() && more.is_empty() {
        remove(situation, &kept, &mut decision);
    }
    let goes_on = is_lower && rolls && deployment.is_observed() && deployment.is_given_up && !situation.template_waits;
    if goes_on {
        go_on(situation, &mut decision);
    }
    decision.activity = if situation.wanted > deployment.replicas {
        Activity::ScalingUp
    } else if !kept.is_empty() || !more.is_empty() {
        Activity::ScalingDown
    } else if !rest.is_empty() {
        Activity::TakingBack
    } else if !is_lower {
        Activity::Settled
    } else if goes_on {
        Activity::ScalingDown
    } else if rolls {
        Activity::AwaitingRollout
    } else if may_begin && situation.template_waits {
        Activity::AwaitingTemplate
    } else {
        Activity::AwaitingController
    };
    let is_busy = !kept.is_empty() || !more.is_empty();
    decision.holds_template = is_busy || (!rolls && has > deployment.replicas);
    decision.again = if is_busy || !rest.is_empty() {
        Some(WHILE_DRAINING)
    } else if decision.activity != Activity::Settled || rolls || has != deployment.replicas {
        Some(WHILE_WAITING)
    } else {
        None
    };
    decision
}

/// A marked pod that stays: it loses its mark only when it is known to serve, so that it isn't forgotten draining.
fn take_back(situation: &Situation, pod: &Pod, decision: &mut Decision) {
    let serves = match pod.replica {
        _ if !pod.runs => true,
        Some(replica) => replica.draining.is_none(),
        // Who is ready doesn't drain, once the kubelet had time to notice.
        None => {
            let patience = situation.drain_timeout + SLACK;
            pod.stage == Stage::Ready && pod.since.is_some_and(|since| situation.since(since) >= patience)
        }
    };
    if !serves {
        decision.steps.push(Step::Undrain { pod: pod.name.clone() });
        return;
    }
    decision.steps.push(Step::Unmark { pod: pod.name.clone(), uid: pod.uid.clone() });
    let was_to_go =
        situation.deployment.removal.as_ref().is_some_and(|removal| {
            removal.pods.contains(&pod.name) && pod.since.is_some_and(|since| since <= removal.at)
        });
    if was_to_go {
        decision.notices.push(Notice::PassedOver { pod: pod.name.clone() });
    }
}

/// Marks who is new, and has all drain that don't yet.
fn begin(situation: &Situation, kept: &[&Pod], more: &[&Pod], decision: &mut Decision) {
    let mut next = Mark::next_cost(kept.iter().map(|pod| pod.cost));
    let mut cost = || {
        let cost = next;
        next = next.saturating_add(1).min(-1);
        cost
    };
    let mut mark = |pod: &Pod, mark| {
        decision.steps.push(Step::Mark { pod: pod.name.clone(), uid: pod.uid.clone(), mark });
    };
    for pod in kept {
        let Some(known) = pod.mark() else { continue };
        if known.cost >= 0 {
            // Somebody took its cost away: without it another pod would go.
            mark(pod, Mark { cost: cost(), ..known });
        } else if serves(pod) && situation.since(known.since) > AT_ONCE {
            // It wasn't told when it was marked, or has restarted since: its time begins now.
            mark(pod, Mark { since: situation.now, ..known });
        }
    }
    for pod in more {
        mark(pod, Mark { cost: cost(), since: situation.now });
    }
    for pod in kept.iter().chain(more).filter(|pod| pod.runs && (pod.replica.is_none() || serves(pod))) {
        decision.steps.push(Step::Drain { pod: pod.name.clone() });
    }
}

fn serves(pod: &Pod) -> bool {
    pod.runs && pod.replica.is_some_and(|replica| replica.draining.is_none())
}

/// Lowers the Deployment as far as it may be.
fn remove(situation: &Situation, kept: &[&Pod], decision: &mut Decision) {
    let Some(count::Lowering { replicas, victims }) = count::lower(situation, kept) else { return };
    for pod in &victims {
        if pod.runs && !pod.replica.is_some_and(|replica| replica.drained) {
            decision.notices.push(Notice::TimedOut { pod: pod.name.clone(), connections: pod.connections() });
        }
    }
    let pods = victims.iter().map(|pod| pod.name.clone()).collect();
    let removal = Some(Removal { at: situation.now, pods });
    decision.steps.push(Step::SetReplicas { replicas, removal });
}

/// Lowers the Deployment though a rollout is under way, since Kubernetes has given that up.
///
/// Nobody is chosen: Kubernetes decides of which template it takes how many. Whom it takes drains while it ends, as all do that a
/// rollout replaces; so no more go at a time than may drain at once, whoever they are. Kubernetes counts their going as progress,
/// and gives up again later.
fn go_on(situation: &Situation, decision: &mut Decision) {
    let deployment = &situation.deployment;
    // What it was lowered by may still be on its way through the controllers.
    let is_recent = deployment.removal.as_ref().is_some_and(|removal| situation.since(removal.at) < WHILE_WAITING);
    if is_recent || rollout::is_handing_over(situation) {
        return;
    }
    let surplus = deployment.replicas.saturating_sub(situation.wanted);
    let going = u32::try_from(victims::whoever(situation, surplus as usize)).unwrap_or(surplus);
    let removal = Some(Removal { at: situation.now, pods: Vec::new() });
    decision.steps.push(Step::SetReplicas { replicas: deployment.replicas - going, removal });
}

fn draining(situation: &Situation) -> Vec<Draining> {
    let of = |pod: &Pod| {
        let told = match pod.replica {
            Some(Replica { draining: Some(lasts), .. }) => situation.now.checked_sub(lasts).ok(),
            _ => None,
        };
        let since = pod.since.or(told)?;
        Some(Draining { pod: pod.name.clone(), connections: pod.connections(), since })
    };
    let mut draining: Vec<_> = situation.pods.iter().filter_map(of).collect();
    draining.sort_by(|one, other| one.pod.cmp(&other.pod));
    draining
}
