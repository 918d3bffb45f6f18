//! The public listener.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, HOUR, SECOND};
use crate::form::{Form, OnDisk, Translate};
use crate::rule::{Rule, rule};
use crate::text::{IpText, Network, Origin, PathPrefix};

/// The public listener: where browsers subscribe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, bound = "")]
#[schemars(bound = "")]
pub struct Listen<F: Form = OnDisk> {
    /// IP address to listen on; `::` takes IPv4 too.
    pub address: IpText,
    /// Port to listen on; 0 takes any free one.
    #[schemars(range(min = 0, max = 65_535))]
    pub port: i32,
    /// What every public path begins with: `GET {pathPrefix}/events` subscribes.
    pub path_prefix: PathPrefix,
    /// Most connections at a time, streams included. More wait in the kernel's queue. Each needs a file descriptor.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_connections: i32,
    /// Threads that serve connections. Absent: one for each core that the process may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_024))]
    pub workers: Option<i32>,
    /// How long a connection without a request is kept.
    pub keep_alive: Duration<SECOND, { 600 * SECOND }>,
    /// How long a client may take to send its request's head.
    pub head_timeout: Duration<SECOND, { 60 * SECOND }>,
    /// Networks of proxies whose `X-Forwarded-For` is believed. Empty: nobody's; the client is who connects.
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub trusted_proxies: Vec<Network>,
    /// Serves TLS (1.2 and 1.3) instead of plain HTTP. Absent: plain, for use behind an ingress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls<F>>,
    /// Which web pages of other origins may read the answers.
    pub cors: Cors,
}

impl<F: Form> Default for Listen<F> {
    fn default() -> Self {
        Self {
            address: "0.0.0.0".into(),
            port: 8080,
            path_prefix: "/api/v1".into(),
            max_connections: 10_000,
            workers: None,
            keep_alive: Duration::millis(5 * SECOND),
            head_timeout: Duration::millis(10 * SECOND),
            trusted_proxies: Vec::new(),
            tls: None,
            cors: Cors::default(),
        }
    }
}

impl<F: Form> Listen<F> {
    /// The same in another form.
    pub fn translate<T: Form>(&self, leaves: &mut impl Translate<F, T>) -> Listen<T> {
        Listen {
            address: self.address.clone(),
            port: self.port,
            path_prefix: self.path_prefix.clone(),
            max_connections: self.max_connections,
            workers: self.workers,
            keep_alive: self.keep_alive,
            head_timeout: self.head_timeout,
            trusted_proxies: self.trusted_proxies.clone(),
            tls: self
                .tls
                .as_ref()
                .map(|tls| ServerTls { cert_file: leaves.file(&tls.cert_file), key_file: leaves.file(&tls.key_file) }),
            cors: self.cors.clone(),
        }
    }
}

/// The certificate that a listener shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, bound = "")]
#[schemars(bound = "")]
pub struct ServerTls<F: Form = OnDisk> {
    /// PEM file with the certificate and the chain above it.
    pub cert_file: F::File,
    /// PEM file with the private key.
    pub key_file: F::File,
}

const CORS_RULES: &[Rule] = &[
    rule(
        "!self.credentials || !has(self.origins) || !('*' in self.origins)",
        "credentials must be false while origins has *: any page could act for the user",
    ),
    rule(
        "!has(self.origins) || size(self.origins) <= 1 || !('*' in self.origins)",
        "* stands for every origin: nothing can stand beside it",
    ),
];

/// Cross-origin requests (Fetch standard, section CORS). Without origins, browsers let only pages of the gateway's own
/// origin read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kubernetes-validations" = CORS_RULES))]
pub struct Cors {
    /// Origins that may read, compared exactly; `*` allows every page, and then `credentials` must be false.
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub origins: Vec<Origin>,
    /// Whether browsers may send cookies and read answers to requests that carried them.
    pub credentials: bool,
    /// How long browsers may remember the answer to a preflight.
    pub max_age: Duration<0, { 24 * HOUR }>,
}

impl Default for Cors {
    fn default() -> Self {
        Self { origins: Vec::new(), credentials: false, max_age: Duration::millis(HOUR) }
    }
}
