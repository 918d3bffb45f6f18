//! An Ingress.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metadata::Metadata;
use crate::text::{HostName, ObjectName};

/// An Ingress for `listen.pathPrefix`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ingress {
    /// Which controller serves it: the operator sets what streams need there (no buffering, long timeouts).
    #[serde(default)]
    pub controller: IngressController,
    /// Its class. Absent: the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_name: Option<ObjectName>,
    /// The hosts that it serves.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub hosts: Vec<HostName>,
    /// Secret with the certificate for them. Absent: plain HTTP, or what the controller does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret_name: Option<ObjectName>,
    /// Labels and annotations; what is given here wins over what the operator sets for the controller.
    #[serde(default)]
    pub metadata: Metadata,
}

/// Which ingress controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IngressController {
    /// Any: no annotations.
    #[default]
    Generic,
    /// Traefik.
    Traefik,
    /// HAProxy.
    Haproxy,
    /// nginx.
    Nginx,
}
