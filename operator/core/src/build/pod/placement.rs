//! Where replicas run.

use events_gateway_resources::gateway::pod::{Pod, Spread, TaintEffect, TolerationOperator, Unsatisfiable};
use k8s_openapi::api::core::v1::{Toleration, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::labels;
use crate::validate::Validated;

pub(super) fn tolerations(pod: &Pod) -> Option<Vec<Toleration>> {
    let tolerations: Vec<Toleration> = pod
        .tolerations
        .iter()
        .map(|wanted| Toleration {
            key: wanted.key.as_ref().map(|key| key.0.clone()),
            operator: Some(
                match wanted.operator {
                    TolerationOperator::Equal => "Equal",
                    TolerationOperator::Exists => "Exists",
                }
                .into(),
            ),
            value: wanted.value.as_ref().map(|value| value.0.clone()),
            effect: Some(
                match wanted.effect {
                    TaintEffect::NoSchedule => "NoSchedule",
                    TaintEffect::PreferNoSchedule => "PreferNoSchedule",
                    TaintEffect::NoExecute => "NoExecute",
                }
                .into(),
            ),
            toleration_seconds: wanted.lasting.map(|time| i64::try_from(time.get().as_secs()).unwrap_or(i64::MAX)),
        })
        .collect();
    Some(tolerations).filter(|tolerations| !tolerations.is_empty())
}

/// Nodes and zones, unless something else is wanted. Each generation of pods is spread by itself, or a rollout would crowd
/// the new pods where the old ones weren't.
pub(super) fn spread(gateway: &Validated) -> Vec<TopologySpreadConstraint> {
    let default = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map(|key| Spread {
        topology_key: key.into(),
        max_skew: 1,
        when_unsatisfiable: Unsatisfiable::ScheduleAnyway,
    });
    let wanted = &gateway.spec.pod.spread;
    let wanted = if wanted.is_empty() { default.as_slice() } else { wanted };
    let constraint = |wanted: &Spread| TopologySpreadConstraint {
        topology_key: wanted.topology_key.0.clone(),
        max_skew: wanted.max_skew,
        when_unsatisfiable: match wanted.when_unsatisfiable {
            Unsatisfiable::ScheduleAnyway => "ScheduleAnyway",
            Unsatisfiable::DoNotSchedule => "DoNotSchedule",
        }
        .into(),
        label_selector: Some(LabelSelector {
            match_labels: Some(labels::selector(&gateway.name)),
            ..LabelSelector::default()
        }),
        match_label_keys: Some(vec!["pod-template-hash".into()]),
        ..TopologySpreadConstraint::default()
    };
    wanted.iter().map(constraint).collect()
}
