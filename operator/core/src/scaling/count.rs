//! How far the Deployment may be lowered.

use super::Situation;
use super::pod::{Pod, SLACK, Stage};

/// How far it may be lowered.
pub(super) struct Lowering<'a> {
    /// The lower number.
    pub replicas: u32,
    /// The victims that Kubernetes takes then.
    pub victims: Vec<&'a Pod>,
}

/// How far the Deployment may be lowered now, if at all. `kept`: the victims.
///
/// Kubernetes takes unassigned pods first, then pending ones, then those that aren't ready, and only among those that are
/// alike the lowest cost. So who is done may have somebody before it who isn't.
pub(super) fn lower<'a>(situation: &'a Situation, kept: &[&Pod]) -> Option<Lowering<'a>> {
    let (wanted, told) = (situation.wanted, situation.deployment.replicas);
    let live = situation.live().count();
    let has = u32::try_from(live).unwrap_or(u32::MAX);
    if has < told {
        // Those that are missing are being made, and then counted, or else nobody is taken away by giving them up. The
        // Deployment may have seen some before us.
        let replicas = has.max(situation.deployment.current).max(wanted);
        return (situation.deployment.is_short && replicas < told)
            .then_some(Lowering { replicas, victims: Vec::new() });
    }
    let done = kept.iter().filter(|pod| pod.is_done(situation)).count();
    let first = before_others(situation, kept);
    let replicas = u32::try_from(live - first.len().min(done)).unwrap_or(u32::MAX).max(wanted);
    let victims = first.into_iter().take(live - replicas as usize).filter(|pod| pod.since.is_some()).collect();
    (replicas < told).then_some(Lowering { replicas, victims })
}

/// The pods that Kubernetes takes, in its order, before it comes to one that has to stay for now.
fn before_others<'a>(situation: &'a Situation, kept: &[&Pod]) -> Vec<&'a Pod> {
    let mut done = kept.iter().filter(|pod| pod.is_done(situation)).filter_map(|pod| pod.since).peekable();
    // A pod that never gets ready and never answers holds nothing up for ever.
    let patience = 2 * (situation.drain_timeout + SLACK);
    let is_overdue = done.peek().is_some() && done.all(|since| situation.since(since) >= patience);
    let may_go = |pod: &Pod| match pod.since {
        Some(_) => kept.iter().any(|victim| victim.name == pod.name) && pod.is_done(situation),
        None => pod.stage < Stage::Ready && (pod.connections() == Some(0) || is_overdue),
    };
    // Kubernetes looks a little later than we do: until then who doesn't run may be ready, and who drains no longer.
    let latest = |pod: &Pod| match (may_go(pod), pod.runs) {
        (_, false) => Stage::Ready,
        (false, true) if pod.since.is_some() => pod.stage.min(Stage::NotReady),
        (_, true) => pod.stage,
    };
    let mut order: Vec<_> = situation.live().collect();
    order.sort_by_key(|pod| (latest(pod), pod.cost, may_go(pod)));
    order.into_iter().take_while(|pod| may_go(pod)).collect()
}
