//! How brokers are reached, and who the gateway is to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::form::{Form, OnDisk, Translate};
use crate::redis::ClientTls;
use crate::rule::{Rule, rule};
use crate::text::{Identifier, Url};

const RULES: &[Rule] = &[
    rule(
        "!has(self.tls) || self.protocol in ['ssl', 'sasl-ssl']",
        "tls goes only with protocol ssl or sasl-ssl: change the protocol or take tls out",
    ),
    rule(
        "has(self.sasl) || !(self.protocol in ['sasl-plaintext', 'sasl-ssl'])",
        "sasl is required with protocol sasl-plaintext or sasl-ssl",
    ),
    rule(
        "!has(self.sasl) || self.protocol in ['sasl-plaintext', 'sasl-ssl']",
        "sasl goes only with protocol sasl-plaintext or sasl-ssl: change the protocol or take sasl out",
    ),
];

/// How brokers are reached, and who the gateway is to them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, bound = "")]
#[schemars(bound = "", extend("x-kubernetes-validations" = RULES))]
pub struct Security<F: Form = OnDisk> {
    /// Whether connections are encrypted, and whether the gateway names itself.
    pub protocol: SecurityProtocol,
    /// How the brokers' certificates are checked, with protocols `ssl` and `sasl-ssl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls<F>>,
    /// Who the gateway is. Required with protocols `sasl-plaintext` and `sasl-ssl`, refused otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl<F>>,
}

impl<F: Form> Security<F> {
    /// The same in another form.
    pub fn translate<T: Form>(&self, leaves: &mut impl Translate<F, T>) -> Security<T> {
        Security {
            protocol: self.protocol,
            tls: self.tls.as_ref().map(|tls| tls.translate(leaves)),
            sasl: self.sasl.as_ref().map(|sasl| sasl.translate(leaves)),
        }
    }
}

/// Kafka's `security.protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    #[default]
    Plaintext,
    /// TLS, with a client certificate where `tls` has one.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

const SASL_RULES: &[Rule] = &[
    rule("self.mechanism != 'OAUTHBEARER' || has(self.oauth)", "oauth is required with OAUTHBEARER"),
    rule("self.mechanism == 'OAUTHBEARER' || !has(self.oauth)", "oauth goes only with OAUTHBEARER"),
    rule(
        "self.mechanism == 'OAUTHBEARER' || (has(self.username) && has(self.password))",
        "username and password are required with PLAIN and SCRAM",
    ),
    rule(
        "self.mechanism != 'OAUTHBEARER' || !(has(self.username) || has(self.password))",
        "username and password go only with PLAIN and SCRAM",
    ),
];

/// Who the gateway is to the brokers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, bound = "")]
#[schemars(bound = "", extend("x-kubernetes-validations" = SASL_RULES))]
pub struct Sasl<F: Form = OnDisk> {
    /// The mechanism.
    pub mechanism: SaslMechanism,
    /// The user, with PLAIN and SCRAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<F::Secret>,
    /// The user's password, with PLAIN and SCRAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<F::Secret>,
    /// Where tokens come from, with OAUTHBEARER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<Oauth<F>>,
}

impl<F: Form> Sasl<F> {
    /// The same in another form.
    pub fn translate<T: Form>(&self, leaves: &mut impl Translate<F, T>) -> Sasl<T> {
        Sasl {
            mechanism: self.mechanism,
            username: self.username.as_ref().map(|name| leaves.secret(name)),
            password: self.password.as_ref().map(|password| leaves.secret(password)),
            oauth: self.oauth.as_ref().map(|oauth| Oauth {
                token_endpoint: oauth.token_endpoint.clone(),
                client_id: oauth.client_id.clone(),
                client_secret: leaves.secret(&oauth.client_secret),
                scope: oauth.scope.clone(),
                ca_file: oauth.ca_file.as_ref().map(|file| leaves.authorities(file)),
            }),
        }
    }
}

/// Kafka's `sasl.mechanism`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SaslMechanism {
    /// User and password in the clear: only over TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// Challenge and response, SHA-256 (RFC 7677).
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Challenge and response, SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// OAuth 2.0 bearer tokens (RFC 7628).
    #[serde(rename = "OAUTHBEARER")]
    Oauthbearer,
}

const OAUTH_RULES: &[Rule] = &[rule(
    r"!self.tokenEndpoint.startsWith('http://') || self.tokenEndpoint.matches('^http://(localhost|127[.][0-9.]+|\\[::1\\])(:[0-9]+)?(/.*)?$')",
    "tokenEndpoint must be https: the client's secret is sent there",
)];

/// OAuth 2.0 client credentials (RFC 6749, section 4.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, bound = "")]
#[schemars(bound = "", extend("x-kubernetes-validations" = OAUTH_RULES))]
pub struct Oauth<F: Form = OnDisk> {
    /// URL that gives tokens; https, unless its host is this machine.
    pub token_endpoint: Url,
    /// The client's id.
    pub client_id: Identifier,
    /// The client's secret.
    pub client_secret: F::Secret,
    /// Scope to ask for; several are separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub scope: Option<String>,
    /// PEM file with the authorities that the endpoint's certificate is checked against. Absent: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<F::Authorities>,
}
