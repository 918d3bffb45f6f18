//! Plans of resets: what a resource asks for, and what its status holds of it.

use std::collections::BTreeMap;

use events_gateway_operator_kafka::reset::{PartitionPlan as Planned, Plan, Target};
use events_gateway_resources::EventsGateway;
use events_gateway_resources::offset_reset::status::PartitionPlan;
use events_gateway_resources::offset_reset::{Position, Target as Wanted};
use events_gateway_resources::text::Sentence;
use k8s_openapi::jiff::Timestamp;

use crate::kafka::group_id;

/// What is asked for.
///
/// # Errors
/// With what is wrong with it; the API server's rules leave only times that aren't any.
pub(super) fn target(wanted: &Wanted) -> Result<Target, String> {
    Ok(match wanted.position {
        Position::Earliest => Target::Earliest,
        Position::Latest => Target::Latest,
        Position::Time => {
            let text = wanted.time.as_ref().map(|time| time.0.as_str()).unwrap_or_default();
            let time: Timestamp = text.parse().map_err(|_| format!("spec.to.time: {text} is no time (RFC 3339)"))?;
            Target::Time(time.as_millisecond())
        }
        Position::Ago => {
            let ago = wanted.ago.ok_or("spec.to.ago is required with position Ago")?;
            Target::Ago(i64::try_from(ago.get().as_millis()).unwrap_or(i64::MAX))
        }
        Position::Offsets => {
            let offsets = wanted.offsets.iter().flatten();
            Target::Offsets(offsets.map(|one| ((one.topic.0.clone(), one.partition), one.offset)).collect())
        }
    })
}

/// A plan as the status tells it.
pub(super) fn told(plan: &Plan, gateway: &EventsGateway) -> Vec<PartitionPlan> {
    let bindings: BTreeMap<String, _> =
        gateway.spec.kafka.bindings.iter().map(|binding| (group_id(binding), binding.name.clone())).collect();
    let each = plan.partitions.iter().map(|one| PartitionPlan {
        topic: one.topic.as_str().into(),
        partition: one.partition,
        binding: bindings.get(&one.group).cloned().unwrap_or_else(|| "none".into()),
        from: one.from,
        to: one.to.max(0),
        done: false,
        problem: one.problem.as_deref().map(Sentence::from),
    });
    each.collect()
}

/// The plan that the status tells, to be carried out.
pub(super) fn read(partitions: &[PartitionPlan], gateway: &EventsGateway) -> Plan {
    let groups: BTreeMap<&str, String> =
        gateway.spec.kafka.bindings.iter().map(|binding| (binding.name.0.as_str(), group_id(binding))).collect();
    let each = partitions.iter().filter_map(|one| {
        Some(Planned {
            group: groups.get(one.binding.0.as_str())?.clone(),
            topic: one.topic.0.clone(),
            partition: one.partition,
            from: one.from,
            to: one.to,
            low: 0,
            high: i64::MAX,
            problem: one.problem.as_ref().map(|problem| problem.0.clone()),
        })
    });
    Plan { time: None, partitions: each.collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_read_back_as_it_was_told() {
        let gateway: EventsGateway = serde_json::from_value(json!({
            "apiVersion": "eventsgateway.dev/v1alpha1", "kind": "EventsGateway", "metadata": { "name": "events" },
            "spec": {
                "redis": { "nodes": ["redis:6379"] },
                "kafka": { "bootstrap": ["kafka:9092"], "bindings": [{ "name": "orders", "topics": ["t"] }] },
            },
        }))
        .unwrap();
        let planned = |partition, problem: Option<&str>| Planned {
            group: "events-gateway-orders".into(),
            topic: "t".into(),
            partition,
            from: Some(7),
            to: 3,
            low: 0,
            high: i64::MAX,
            problem: problem.map(str::to_owned),
        };
        let plan = Plan { time: None, partitions: vec![planned(0, None), planned(1, Some("outside"))] };
        let told = told(&plan, &gateway);
        assert_eq!((told[0].binding.0.as_str(), told[0].to, told[0].done), ("orders", 3, false));
        assert_eq!(read(&told, &gateway), plan);
    }

    #[test]
    fn targets_are_what_the_resource_says() {
        let wanted = |value| target(&serde_json::from_value(value).unwrap());
        assert_eq!(wanted(json!({ "position": "Earliest" })), Ok(Target::Earliest));
        assert_eq!(wanted(json!({ "position": "Ago", "ago": "2s" })), Ok(Target::Ago(2_000)));
        assert_eq!(wanted(json!({ "position": "Time", "time": "1970-01-01T00:00:01.5Z" })), Ok(Target::Time(1_500)));
        assert!(
            wanted(json!({ "position": "Time", "time": "2026-13-01T00:00:00Z" })).unwrap_err().contains("RFC 3339")
        );
        let offsets = json!({ "position": "Offsets", "offsets": [{ "topic": "t", "partition": 1, "offset": 9 }] });
        assert_eq!(wanted(offsets), Ok(Target::Offsets([(("t".to_owned(), 1), 9)].into())));
    }
}
