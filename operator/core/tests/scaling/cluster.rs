//! The Deployment and the ReplicaSet controller, as far as they matter: at most one pod too many in a rollout, none too few.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use events_gateway_operator_core::scaling::{Deployment, Life, Stage};

use super::pod::{GRACE, Running, time};

const SURGE: u32 = 1;
/// How long nothing may come of a rollout before it is given up.
const DEADLINE: i64 = 60;

#[derive(Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) deployment: Deployment,
    pub(crate) template: u32,
    /// Whether that one's pods never get ready.
    pub(crate) is_broken: bool,
    /// Template -> how many its ReplicaSet is told to have.
    pub(crate) sets: BTreeMap<u32, u32>,
    pub(crate) pods: Vec<Running>,
    /// How far a rollout had got when something came of it last, and when that was.
    pub(crate) progress: (BTreeMap<u32, u32>, u32, i64),
    pub(crate) now: i64,
    pub(crate) made: usize,
}

/// A pod that a ReplicaSet has deleted, as it was then.
pub(crate) struct Taken {
    pub(crate) pod: Running,
    pub(crate) in_rollout: bool,
}

impl Cluster {
    pub(crate) fn live(&self) -> impl Iterator<Item = &Running> {
        self.pods.iter().filter(|pod| pod.is_live())
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.live().count()).unwrap()
    }

    fn of(&self, template: u32) -> impl Iterator<Item = &Running> {
        self.live().filter(move |pod| pod.pod.template == template.to_string())
    }

    fn ready(&self) -> u32 {
        u32::try_from(self.live().filter(|pod| pod.pod.stage == Stage::Ready).count()).unwrap()
    }

    fn ready_of(&self, template: u32) -> u32 {
        u32::try_from(self.of(template).filter(|pod| pod.pod.stage == Stage::Ready).count()).unwrap()
    }

    /// Of older templates those that aren't ready go first, where nobody waits for them.
    fn clean_up(&mut self, needed: u32) {
        let mut most = self.sets.values().sum::<u32>().saturating_sub(needed);
        for template in self.sets.keys().copied().filter(|template| *template != self.template).collect::<Vec<_>>() {
            let ready = self.ready_of(template);
            let replicas = self.sets.entry(template).or_default();
            let taken = most.min(replicas.saturating_sub(ready));
            *replicas -= taken;
            most -= taken;
        }
    }

    pub(crate) fn rolls(&self) -> bool {
        let others = self.sets.iter().any(|(template, replicas)| *template != self.template && *replicas > 0);
        others || self.has_old_pods()
    }

    /// What anybody can see of a rollout who doesn't look at ReplicaSets.
    pub(crate) fn has_old_pods(&self) -> bool {
        self.live().any(|pod| pod.pod.template != self.template.to_string())
    }

    pub(crate) fn write_template(&mut self, is_broken: bool) {
        self.template += 1;
        self.is_broken = is_broken;
        self.deployment.generation += 1;
    }

    /// One look of the Deployment's controller.
    pub(crate) fn deployments(&mut self) {
        let wanted = self.deployment.replicas;
        let total: u32 = self.sets.values().sum();
        let new = *self.sets.entry(self.template).or_default();
        let old = total - new;
        if old == 0 {
            self.sets.insert(self.template, wanted);
        } else if new < wanted && total < wanted + SURGE {
            self.sets.insert(self.template, new + (wanted + SURGE - total).min(wanted - new));
        } else {
            let new = new.min(wanted);
            self.sets.insert(self.template, new);
            self.clean_up(wanted + new.saturating_sub(self.ready_of(self.template)));
            let total: u32 = self.sets.values().sum();
            let mut excess =
                if total > wanted + SURGE { total - wanted - SURGE } else { self.ready().saturating_sub(wanted) };
            for (_, replicas) in self.sets.iter_mut().filter(|(template, _)| **template != self.template) {
                let taken = excess.min(*replicas);
                *replicas -= taken;
                excess -= taken;
            }
        }
        let ready = self.ready_of(self.template);
        if !self.rolls() || self.sets != self.progress.0 || ready > self.progress.1 {
            self.progress = (self.sets.clone(), ready, self.now);
        }
        self.deployment.is_given_up = self.now - self.progress.2 > DEADLINE;
        self.deployment.observed_generation = self.deployment.generation;
        self.deployment.current = self.count();
        self.deployment.updated = u32::try_from(self.of(self.template).count()).unwrap();
    }

    /// One look of the ReplicaSets' controller; whom it deleted.
    pub(crate) fn replica_sets(&mut self) -> Vec<Taken> {
        let mut taken = Vec::new();
        let in_rollout = self.rolls();
        for (template, replicas) in self.sets.clone() {
            let has = u32::try_from(self.of(template).count()).unwrap();
            for _ in has..replicas {
                self.made += 1;
                let is_broken = self.is_broken && template == self.template;
                self.pods.push(Running::new(self.made, template, self.now, is_broken));
            }
            let mut nodes: BTreeMap<_, usize> = BTreeMap::new();
            for pod in self.of(template) {
                *nodes.entry(pod.pod.node.clone()).or_default() += 1;
            }
            let mut order: Vec<usize> = (0..self.pods.len())
                .filter(|at| self.pods[*at].is_live() && self.pods[*at].pod.template == template.to_string())
                .collect();
            order.sort_by_key(|at| {
                let pod = &self.pods[*at].pod;
                (pod.stage, pod.cost, Reverse(nodes[&pod.node]), Reverse(pod.created), Reverse(pod.name.clone()))
            });
            for at in order.into_iter().take(has.saturating_sub(replicas) as usize) {
                taken.push(Taken { pod: self.pods[at].clone(), in_rollout });
                self.delete(at);
            }
        }
        taken
    }

    pub(crate) fn delete(&mut self, at: usize) {
        let until = time(self.now + GRACE);
        if let Some(pod) = self.pods.get_mut(at).filter(|pod| pod.is_live()) {
            pod.pod.life = Life::Ending(until);
        }
    }

    /// Every kubelet, and the garbage collector.
    pub(crate) fn kubelets(&mut self) {
        let now = self.now;
        for pod in &mut self.pods {
            pod.progress(now);
        }
        self.pods.retain(|pod| match pod.pod.life {
            Life::Live => true,
            Life::Ending(until) => pod.pod.runs && !pod.drained && until > time(now),
            Life::Over => false,
        });
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now += seconds;
        let now = self.now;
        for pod in &mut self.pods {
            pod.pass(seconds, now);
        }
    }
}
