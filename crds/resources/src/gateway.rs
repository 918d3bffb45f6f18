//! `EventsGateway`: a gateway that runs on a cluster.

pub mod autoscaling;
pub mod consumption;
pub mod disruption;
pub mod exposure;
pub mod image;
pub mod monitoring;
pub mod network;
pub mod pod;
pub mod rollout;
pub mod rules;
pub mod status;
pub mod topics;

use events_gateway_crds::Gateway;
use events_gateway_crds::access::Access;
use events_gateway_crds::admin::Admin;
use events_gateway_crds::channels::Channels;
use events_gateway_crds::drain::Drain;
use events_gateway_crds::filters::Filter;
use events_gateway_crds::identity::Identity;
use events_gateway_crds::kafka::Kafka;
use events_gateway_crds::limits::Limits;
use events_gateway_crds::listen::Listen;
use events_gateway_crds::log::Log;
use events_gateway_crds::publish::Publish;
use events_gateway_crds::redis::Redis;
use events_gateway_crds::replica::Replica;
use events_gateway_crds::routes::Route;
use events_gateway_crds::streams::Streams;
use events_gateway_crds::views::View;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::form::InCluster;
pub use autoscaling::{Autoscaler, Autoscaling};
pub use consumption::Consumption;
pub use disruption::DisruptionBudget;
pub use exposure::Exposure;
pub use image::Image;
pub use monitoring::Monitoring;
pub use network::NetworkPolicy;
pub use pod::Pod;
pub use rollout::Rollout;
pub use status::EventsGatewayStatus;
pub use topics::Topics;

/// What is wanted of a gateway. Sections that its configuration file has too mean the same here.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "eventsgateway.dev",
    version = "v1alpha1",
    kind = "EventsGateway",
    singular = "eventsgateway",
    plural = "eventsgateways",
    shortname = "egw",
    namespaced,
    status = "EventsGatewayStatus",
    derive = "PartialEq",
    schema = "disabled",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether clients can connect.",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        description = "How many replicas are wanted now.",
        json_path = ".status.replicas"
    ),
    printcolumn(
        name = "Connections",
        type_ = "integer",
        description = "Open connections of all replicas.",
        json_path = ".status.connections.total"
    ),
    printcolumn(
        name = "Lag",
        type_ = "integer",
        description = "Records that wait in Kafka, over all bindings.",
        json_path = ".status.lag"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Protocol",
        type_ = "string",
        description = "The protocol that the consumer groups speak.",
        json_path = ".status.protocol",
        priority = 1
    ),
    printcolumn(
        name = "Autoscaler",
        type_ = "string",
        description = "What sets the number of replicas.",
        json_path = ".spec.autoscaling.type",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        description = "Why it is ready, or isn't.",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::SPEC))]
pub struct EventsGatewaySpec {
    /// What the replicas run.
    #[serde(default)]
    pub image: Image,
    /// How many replicas. Leave it out while `autoscaling` is on: the autoscaler writes it.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 1_000))]
    pub replicas: i32,
    /// Whether the operator leaves everything as it is. Status is still kept.
    #[serde(default)]
    pub paused: bool,
    /// The public listener: where browsers subscribe.
    #[serde(default)]
    pub listen: Listen<InCluster>,
    /// The admin listener: health, metrics and, with a token, inspection and control. Without a `token` the operator makes
    /// one, in a Secret of its own.
    #[serde(default)]
    pub admin: Admin<InCluster>,
    /// Where events are kept and announced to the other replicas.
    pub redis: Redis<InCluster>,
    /// Where events come from.
    pub kafka: Kafka<InCluster>,
    /// What the operator sees to in the consumer groups.
    #[serde(default)]
    pub consumption: Consumption,
    /// What the operator sees to in the topics.
    #[serde(default)]
    pub topics: Topics,
    /// How records that aren't in the default envelope become events: named routes that bindings refer to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub routes: Vec<Route>,
    /// Publishing over HTTP. Absent: nothing can be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Publish>,
    /// Who clients are. Absent: nobody is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity<InCluster>>,
    /// Who may do what. Denied is what no rule grants. Absent, and without `identity`: whoever reaches the public listener may do
    /// everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// What is left of events for whom: named views, of which `access` grants some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub views: Vec<View>,
    /// Filters by name that clients may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub filters: Vec<Filter>,
    /// What holds for channels: which are public, what is retained, what happens to slow subscribers.
    #[serde(default)]
    pub channels: Channels,
    /// What holds for each stream.
    #[serde(default)]
    pub streams: Streams,
    /// How a replica hands over when it is told to stop. The pod's grace period follows from it.
    #[serde(default)]
    pub drain: Drain,
    /// Bounds of a replica as a whole.
    #[serde(default)]
    pub limits: Limits,
    /// Logging.
    #[serde(default)]
    pub log: Log,
    /// A replica's claim to be alive. Its name and address are those of its pod.
    #[serde(default)]
    pub replica: Replica,
    /// What sets the number of replicas.
    #[serde(default)]
    pub autoscaling: Autoscaling,
    /// How clients reach it.
    #[serde(default)]
    pub exposure: Exposure,
    /// How many replicas may be evicted at a time.
    #[serde(default)]
    pub disruption_budget: DisruptionBudget,
    /// Who may reach the pods.
    #[serde(default)]
    pub network_policy: NetworkPolicy,
    /// What the Prometheus operator is told.
    #[serde(default)]
    pub monitoring: Monitoring,
    /// How a change reaches the replicas.
    #[serde(default)]
    pub rollout: Rollout,
    /// What is added to the pods.
    #[serde(default)]
    pub pod: Pod,
}

/// How many replicas there are where nothing is said. HPA takes a resource without replicas for switched off, so the API server
/// fills this in.
pub const DEFAULT_REPLICAS: i32 = 2;

fn default_replicas() -> i32 {
    DEFAULT_REPLICAS
}

impl EventsGatewaySpec {
    /// The sections that a gateway reads, as the configuration that they are.
    #[must_use]
    pub fn configuration(&self) -> Gateway<InCluster> {
        Gateway {
            listen: self.listen.clone(),
            admin: self.admin.clone(),
            redis: self.redis.clone(),
            kafka: self.kafka.clone(),
            routes: self.routes.clone(),
            publish: self.publish.clone(),
            identity: self.identity.clone(),
            access: self.access.clone(),
            views: self.views.clone(),
            filters: self.filters.clone(),
            channels: self.channels.clone(),
            streams: self.streams.clone(),
            drain: self.drain.clone(),
            limits: self.limits.clone(),
            log: self.log.clone(),
            replica: self.replica.clone(),
        }
    }
}
