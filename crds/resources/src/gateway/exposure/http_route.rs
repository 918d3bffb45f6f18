//! An HTTPRoute of the Gateway API.

use events_gateway_crds::text::Label;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metadata::Metadata;
use crate::text::{HostName, ObjectName};

/// An HTTPRoute for `listen.pathPrefix`, without a limit to how long a request may last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRoute {
    /// The Gateways that serve it.
    #[schemars(length(min = 1, max = 8))]
    pub parents: Vec<ParentReference>,
    /// The hosts that it serves. Empty: those of the Gateways' listeners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub hosts: Vec<HostName>,
    /// Labels and annotations.
    #[serde(default)]
    pub metadata: Metadata,
}

/// A Gateway of the Gateway API. It may be in another namespace; whether it takes the route is its own decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// Its name.
    pub name: ObjectName,
    /// Its namespace. Absent: the resource's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Label>,
    /// The name of one of its listeners. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<ObjectName>,
    /// The port of its listeners. Absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<i32>,
}
