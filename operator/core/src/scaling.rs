//! How many replicas run, and which ones go: what is to be done next, decided from what the cluster holds and nothing else.
//!
//! Up is done at once. Down begins with *victims*: they are marked (a deletion cost, by which Kubernetes takes them first,
//! and the time), told to drain, and waited for; then the Deployment is lowered by as many as are done. When fewer have to
//! go than are marked, because more are wanted again or because Kubernetes took another, the rest serves again.
//!
//! Nothing is remembered between two decisions: marks stand on the pods, and each decision compares what is there with what
//! is wanted. So whoever decides may die between any two steps, steps may be carried out twice, and a pod that goes by
//! itself is replaced or not, but never counted twice.
//!
//! The rules that keep the count right: as many pods are marked as there are more than wanted, pods that are still to be
//! made included; and the Deployment is lowered only as far as Kubernetes, going by its own order, takes nobody that is not
//! done. That order looks at readiness before it looks at the cost.
//!
//! A rollout comes first: while it lasts Kubernetes decides of which template it takes pods. One that Kubernetes has given up is
//! waited for no longer: the Deployment is lowered, and whom it takes drains while it ends.

mod count;
mod decision;
mod deployment;
mod mark;
mod plan;
pub(crate) mod pod;
mod rollout;
mod victims;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

pub use decision::{Activity, Decision, Draining, Notice, Step};
pub use deployment::{Deployment, REMOVING, Removal};
pub use mark::{DELETION_COST, DRAIN_SINCE, Mark};
pub use plan::decide;
pub use pod::{Life, Pod, Replica, Stage};

/// What a decision is made from. What the operator wrote itself must be in it, so take the answers of one's own writes over
/// what a watch has brought so far. What others did may come a little later, to pods; the Deployment must not be older than
/// the pods.
#[derive(Debug, Clone)]
pub struct Situation {
    /// How many replicas there are to be, within its bounds already.
    pub wanted: u32,
    /// The Deployment as it is.
    pub deployment: Deployment,
    /// Its pods, also those that end.
    pub pods: Vec<Pod>,
    /// How long a replica's drain may take in all.
    pub drain_timeout: Duration,
    /// How many streams all draining replicas together close within that time at their rate: no more are drained at once,
    /// unless one replica alone has more.
    pub drain_budget: u64,
    /// How many replicas may drain at once within that.
    pub drain_at_once: Option<u32>,
    /// Whether the Deployment's pod template is about to change: no scale-down begins before that.
    pub template_waits: bool,
    /// The time.
    pub now: Timestamp,
}

impl Situation {
    /// The pods that Kubernetes counts.
    fn live(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(|pod| pod.life == Life::Live)
    }

    /// How long ago that was; none, when it lies ahead.
    fn since(&self, then: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(then)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
