//! Whether traffic is to be routed to this replica: one pure decision over what is known.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::ReplicaState;
use super::lease::Reach;

/// What readiness depends on.
#[derive(Debug, Clone, Copy)]
pub struct Inputs {
    /// Whether start-up is complete: listeners bound, the lease once asked for. It doesn't wait for an answer: were Redis away
    /// while all replicas start, none would accept the streams that wait for it.
    pub started: bool,
    /// Serving or draining.
    pub state: ReplicaState,
    /// Whether this replica reaches the backlog.
    pub reach: Reach,
    /// Whether some other replica is known to reach it at this time. `None`: not known, or there is no other.
    pub others_reach: Option<bool>,
    /// How long this replica alone may be without the backlog.
    pub patience: Duration,
}

/// Why traffic isn't to be routed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NotReady {
    /// Start-up isn't complete.
    Starting,
    /// It hands over.
    Draining,
    /// It alone can't reach the backlog, for longer than is tolerated.
    CutOff,
}

/// Decides. A loss that others share, or may share, is no reason: with all replicas out at once nobody would be served,
/// and streams that wait are better than none.
pub fn decide(inputs: &Inputs, now: Instant) -> Result<(), NotReady> {
    if inputs.state == ReplicaState::Draining {
        return Err(NotReady::Draining);
    }
    if !inputs.started {
        return Err(NotReady::Starting);
    }
    match inputs.reach {
        Reach::LostSince(since)
            if now.duration_since(since) >= inputs.patience && inputs.others_reach == Some(true) =>
        {
            Err(NotReady::CutOff)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_start_up_draining_and_a_loss_of_ones_own_take_a_replica_out() {
        let began = Instant::now();
        let lost = Reach::LostSince(began);
        let (serving, draining) = (ReplicaState::Serving, ReplicaState::Draining);
        for (started, state, reach, others, seconds, expected) in [
            (true, serving, Reach::Reached, None, 0, Ok(())),
            (false, serving, Reach::Never, None, 0, Err(NotReady::Starting)),
            (true, draining, Reach::Reached, None, 0, Err(NotReady::Draining)),
            (false, draining, lost, None, 99, Err(NotReady::Draining)),
            (true, serving, lost, Some(true), 9, Ok(())),
            (true, serving, lost, Some(true), 10, Err(NotReady::CutOff)),
            (true, serving, lost, Some(false), 99, Ok(())),
            (true, serving, lost, None, 99, Ok(())),
            (true, serving, Reach::Reached, Some(true), 99, Ok(())),
        ] {
            let inputs = Inputs { started, state, reach, others_reach: others, patience: Duration::from_secs(10) };
            assert_eq!(decide(&inputs, began + Duration::from_secs(seconds)), expected, "{inputs:?}");
        }
    }
}
