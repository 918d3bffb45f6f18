//! An operator that carries decisions out, as far as it lives, with mistakes on request.

use std::time::Duration;

use events_gateway_operator_core::scaling::{Decision, Life, Pod, Situation, Step, decide};

use super::cluster::Cluster;
use super::pod::{TIMEOUT, time};
use super::world::Plant;

/// What is asked of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) wanted: u32,
    /// How many may drain at once.
    pub(crate) at_once: Option<u32>,
    pub(crate) template_waits: bool,
}

/// What it sees and decides.
pub(crate) fn look(cluster: &Cluster, pods: &[Pod], ask: Ask, plant: Plant) -> Decision {
    let now = cluster.now;
    let survey = |pod: &Pod| {
        let running = cluster.pods.iter().find(|running| running.pod.uid == pod.uid);
        Pod { replica: running.and_then(|running| running.said(now)), ..pod.clone() }
    };
    let mut situation = Situation {
        wanted: ask.wanted,
        deployment: cluster.deployment.clone(),
        pods: pods.iter().map(survey).collect(),
        drain_timeout: Duration::from_secs(u64::try_from(TIMEOUT).unwrap()),
        drain_budget: u64::MAX,
        drain_at_once: ask.at_once.filter(|_| plant != Plant::AtOnceIgnored),
        template_waits: ask.template_waits,
        now: time(now),
    };
    if plant == Plant::RolloutIgnored {
        situation.deployment.updated = situation.deployment.current;
        for pod in &mut situation.pods {
            pod.template = String::new();
        }
    }
    let mut decision = decide(&situation);
    spoil(&mut decision, &situation, plant);
    decision
}

fn spoil(decision: &mut Decision, situation: &Situation, plant: Plant) {
    let marked = || situation.pods.iter().filter(|pod| pod.since.is_some());
    let lowers = decision.steps.iter().any(|step| matches!(step, Step::SetReplicas { .. }));
    let told = situation.deployment.replicas;
    let mut lower = |to: u32| {
        if to < told && !lowers {
            decision.steps.push(Step::SetReplicas { replicas: to, removal: None });
        }
    };
    match plant {
        Plant::LowerBeforeDrained if marked().next().is_some() => lower(situation.wanted),
        Plant::OrderIgnored => {
            let done = marked().filter(|pod| pod.replica.is_some_and(|replica| replica.drained)).count();
            lower(situation.wanted.max(told.saturating_sub(u32::try_from(done).unwrap())));
        }
        Plant::LostCounted => {
            let lost = marked().filter(|pod| pod.life != Life::Live).count();
            lower(told.saturating_sub(u32::try_from(lost).unwrap()));
        }
        Plant::MarkForgotten => decision.steps.retain(|step| !matches!(step, Step::Unmark { .. })),
        Plant::DrainForgotten => {
            for step in &mut decision.steps {
                if let Step::Undrain { pod } = step {
                    let uid = situation.pods.iter().find(|known| known.name == *pod).unwrap().uid.clone();
                    *step = Step::Unmark { pod: pod.clone(), uid };
                }
            }
        }
        Plant::MarkedAgain => {
            for pod in marked().filter(|pod| pod.life == Life::Live) {
                let mark = events_gateway_operator_core::scaling::Mark { cost: pod.cost, since: situation.now };
                decision.steps.push(Step::Mark { pod: pod.name.clone(), uid: pod.uid.clone(), mark });
            }
        }
        _ => {}
    }
}
