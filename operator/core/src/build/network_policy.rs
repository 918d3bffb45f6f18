//! Who may reach the pods: clients the public listener, the operator and monitoring the admin listener, nobody else.

use events_gateway_resources::gateway::network::Peer;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::{metadata, pod};
use crate::kind::Kind;
use crate::validate::Validated;
use crate::{labels, names};

pub(super) fn network_policy(gateway: &Validated) -> Option<Value> {
    let wanted = &gateway.spec.network_policy;
    if !wanted.enabled {
        return None;
    }
    let clients: Vec<_> = wanted.clients.iter().map(peer).collect();
    let public = NetworkPolicyIngressRule {
        ports: Some(vec![port(pod::PUBLIC_PORT)]),
        // No peers at all would be nobody: absent is everybody.
        from: Some(clients).filter(|clients| !clients.is_empty()),
    };
    let monitors: Vec<_> = operator(gateway).into_iter().chain(wanted.monitors.iter().map(peer)).collect();
    let admin = NetworkPolicyIngressRule { ports: Some(vec![port(pod::ADMIN_PORT)]), from: Some(monitors) };
    let is_reached = admin.from.as_ref().is_some_and(|from| !from.is_empty());
    let policy = NetworkPolicy {
        metadata: metadata::own(gateway, names::main(&gateway.name)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(labels::selector(&gateway.name)),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".into()]),
            ingress: Some(std::iter::once(public).chain(Some(admin).filter(|_| is_reached)).collect()),
            egress: None,
        }),
    };
    Some(super::object(Kind::NetworkPolicy, &policy))
}

/// The operator's own pods.
fn operator(gateway: &Validated) -> Option<NetworkPolicyPeer> {
    let namespace = gateway.operator_namespace.as_ref()?;
    Some(NetworkPolicyPeer {
        namespace_selector: Some(selector([("kubernetes.io/metadata.name".into(), namespace.clone())])),
        pod_selector: Some(selector([("app.kubernetes.io/name".into(), labels::MANAGER.into())])),
        ip_block: None,
    })
}

fn peer(wanted: &Peer) -> NetworkPolicyPeer {
    let of = |labels: &std::collections::BTreeMap<String, events_gateway_resources::text::LabelValue>| {
        (!labels.is_empty()).then(|| selector(labels.iter().map(|(key, value)| (key.clone(), value.0.clone()))))
    };
    NetworkPolicyPeer {
        namespace_selector: of(&wanted.namespace_labels),
        pod_selector: of(&wanted.pod_labels),
        ip_block: None,
    }
}

fn selector(labels: impl IntoIterator<Item = (String, String)>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels.into_iter().collect()), ..LabelSelector::default() }
}

fn port(name: &str) -> NetworkPolicyPort {
    NetworkPolicyPort { port: Some(IntOrString::String(name.into())), protocol: Some("TCP".into()), end_port: None }
}
