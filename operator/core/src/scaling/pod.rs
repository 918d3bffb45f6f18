//! A pod, as far as scaling looks at it.

use std::time::Duration;

use events_gateway_status::{State, Status};
use k8s_openapi::jiff::Timestamp;

use super::Situation;
use super::mark::{DELETION_COST, DRAIN_SINCE, Mark};
use crate::pod::ReplicaPod;

/// The label by which pods of one template are known.
pub(crate) const TEMPLATE: &str = "pod-template-hash";
/// Where its node is; Kubernetes copies it from the node.
pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";
/// A replica ends its drain by itself in time, and a little later this is known.
pub(super) const SLACK: Duration = Duration::from_secs(5);

/// How far a pod has come, in the order in which Kubernetes takes pods away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has no node.
    Unassigned,
    /// It has a node, and no container ran yet.
    Pending,
    /// It runs, or did, and isn't ready.
    NotReady,
    /// It is ready.
    Ready,
}

/// Whether a pod counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Live,
    /// It is being deleted; then is the end of its grace period.
    Ending(Timestamp),
    /// It failed or was evicted, and is left to look at.
    Over,
}

/// What a replica said of itself a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replica {
    /// Its open streams.
    pub connections: u64,
    /// How long it has been draining; `None` while it serves.
    pub draining: Option<Duration>,
    /// Whether that drain has ended.
    pub drained: bool,
}

impl Replica {
    /// `None` when its state isn't known to this release: as good as no answer.
    #[must_use]
    pub fn of(status: &Status) -> Option<Self> {
        let draining = match status.state {
            State::Serving => None,
            State::Draining => Some(Duration::from_millis(status.draining_ms.unwrap_or(0))),
            State::Unknown => return None,
        };
        Some(Self { connections: status.connections, draining, drained: draining.is_some() && status.drained })
    }
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its identity: a pod of the same name later is another.
    pub uid: String,
    /// Which pod template it was made from.
    pub template: String,
    /// Whether it counts.
    pub life: Life,
    /// How far it has come.
    pub stage: Stage,
    /// Whether its process runs: only then there can be streams.
    pub runs: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Its node.
    pub node: Option<String>,
    /// Its node's zone.
    pub zone: Option<String>,
    /// Its deletion cost.
    pub cost: i32,
    /// Since when it is a victim.
    pub since: Option<Timestamp>,
    /// What its replica said; `None` when it didn't answer, or wasn't asked.
    pub replica: Option<Replica>,
}

impl Pod {
    /// Reads a pod of the cluster; `None` when it has no name yet. `replica`: what it said, where it was asked and answered.
    #[must_use]
    pub fn of(pod: &ReplicaPod, replica: Option<Replica>) -> Option<Self> {
        let metadata = &pod.metadata;
        let label = |name: &str| metadata.labels.as_ref()?.get(name).cloned();
        let annotation = |name: &str| metadata.annotations.as_ref()?.get(name);
        let phase = if pod.status.phase.is_empty() { "Pending" } else { pod.status.phase.as_str() };
        let node = Some(&pod.spec.node_name).filter(|node| !node.is_empty()).cloned();
        Some(Self {
            name: metadata.name.clone()?,
            uid: metadata.uid.clone().unwrap_or_default(),
            template: label(TEMPLATE).unwrap_or_default(),
            life: match (&metadata.deletion_timestamp, phase) {
                (Some(until), _) => Life::Ending(until.0),
                (None, "Failed" | "Succeeded") => Life::Over,
                (None, _) => Life::Live,
            },
            stage: match (&node, phase) {
                (None, _) => Stage::Unassigned,
                (Some(_), "Pending") => Stage::Pending,
                (Some(_), _) if pod.is_ready() => Stage::Ready,
                (Some(_), _) => Stage::NotReady,
            },
            runs: pod.runs(),
            created: metadata.creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default(),
            node,
            zone: label(ZONE),
            cost: annotation(DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or(0),
            since: annotation(DRAIN_SINCE).and_then(|since| since.parse().ok()),
            replica,
        })
    }

    pub(super) fn mark(&self) -> Option<Mark> {
        self.since.map(|since| Mark { cost: self.cost, since })
    }

    /// Its open streams; `None` when that isn't known.
    pub(super) fn connections(&self) -> Option<u64> {
        if self.runs { self.replica.map(|replica| replica.connections) } else { Some(0) }
    }

    /// Whether a victim may be taken away: it has drained, or had its time.
    pub(super) fn is_done(&self, situation: &Situation) -> bool {
        let Some(since) = self.since else { return false };
        let patience = situation.drain_timeout + SLACK;
        match self.replica {
            _ if !self.runs => true,
            Some(Replica { draining: None, .. }) => false,
            Some(Replica { draining: Some(_), drained: true, .. }) => true,
            // Its own clock: it may have been told long after it was marked.
            Some(Replica { draining: Some(lasts), .. }) => lasts >= patience,
            None => situation.since(since) >= patience,
        }
    }
}

#[cfg(test)]
mod tests;
