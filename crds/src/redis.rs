//! Redis: where events are kept and announced.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{Duration, MINUTE, SECOND};
use crate::form::{Form, OnDisk, Translate};
use crate::rule::{Rule, rule};
use crate::text::{HostPort, Identifier, KeyPrefix};

const CREDENTIALS: Rule = rule("!has(self.username) || has(self.password)", "password is required beside username");

const RULES: &[Rule] = &[
    rule(
        "self.mode == 'memory' || (has(self.nodes) && size(self.nodes) > 0)",
        "nodes is required: where Redis, or its sentinels, are reached",
    ),
    rule(
        "self.mode != 'standalone' || !has(self.nodes) || size(self.nodes) <= 1",
        "nodes takes one address with mode standalone: name the mode (sentinel or cluster) or one address",
    ),
    rule("self.mode != 'sentinel' || has(self.sentinel)", "sentinel.master is required with mode sentinel"),
    rule("self.mode == 'sentinel' || !has(self.sentinel)", "sentinel goes only with mode sentinel"),
    CREDENTIALS,
];

/// Redis 7 or newer, with `maxmemory-policy noeviction`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, bound = "")]
#[schemars(bound = "", extend("x-kubernetes-validations" = RULES))]
pub struct Redis<F: Form = OnDisk> {
    /// How Redis is run.
    pub mode: RedisMode,
    /// Addresses: of the one server (standalone), of the sentinels, or of some nodes of the cluster. Required unless the
    /// mode is `memory`.
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub nodes: Vec<HostPort>,
    /// How to ask the sentinels. Required with mode `sentinel`, refused otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<Sentinel<F>>,
    /// The ACL user. Absent: Redis' default user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<F::Secret>,
    /// The password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<F::Secret>,
    /// Speaks TLS with Redis (and the sentinels). Absent: plain TCP. `tls: {}` trusts the public authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls<F>>,
    /// What every key and shard channel begins with. Gateways that share a Redis and don't belong together need
    /// different ones.
    pub prefix: KeyPrefix,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration<{ SECOND / 10 }, MINUTE>,
    /// How long Redis may take to answer; then the call counts as failed and is repeated.
    pub command_timeout: Duration<{ SECOND / 10 }, MINUTE>,
}

impl<F: Form> Default for Redis<F> {
    fn default() -> Self {
        Self {
            mode: RedisMode::Standalone,
            nodes: Vec::new(),
            sentinel: None,
            username: None,
            password: None,
            tls: None,
            prefix: "egw:".into(),
            connect_timeout: Duration::millis(2 * SECOND),
            command_timeout: Duration::millis(2 * SECOND),
        }
    }
}

impl<F: Form> Redis<F> {
    /// The same in another form.
    pub fn translate<T: Form>(&self, leaves: &mut impl Translate<F, T>) -> Redis<T> {
        Redis {
            mode: self.mode,
            nodes: self.nodes.clone(),
            sentinel: self.sentinel.as_ref().map(|sentinel| Sentinel {
                master: sentinel.master.clone(),
                username: sentinel.username.as_ref().map(|name| leaves.secret(name)),
                password: sentinel.password.as_ref().map(|password| leaves.secret(password)),
            }),
            username: self.username.as_ref().map(|name| leaves.secret(name)),
            password: self.password.as_ref().map(|password| leaves.secret(password)),
            tls: self.tls.as_ref().map(|tls| tls.translate(leaves)),
            prefix: self.prefix.clone(),
            connect_timeout: self.connect_timeout,
            command_timeout: self.command_timeout,
        }
    }
}

/// How Redis is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RedisMode {
    /// One server.
    Standalone,
    /// A primary with replicas, watched by sentinels.
    Sentinel,
    /// Redis Cluster.
    Cluster,
    /// No Redis: events are kept in this process and lost with it. For one replica only: development, demonstrations.
    Memory,
}

/// How to find the primary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, bound = "")]
#[schemars(bound = "", extend("x-kubernetes-validations" = [CREDENTIALS]))]
pub struct Sentinel<F: Form = OnDisk> {
    /// The name under which the sentinels know the primary.
    pub master: Identifier,
    /// The sentinels' own ACL user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<F::Secret>,
    /// The sentinels' own password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<F::Secret>,
}

const PAIR: Rule =
    rule("has(self.certFile) == has(self.keyFile)", "certFile and keyFile go together: name both or none");

/// How a server's certificate is checked, and which certificate is shown to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, bound = "")]
#[schemars(bound = "", extend("x-kubernetes-validations" = [PAIR]))]
pub struct ClientTls<F: Form = OnDisk> {
    /// PEM file with the authorities to trust. Absent: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<F::Authorities>,
    /// PEM file with the gateway's own certificate, where the server asks for one; goes together with `keyFile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<F::File>,
    /// PEM file with the private key of `certFile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<F::File>,
}

impl<F: Form> Default for ClientTls<F> {
    fn default() -> Self {
        Self { ca_file: None, cert_file: None, key_file: None }
    }
}

impl<F: Form> ClientTls<F> {
    /// The same in another form.
    pub fn translate<T: Form>(&self, leaves: &mut impl Translate<F, T>) -> ClientTls<T> {
        ClientTls {
            ca_file: self.ca_file.as_ref().map(|file| leaves.authorities(file)),
            cert_file: self.cert_file.as_ref().map(|file| leaves.file(file)),
            key_file: self.key_file.as_ref().map(|file| leaves.file(file)),
        }
    }
}
