//! When a status is worth a write: what changes all the time is written seldom.
//!
//! So do the words of KafkaReady while brokers are away: clients tell how many milliseconds an attempt took.

use std::time::Duration;

use events_gateway_resources::EventsGatewayStatus;

/// Numbers alone are written at most this often.
pub const MIN_AGE: Duration = Duration::from_secs(30);
/// And only when one changed by more than this part.
const CHANGE: f64 = 0.05;

/// Whether `now` is to be written over `before`, which was written `age` ago.
#[must_use]
pub fn worth_writing(before: &EventsGatewayStatus, now: &EventsGatewayStatus, age: Duration) -> bool {
    if without_numbers(before) != without_numbers(now) {
        return true;
    }
    let moved = numbers(before).zip(numbers(now)).any(|(before, now)| differs(before, now));
    age >= MIN_AGE && (moved || words_of_kafka(before) != words_of_kafka(now))
}

fn words_of_kafka(status: &EventsGatewayStatus) -> Option<&str> {
    let kafka = status.conditions.iter().find(|condition| condition.kind.0 == "KafkaReady");
    kafka.map(|condition| condition.message.0.as_str())
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
        if ["Draining", "KafkaReady"].contains(&condition.kind.0.as_str()) {
            condition.message = "".into();
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use events_gateway_resources::condition::{Condition, ConditionStatus};
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

    #[test]
    fn words_about_kafka_that_change_all_the_time_are_written_seldom() {
        let said = |reason: &str, message: &str| EventsGatewayStatus {
            conditions: vec![Condition {
                kind: Reason("KafkaReady".into()),
                status: ConditionStatus::False,
                reason: Reason(reason.into()),
                message: message.into(),
                last_transition_time: Timestamp("2026-11-25T10:00:00Z".into()),
                observed_generation: None,
            }],
            ..status(5, 0)
        };
        let before = said("ConsumersFailing", "refused after 1 ms");
        let (other_words, other_reason) = (said("ConsumersFailing", "refused after 2 ms"), said("Paused", "paused"));
        for (now, age, expected) in [
            (&other_words, MIN_AGE - Duration::from_secs(1), false),
            (&other_words, MIN_AGE, true),
            (&before, MIN_AGE, false),
            (&other_reason, Duration::ZERO, true),
        ] {
            assert_eq!(worth_writing(&before, now, age), expected, "{now:?} {age:?}");
        }
    }

    #[test]
    fn all_else_is_written_at_once() {
        let before = status(10, 0);
        let now = EventsGatewayStatus { ready_replicas: Some(1), ..before.clone() };
        assert!(worth_writing(&before, &now, Duration::ZERO));
    }
}
