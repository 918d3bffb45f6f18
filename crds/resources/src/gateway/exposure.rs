//! How clients reach a gateway.

pub mod http_route;
pub mod ingress;
pub mod service;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use http_route::HttpRoute;
pub use ingress::Ingress;
pub use service::Service;

/// How clients reach it. The admin port is never exposed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Exposure {
    /// The Service in front of the replicas.
    pub service: Service,
    /// An Ingress that leads to it. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// An HTTPRoute of the Gateway API that leads to it. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_route: Option<HttpRoute>,
}
