//! The marks on pods: the memory of a scale-down.

use k8s_openapi::jiff::Timestamp;

/// Kubernetes' own annotation: among pods that are alike in readiness the lowest cost goes first; absent is 0.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
/// When the pod was chosen to go, in RFC 3339.
pub const DRAIN_SINCE: &str = "eventsgateway.dev/drain-since";

/// The first victim's cost; each further one's is by one higher, so that no two are alike and all are below everybody
/// else's.
const FIRST_COST: i32 = -1_000_000;

/// What stands on a victim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its deletion cost.
    pub cost: i32,
    /// When it was chosen.
    pub since: Timestamp,
}

impl Mark {
    /// The cost for one more, after those that are marked.
    pub(super) fn next_cost(marked: impl Iterator<Item = i32>) -> i32 {
        marked.max().map_or(FIRST_COST, |highest| highest.saturating_add(1)).clamp(FIRST_COST, -1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_low_negative_and_distinct() {
        assert_eq!(Mark::next_cost([].into_iter()), FIRST_COST);
        assert_eq!(Mark::next_cost([FIRST_COST, FIRST_COST + 1].into_iter()), FIRST_COST + 2);
        assert_eq!(Mark::next_cost([100].into_iter()), -1, "somebody else wrote that one");
    }
}
