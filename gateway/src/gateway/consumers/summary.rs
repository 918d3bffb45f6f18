//! What the consumers of one binding do, added up.

use events_gateway_status::{Binding, MAX_TROUBLE};

use crate::ingest::counters::{PartitionStatus, Phase, Status};

/// `running`: the consumers that take part in the group now.
pub(super) fn of(binding: &str, group: &str, running: &[Status]) -> Binding {
    let partitions = || running.iter().flat_map(|status| &status.partitions);
    let paused = running.iter().any(|status| status.paused);
    let is_known = !running.is_empty() && !paused && partitions().all(|partition| partition.phase != Phase::Resolving);
    let trouble = running.iter().find_map(|status| status.trouble.as_deref());
    Binding {
        binding: binding.to_owned(),
        group: group.to_owned(),
        up: !running.is_empty() && trouble.is_none(),
        trouble: trouble.map(|trouble| trouble[..trouble.floor_char_boundary(MAX_TROUBLE)].to_owned()),
        paused,
        lag: is_known.then(|| partitions().map(lag).fold(0, u64::saturating_add)),
        assigned: u32::try_from(partitions().count()).unwrap_or(u32::MAX),
    }
}

fn lag(partition: &PartitionStatus) -> u64 {
    partition.lag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(phases: &[(Phase, u64)]) -> Status {
        let partition = |(index, (phase, lag)): (usize, &(Phase, u64))| PartitionStatus {
            topic: "orders".to_owned(),
            partition: index as i32,
            phase: *phase,
            position: 1,
            committed: 1,
            log_end: 1,
            lag: *lag,
            waiting: 0,
            generation: 1,
        };
        Status { partitions: phases.iter().enumerate().map(partition).collect(), ..Status::default() }
    }

    #[test]
    fn lag_is_told_only_when_all_of_it_is_known() {
        let two = [status(&[(Phase::Reading, 3), (Phase::Held, 4)]), status(&[(Phase::Reading, 5)])];
        let resolving = [two[0].clone(), status(&[(Phase::Resolving, 0)])];
        let paused = [Status { paused: true, ..Status::default() }];
        for (running, lag, assigned) in [
            (&two[..], Some(12), 3),
            (&resolving[..], None, 3),
            (&paused[..], None, 0),
            (&[], None, 0),
            (&[Status::default()], Some(0), 0),
            (&[status(&[(Phase::Reading, u64::MAX)]), status(&[(Phase::Reading, 1)])], Some(u64::MAX), 2),
        ] {
            let told = of("b", "g", running);
            assert_eq!((told.lag, told.assigned), (lag, assigned), "{running:?}");
        }
    }

    #[test]
    fn one_that_complains_or_none_at_all_is_not_up() {
        let well = Status::default();
        let troubled = Status { trouble: Some("away".to_owned()), ..Status::default() };
        assert!(of("b", "g", std::slice::from_ref(&well)).up);
        let told = of("b", "g", &[well, troubled]);
        assert_eq!((told.up, told.trouble.as_deref()), (false, Some("away")));
        let long = Status { trouble: Some("ä".repeat(MAX_TROUBLE)), ..Status::default() };
        assert_eq!(of("b", "g", &[long]).trouble.unwrap().len(), MAX_TROUBLE);
        assert!(!of("b", "g", &[]).up);
    }
}
