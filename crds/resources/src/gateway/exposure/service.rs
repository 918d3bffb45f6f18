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
    rule(
        "self.type == 'LoadBalancer' || !has(self.allocateLoadBalancerNodePorts)",
        "allocateLoadBalancerNodePorts goes only with type LoadBalancer",
    ),
    rule(
        "!has(self.healthCheckNodePort) || (self.type == 'LoadBalancer' && self.externalTrafficPolicy == 'Local')",
        "healthCheckNodePort goes only with type LoadBalancer and externalTrafficPolicy Local",
    ),
    rule(
        "!has(self.ipFamilies) || size(self.ipFamilies) < 2 || (has(self.ipFamilyPolicy) && self.ipFamilyPolicy != 'SingleStack')",
        "ipFamilyPolicy must be PreferDualStack or RequireDualStack with two ipFamilies",
    ),
];

/// The Service in front of the replicas. It has no session affinity: a stream resumes on any replica, and a client that is sent
/// on by a replica that drains or is full has to meet another one.
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
    /// Whether the load balancer goes through ports of the nodes. Absent: the cluster's default, which is that it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocate_load_balancer_node_ports: Option<bool>,
    /// Whether nodes pass clients from outside on to replicas elsewhere.
    pub external_traffic_policy: TrafficPolicy,
    /// The port at which load balancers ask nodes whether they have a replica, with `externalTrafficPolicy: Local`. Absent:
    /// Kubernetes picks one. It can't be changed once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub health_check_node_port: Option<i32>,
    /// Whether nodes pass clients from inside the cluster on to replicas elsewhere.
    pub internal_traffic_policy: TrafficPolicy,
    /// Which replicas clients had better meet. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_distribution: Option<TrafficDistribution>,
    /// Whether it has addresses of one family or of both. Absent: the cluster's default, one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_family_policy: Option<IpFamilyPolicy>,
    /// The families of its addresses, the first one first; that can't be changed later. Empty: the cluster's default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub ip_families: Vec<IpFamily>,
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
            allocate_load_balancer_node_ports: None,
            external_traffic_policy: TrafficPolicy::Cluster,
            health_check_node_port: None,
            internal_traffic_policy: TrafficPolicy::Cluster,
            traffic_distribution: None,
            ip_family_policy: None,
            ip_families: Vec::new(),
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

/// Which replicas clients had better meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TrafficDistribution {
    /// Near ones: in the same zone.
    PreferClose,
    /// Those in the same zone (Kubernetes 1.34).
    PreferSameZone,
    /// Those on the same node (Kubernetes 1.34).
    PreferSameNode,
}

/// How many families of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IpFamilyPolicy {
    /// One.
    SingleStack,
    /// Both where the cluster has both.
    PreferDualStack,
    /// Both.
    RequireDualStack,
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IpFamily {
    /// IPv4.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    V6,
}
