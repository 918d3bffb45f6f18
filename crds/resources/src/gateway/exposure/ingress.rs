//! An Ingress.

use events_gateway_crds::rule::{Rule, rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metadata::Metadata;
use crate::text::{HostName, ObjectName};

const RULES: &[Rule] = &[
    rule(
        "!has(self.tls) || size(self.tls) == 0 || !has(self.tlsSecretName)",
        "tlsSecretName is one certificate for all hosts, tls has several: name one of both",
    ),
    rule(
        "!has(self.tls) || self.tls.all(one, one.hosts.all(host, host in self.hosts))",
        "tls has a certificate for a host that isn't among hosts: add it there, or take it out of tls",
    ),
];

/// An Ingress for `listen.pathPrefix`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = RULES))]
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
    /// How controllers compare paths.
    #[serde(default)]
    pub path_type: PathType,
    /// Secret with the certificate for them all. Absent: plain HTTP, or what the controller does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret_name: Option<ObjectName>,
    /// Secrets with certificates for some of the hosts each, in place of `tlsSecretName`. Hosts that none names are as without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["secretName"])
    )]
    pub tls: Vec<IngressTls>,
    /// Labels and annotations; what is given here wins over what the operator sets for the controller.
    #[serde(default)]
    pub metadata: Metadata,
}

impl Ingress {
    /// Whether there is a certificate for this host.
    #[must_use]
    pub fn has_certificate(&self, host: &HostName) -> bool {
        self.tls_secret_name.is_some() || self.tls.iter().any(|one| one.hosts.contains(host))
    }
}

/// A certificate for some of the hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressTls {
    /// The hosts.
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub hosts: Vec<HostName>,
    /// Secret with the certificate for them.
    pub secret_name: ObjectName,
}

/// How controllers compare paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum PathType {
    /// Segment by segment.
    #[default]
    Prefix,
    /// As the controller does by itself: for one that doesn't know `Prefix`.
    ImplementationSpecific,
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
