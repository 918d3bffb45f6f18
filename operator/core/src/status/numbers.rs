//! When a status is worth a write: what changes all the time is written seldom. A write is seen, and causes another pass: words
//! that differ each time, such as the number of a refused request, would have passes follow each other at once.
//!
//! So do the words of KafkaReady while brokers are away: clients tell how many milliseconds an attempt took.

use std::time::Duration;

use events_gateway_resources::EventsGatewayStatus;
use events_gateway_resources::condition::Condition;

/// Numbers alone are written at most this often.
pub const MIN_AGE: Duration = Duration::from_secs(30);
/// And only when one changed by more than this part.
const CHANGE: f64 = 0.05;
/// The reason of conditions that tell what failed.
const FAILED: &str = "ReconcileFailed";

/// Whether `now` is to be written over `before`, which was written `age` ago.
#[must_use]
pub fn worth_writing(before: &EventsGatewayStatus, now: &EventsGatewayStatus, age: Duration) -> bool {
    if without_numbers(before) != without_numbers(now) {
        return true;
    }
    let moved = numbers(before).zip(numbers(now)).any(|(before, now)| differs(before, now));
    age >= MIN_AGE && (moved || words(before).ne(words(now)))
}

/// Whether what it says is in others' words, which differ each time.
fn in_others_words(condition: &Condition) -> bool {
    condition.kind.0 == "KafkaReady" || condition.reason.0 == FAILED
}

fn words(status: &EventsGatewayStatus) -> impl Iterator<Item = &str> {
    let quoting = status.conditions.iter().filter(|condition| in_others_words(condition));
    quoting.map(|condition| condition.message.0.as_str())
}

fn differs(before: Option<i64>, now: Option<i64>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => {
            // From and to nothing is always worth it: it isn't 5 % of anything.
            (now - before).unsigned_abs() as f64 > CHANGE * before.unsigned_abs() as f64
        }
        (before, now) => before != now,
    }
}

fn numbers(status: &EventsGatewayStatus) -> impl Iterator<Item = Option<i64>> {
    let connections = status.connections.as_ref();
    [
        connections.map(|connections| connections.total),
        connections.map(|connections| i64::from(connections.max_per_replica)),
        status.lag,
    ]
    .into_iter()
    .chain(status.groups.iter().map(|group| group.lag))
    .chain(status.draining.iter().map(|draining| Some(i64::from(draining.connections))))
    .collect::<Vec<_>>()
    .into_iter()
}

/// The status with every number that moves by itself left out, and messages, which repeat them.
fn without_numbers(status: &EventsGatewayStatus) -> EventsGatewayStatus {
    let mut status = status.clone();
    status.connections = None;
    status.lag = None;
    status.groups.iter_mut().for_each(|group| group.lag = None);
    status.draining.iter_mut().for_each(|draining| draining.connections = 0);
    for condition in &mut status.conditions {
        if condition.kind.0 == "Draining" || in_others_words(condition) {
            condition.message = "".into();
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use events_gateway_resources::condition::ConditionStatus;
    use events_gateway_resources::gateway::status::Connections;
    use events_gateway_resources::text::{Reason, Timestamp};

    fn status(connections: i64, lag: i64) -> EventsGatewayStatus {
        EventsGatewayStatus {
            connections: Some(Connections { total: connections, max_per_replica: 7 }),
            lag: Some(lag),
            ..EventsGatewayStatus::default()
        }
    }

    #[test]
    fn numbers_are_written_seldom_and_only_when_they_moved() {
        let long = Duration::from_secs(30);
        for (before, now, age, expected) in [
            (status(1000, 0), status(1000, 0), long, false),
            (status(1000, 0), status(1050, 0), long, false),
            (status(1000, 0), status(1051, 0), long, true),
            (status(1000, 0), status(949, 0), long, true),
            (status(1000, 0), status(2000, 0), Duration::from_secs(29), false),
            (status(0, 0), status(0, 1), long, true),
            (status(5, 100), status(5, 0), long, true),
            (EventsGatewayStatus::default(), status(0, 0), long, true),
        ] {
            assert_eq!(worth_writing(&before, &now, age), expected, "{before:?} {now:?}");
        }
    }

    fn saying(kind: &str, reason: &str, words: &str) -> EventsGatewayStatus {
        EventsGatewayStatus {
            conditions: vec![Condition {
                kind: Reason(kind.into()),
                status: ConditionStatus::False,
                reason: Reason(reason.into()),
                message: words.into(),
                last_transition_time: Timestamp("2026-11-25T10:00:00Z".into()),
                observed_generation: None,
            }],
            ..status(5, 0)
        }
    }

    #[test]
    fn others_words_which_change_all_the_time_are_written_seldom() {
        let soon = MIN_AGE - Duration::from_secs(1);
        for (kind, reason) in [("KafkaReady", "ConsumersFailing"), ("Degraded", "ReconcileFailed")] {
            let before = saying(kind, reason, "refused after 1 ms");
            for (now, age, expected) in [
                (saying(kind, reason, "refused after 2 ms"), soon, false),
                (saying(kind, reason, "refused after 2 ms"), MIN_AGE, true),
                (before.clone(), MIN_AGE, false),
                (saying(kind, "Paused", "refused after 1 ms"), Duration::ZERO, true),
            ] {
                assert_eq!(worth_writing(&before, &now, age), expected, "{now:?} {age:?}");
            }
        }
    }

    #[test]
    fn our_own_words_are_written_at_once() {
        let (before, now) = (saying("Degraded", "RolloutStuck", "a"), saying("Degraded", "RolloutStuck", "b"));
        assert!(worth_writing(&before, &now, Duration::ZERO));
    }

    #[test]
    fn all_else_is_written_at_once() {
        let before = status(10, 0);
        let now = EventsGatewayStatus { ready_replicas: Some(1), ..before.clone() };
        assert!(worth_writing(&before, &now, Duration::ZERO));
    }
}
