//! Who goes, and who of them stays after all.

use std::collections::BTreeMap;

use super::Situation;
use super::pod::Pod;

/// Splits the marked pods into the `most` that go on, those that are furthest first, and the rest.
pub(super) fn keep(situation: &Situation, most: usize) -> (Vec<&Pod>, Vec<&Pod>) {
    let mut marked: Vec<_> = situation.live().filter(|pod| pod.since.is_some()).collect();
    marked.sort_by_key(|pod| (!pod.is_done(situation), pod.cost, pod.since, &pod.name));
    let rest = marked.split_off(most.min(marked.len()));
    (marked, rest)
}

/// Picks at most `most` more, in the order in which they are to go: who isn't ready, then who has the fewest streams, then
/// the most crowded zone, then node, then the newest. With `kept` they stay within the budget of streams and the number that
/// may drain at once.
pub(super) fn pick<'a>(situation: &'a Situation, kept: &[&Pod], most: usize) -> Vec<&'a Pod> {
    let drains: Vec<_> = kept.iter().filter(|pod| !pod.is_done(situation)).collect();
    let at_once = situation.drain_at_once.map_or(usize::MAX, |at_once| at_once as usize);
    let most = most.min(at_once.saturating_sub(drains.len()));
    let spent = drains.iter().fold(0_u64, |spent, pod| spent.saturating_add(streams(pod)));
    let (mut is_alone, mut budget) = (drains.is_empty(), situation.drain_budget.saturating_sub(spent));
    let mut candidates: Vec<_> = situation.live().filter(|pod| pod.since.is_none()).collect();
    let mut crowds = Crowds::of(&candidates);
    let mut picked = Vec::new();
    while picked.len() < most {
        let next = candidates.iter().enumerate().min_by(|(_, one), (_, other)| {
            let key = |pod: &'a Pod| (pod.stage, streams(pod), std::cmp::Reverse(crowds.around(pod)));
            key(one).cmp(&key(other)).then(other.created.cmp(&one.created)).then_with(|| one.name.cmp(&other.name))
        });
        let Some((index, pod)) = next else { break };
        if !is_alone && streams(pod) > budget {
            break;
        }
        (is_alone, budget) = (false, budget.saturating_sub(streams(pod)));
        crowds.leave(pod);
        picked.push(candidates.swap_remove(index));
    }
    picked
}

/// How many may go together, at most `most`, if Kubernetes chooses them: so many that even the fullest stay within the budget of
/// streams and the number that may drain at once, and one in any case.
pub(super) fn whoever(situation: &Situation, most: usize) -> usize {
    let at_once = situation.drain_at_once.map_or(usize::MAX, |at_once| at_once as usize);
    let mut fullest: Vec<u64> = situation.live().map(streams).collect();
    fullest.sort_by_key(|streams| std::cmp::Reverse(*streams));
    let mut budget = Some(situation.drain_budget);
    let within = fullest.into_iter().take_while(|streams| {
        budget = budget.and_then(|budget| budget.checked_sub(*streams));
        budget.is_some()
    });
    within.count().min(at_once).max(1).min(most)
}

/// Who doesn't tell may have any number.
fn streams(pod: &Pod) -> u64 {
    pod.connections().unwrap_or(u64::MAX)
}

/// How many of those that stay are in each zone and on each node.
#[derive(Default)]
struct Crowds<'a> {
    zones: BTreeMap<Option<&'a str>, usize>,
    nodes: BTreeMap<Option<&'a str>, usize>,
}

impl<'a> Crowds<'a> {
    fn of(pods: &[&'a Pod]) -> Self {
        let mut crowds = Self::default();
        for pod in pods {
            *crowds.zones.entry(pod.zone.as_deref()).or_default() += 1;
            *crowds.nodes.entry(pod.node.as_deref()).or_default() += 1;
        }
        crowds
    }

    fn around(&self, pod: &Pod) -> (usize, usize) {
        (self.zones[&pod.zone.as_deref()], self.nodes[&pod.node.as_deref()])
    }

    fn leave(&mut self, pod: &'a Pod) {
        self.zones.entry(pod.zone.as_deref()).and_modify(|count| *count -= 1);
        self.nodes.entry(pod.node.as_deref()).and_modify(|count| *count -= 1);
    }
}
