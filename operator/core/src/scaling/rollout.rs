//! Whether the Deployment replaces its pods.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Situation;
use super::pod::{Life, Pod};

/// A pod that is still there so long after its grace period is on a node that nobody hears of: it is waited for no longer.
const LOST: Duration = Duration::from_secs(60);

/// Until the last pod of an older template has ended: those drain as well.
pub(super) fn is_under_way(situation: &Situation) -> bool {
    let deployment = &situation.deployment;
    let live: BTreeSet<&str> = situation.live().map(|pod| pod.template.as_str()).collect();
    let is_old = |template: &str| !live.is_empty() && !live.contains(template);
    let ends_late = ending(situation).any(|pod| is_old(&pod.template));
    (deployment.is_observed() && deployment.current > deployment.updated) || live.len() > 1 || ends_late
}

/// Whether pods are on their way out.
pub(super) fn is_handing_over(situation: &Situation) -> bool {
    ending(situation).next().is_some()
}

fn ending(situation: &Situation) -> impl Iterator<Item = &Pod> {
    let is_ending = |pod: &&Pod| matches!(pod.life, Life::Ending(until) if situation.since(until) < LOST);
    situation.pods.iter().filter(is_ending)
}
