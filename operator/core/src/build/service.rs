//! The Services: the public one, and a headless one by which monitoring finds the admin listeners.

use events_gateway_resources::gateway::exposure::service::{
    IpFamily, IpFamilyPolicy, ServiceType, TrafficDistribution, TrafficPolicy,
};
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
    let families: Vec<String> = wanted.ip_families.iter().map(|one| family(*one).into()).collect();
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
            allocate_load_balancer_node_ports: wanted.allocate_load_balancer_node_ports,
            external_traffic_policy: reaches_nodes.then(|| policy(wanted.external_traffic_policy).into()),
            health_check_node_port: wanted.health_check_node_port,
            internal_traffic_policy: Some(policy(wanted.internal_traffic_policy).into()),
            traffic_distribution: wanted.traffic_distribution.map(|one| distribution(one).into()),
            ip_family_policy: wanted.ip_family_policy.map(|one| family_policy(one).into()),
            ip_families: Some(families).filter(|families| !families.is_empty()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    super::object(Kind::Service, &service)
}

fn policy(policy: TrafficPolicy) -> &'static str {
    match policy {
        TrafficPolicy::Cluster => "Cluster",
        TrafficPolicy::Local => "Local",
    }
}

fn distribution(distribution: TrafficDistribution) -> &'static str {
    match distribution {
        TrafficDistribution::PreferClose => "PreferClose",
        TrafficDistribution::PreferSameZone => "PreferSameZone",
        TrafficDistribution::PreferSameNode => "PreferSameNode",
    }
}

fn family_policy(policy: IpFamilyPolicy) -> &'static str {
    match policy {
        IpFamilyPolicy::SingleStack => "SingleStack",
        IpFamilyPolicy::PreferDualStack => "PreferDualStack",
        IpFamilyPolicy::RequireDualStack => "RequireDualStack",
    }
}

fn family(family: IpFamily) -> &'static str {
    match family {
        IpFamily::V4 => "IPv4",
        IpFamily::V6 => "IPv6",
    }
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
