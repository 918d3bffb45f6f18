//! The Service in front of the replicas.

use events_gateway_crds::rule::{Rule, rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metadata::Metadata;
use crate::text::{Cidr, ObjectName};

const RULES: &[Rule] = &[
    rule(
        "self.type == 'LoadBalancer' || (!has(self.loadBalancerClass) && !has(self.loadBalancerSourceRanges))",
        "loadBalancerClass and loadBalancerSourceRanges go only with type LoadBalancer",
    ),
    rule("self.type != 'ClusterIP' || !has(self.nodePort)", "nodePort goes only with type NodePort or LoadBalancer"),
    rule(
        "self.type != 'ClusterIP' || self.externalTrafficPolicy == 'Cluster'",
        "externalTrafficPolicy goes only with type NodePort or LoadBalancer",
    ),
];

/// The Service in front of the replicas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Service {
    /// How it is reached.
    #[serde(rename = "type")]
    pub kind: ServiceType,
    /// Its port.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: i32,
    /// The port on every node. Absent: Kubernetes picks one where the type has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub node_port: Option<i32>,
    /// Which load balancer. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_class: Option<ObjectName>,
    /// Who may reach the load balancer. Empty: everybody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub load_balancer_source_ranges: Vec<Cidr>,
    /// Whether nodes pass clients on to replicas elsewhere.
    pub external_traffic_policy: TrafficPolicy,
    /// Labels and annotations.
    pub metadata: Metadata,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            kind: ServiceType::ClusterIp,
            port: 80,
            node_port: None,
            load_balancer_class: None,
            load_balancer_source_ranges: Vec::new(),
            external_traffic_policy: TrafficPolicy::Cluster,
            metadata: Metadata::default(),
        }
    }
}

/// How a Service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Inside the cluster.
    #[serde(rename = "ClusterIP")]
    ClusterIp,
    /// At a port of every node.
    NodePort,
    /// Through a load balancer outside.
    LoadBalancer,
}

/// Whether nodes pass clients on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TrafficPolicy {
    /// To any replica; the client's address is lost.
    Cluster,
    /// Only to replicas on the same node.
    Local,
}
