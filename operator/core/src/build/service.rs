//! The Services: the public one, and a headless one by which monitoring finds the admin listeners.

use events_gateway_resources::gateway::exposure::service::{ServiceType, TrafficPolicy};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::{metadata, pod};
use crate::kind::Kind;
use crate::validate::Validated;
use crate::{labels, names};

/// The value of [`labels::LISTENER`] on the admin listeners' Service.
pub(super) const ADMIN: &str = "admin";

pub(super) fn public(gateway: &Validated) -> Value {
    let wanted = &gateway.spec.exposure.service;
    let reaches_nodes = wanted.kind != ServiceType::ClusterIp;
    let ranges: Vec<String> = wanted.load_balancer_source_ranges.iter().map(|range| range.0.clone()).collect();
    let policy = match wanted.external_traffic_policy {
        TrafficPolicy::Cluster => "Cluster",
        TrafficPolicy::Local => "Local",
    };
    let service = Service {
        metadata: metadata::with(gateway, names::main(&gateway.name), &wanted.metadata, [].into()),
        spec: Some(ServiceSpec {
            type_: Some(
                match wanted.kind {
                    ServiceType::ClusterIp => "ClusterIP",
                    ServiceType::NodePort => "NodePort",
                    ServiceType::LoadBalancer => "LoadBalancer",
                }
                .into(),
            ),
            selector: Some(labels::selector(&gateway.name)),
            ports: Some(vec![ServicePort { node_port: wanted.node_port, ..port(pod::PUBLIC_PORT, wanted.port) }]),
            load_balancer_class: wanted.load_balancer_class.as_ref().map(|class| class.0.clone()),
            load_balancer_source_ranges: Some(ranges).filter(|ranges| !ranges.is_empty()),
            external_traffic_policy: reaches_nodes.then(|| policy.into()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    super::object(Kind::Service, &service)
}

pub(super) fn admin(gateway: &Validated) -> Value {
    let mut metadata = metadata::own(gateway, names::admin(&gateway.name));
    metadata.labels.get_or_insert_default().insert(labels::LISTENER.into(), ADMIN.into());
    let service = Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            cluster_ip: Some("None".into()),
            selector: Some(labels::selector(&gateway.name)),
            // A replica that isn't ready is the one whose metrics are wanted most.
            publish_not_ready_addresses: Some(true),
            ports: Some(vec![port(pod::ADMIN_PORT, gateway.spec.admin.port)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    super::object(Kind::Service, &service)
}

fn port(name: &str, port: i32) -> ServicePort {
    ServicePort {
        name: Some(name.into()),
        port,
        protocol: Some("TCP".into()),
        target_port: Some(IntOrString::String(name.into())),
        ..ServicePort::default()
    }
}
