//! How brokers are reached, and who the gateway is to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::redis::ClientTls;
use crate::secret::Secret;
use crate::text::{FilePath, Identifier, Url};

/// How brokers are reached, and who the gateway is to them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Security {
    /// Whether connections are encrypted, and whether the gateway names itself.
    pub protocol: SecurityProtocol,
    /// How the brokers' certificates are checked, with protocols `ssl` and `sasl-ssl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
    /// Who the gateway is. Required with protocols `sasl-plaintext` and `sasl-ssl`, refused otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
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

/// Who the gateway is to the brokers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sasl {
    /// The mechanism.
    pub mechanism: SaslMechanism,
    /// The user, with PLAIN and SCRAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Secret>,
    /// The user's password, with PLAIN and SCRAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Where tokens come from, with OAUTHBEARER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<Oauth>,
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

/// OAuth 2.0 client credentials (RFC 6749, section 4.4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Oauth {
    /// URL that gives tokens; https, unless its host is this machine.
    pub token_endpoint: Url,
    /// The client's id.
    pub client_id: Identifier,
    /// The client's secret.
    pub client_secret: Secret,
    /// Scope to ask for; several are separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub scope: Option<String>,
    /// PEM file with the authorities that the endpoint's certificate is checked against. Absent: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<FilePath>,
}
