//! Near what replicas run, and away from what.

use std::collections::BTreeMap;

use events_gateway_resources::gateway::pod::affinity::{
    Affinity as Wanted, NodeExpression, NodeOperator, PodAffinity as WantedPods, PodOperator, PodTerm,
};
use events_gateway_resources::text::LabelValue;
use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinity, PodAffinityTerm,
    PodAntiAffinity, PreferredSchedulingTerm, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// What is wanted, or nothing where nothing is.
pub(super) fn affinity(wanted: &Wanted) -> Option<Affinity> {
    let pods = pods(&wanted.pod_affinity).map(|(required, preferred)| PodAffinity {
        required_during_scheduling_ignored_during_execution: required,
        preferred_during_scheduling_ignored_during_execution: preferred,
    });
    let anti = self::pods(&wanted.pod_anti_affinity).map(|(required, preferred)| PodAntiAffinity {
        required_during_scheduling_ignored_during_execution: required,
        preferred_during_scheduling_ignored_during_execution: preferred,
    });
    let affinity = Affinity { node_affinity: nodes(wanted), pod_affinity: pods, pod_anti_affinity: anti };
    (affinity != Affinity::default()).then_some(affinity)
}

fn nodes(wanted: &Wanted) -> Option<NodeAffinity> {
    let wanted = &wanted.node_affinity;
    let term = |expressions: &[NodeExpression]| NodeSelectorTerm {
        match_expressions: Some(expressions.iter().map(node_requirement).collect()),
        match_fields: None,
    };
    let required = some(wanted.required.iter().map(|one| term(&one.match_expressions)));
    let preferred = some(
        wanted
            .preferred
            .iter()
            .map(|one| PreferredSchedulingTerm { weight: one.weight, preference: term(&one.match_expressions) }),
    );
    let affinity = NodeAffinity {
        required_during_scheduling_ignored_during_execution: required
            .map(|node_selector_terms| NodeSelector { node_selector_terms }),
        preferred_during_scheduling_ignored_during_execution: preferred,
    };
    (affinity != NodeAffinity::default()).then_some(affinity)
}

fn node_requirement(wanted: &NodeExpression) -> NodeSelectorRequirement {
    let operator = match wanted.operator {
        NodeOperator::In => "In",
        NodeOperator::NotIn => "NotIn",
        NodeOperator::Exists => "Exists",
        NodeOperator::DoesNotExist => "DoesNotExist",
        NodeOperator::Gt => "Gt",
        NodeOperator::Lt => "Lt",
    };
    NodeSelectorRequirement { key: wanted.key.0.clone(), operator: operator.into(), values: values(&wanted.values) }
}

type Terms = (Option<Vec<PodAffinityTerm>>, Option<Vec<WeightedPodAffinityTerm>>);

fn pods(wanted: &WantedPods) -> Option<Terms> {
    let required = some(wanted.required.iter().map(pod_term));
    let preferred = some(
        wanted
            .preferred
            .iter()
            .map(|one| WeightedPodAffinityTerm { weight: one.weight, pod_affinity_term: pod_term(&one.term) }),
    );
    (required.is_some() || preferred.is_some()).then_some((required, preferred))
}

/// Without namespaces: the pods' own.
fn pod_term(wanted: &PodTerm) -> PodAffinityTerm {
    let expressions = some(wanted.match_expressions.iter().map(|one| {
        let operator = match one.operator {
            PodOperator::In => "In",
            PodOperator::NotIn => "NotIn",
            PodOperator::Exists => "Exists",
            PodOperator::DoesNotExist => "DoesNotExist",
        };
        LabelSelectorRequirement { key: one.key.0.clone(), operator: operator.into(), values: values(&one.values) }
    }));
    let labels: BTreeMap<String, String> =
        wanted.match_labels.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    let selector = LabelSelector {
        match_labels: Some(labels).filter(|labels| !labels.is_empty()),
        match_expressions: expressions,
    };
    PodAffinityTerm {
        topology_key: wanted.topology_key.0.clone(),
        label_selector: Some(selector),
        ..PodAffinityTerm::default()
    }
}

fn values(values: &[LabelValue]) -> Option<Vec<String>> {
    some(values.iter().map(|value| value.0.clone()))
}

/// The items, where there are any.
fn some<T>(items: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let items: Vec<T> = items.collect();
    (!items.is_empty()).then_some(items)
}
