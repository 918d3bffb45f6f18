//! The Kafka clients, as the configuration says.

use std::collections::BTreeMap;
use std::path::Path;

use events_gateway_core::Timestamp;

use super::GatewayError;
use super::files::{readable, secret};
use crate::clock;
use crate::config::kafka::{Authentication, Binding, GroupProtocol, Isolation, Scram, Start};
use crate::config::{Config, Secret};
use crate::producer::ProducerError;
use crate::revocation::reader::ReaderError;
use crate::source::kafka::KafkaSourceError;
use crate::source::kafka::oauth::OAuth;
use crate::source::kafka::options::{Client, Identity, Login, Sasl, Tls};
use crate::source::{self, kafka};

/// A client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// A consumer.
    #[error(transparent)]
    Source(#[from] KafkaSourceError),
    /// A producer.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// The reader of revocations.
    #[error(transparent)]
    Revocations(#[from] ReaderError),
}

/// How the brokers are reached.
pub fn client(config: &Config) -> Result<Client, GatewayError> {
    let kafka = &config.kafka;
    let security = &kafka.security;
    let bootstrap: Vec<String> = kafka.bootstrap.iter().map(|node| format!("{}:{}", node.host, node.port)).collect();
    let mut further: BTreeMap<String, String> = kafka.client_settings.clone();
    further.entry("client.id".to_owned()).or_insert_with(|| kafka.client_id.clone());
    let login = |username: &Secret, password: &Secret| -> Result<Login, GatewayError> {
        let read = |name: &str, value| secret(&format!("kafka.security.sasl.{name}"), value);
        Ok(Login { username: read("username", username)?, password: read("password", password)? })
    };
    Ok(Client {
        bootstrap: bootstrap.join(","),
        tls: match &security.tls {
            None => None,
            Some(tls) => Some(Tls {
                authorities: tls.ca_file.as_deref().map(|path| pem("caFile", path)).transpose()?,
                identity: match &tls.identity {
                    None => None,
                    Some(identity) => Some(Identity {
                        certificate: pem("certFile", &identity.cert_file)?,
                        key: pem("keyFile", &identity.key_file)?,
                    }),
                },
            }),
        },
        sasl: match &security.authentication {
            Authentication::None => None,
            Authentication::Plain { username, password } => Some(Sasl::Plain(login(username, password)?)),
            Authentication::Scram { hash: Scram::Sha256, username, password } => {
                Some(Sasl::ScramSha256(login(username, password)?))
            }
            Authentication::Scram { hash: Scram::Sha512, username, password } => {
                Some(Sasl::ScramSha512(login(username, password)?))
            }
            Authentication::Oauth(oauth) => Some(Sasl::OAuthBearer(OAuth {
                endpoint: oauth.token_endpoint.clone(),
                client_id: oauth.client_id.clone(),
                client_secret: secret("kafka.security.sasl.oauth.clientSecret", &oauth.client_secret)?,
                scope: oauth.scope.clone(),
                authorities: oauth.ca_file.as_deref().map(|path| pem("oauth.caFile", path)).transpose()?,
            })),
        },
        further,
    })
}

fn pem(name: &str, path: &Path) -> Result<String, GatewayError> {
    let bytes = readable(&format!("kafka.security.tls.{name}"), path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// One consumer of a binding's group.
#[must_use]
pub fn source_options(config: &Config, client: Client, binding: &Binding) -> kafka::Options {
    let topics: Vec<&str> = binding.topics.iter().map(String::as_str).collect();
    kafka::Options {
        protocol: match config.kafka.protocol {
            GroupProtocol::Auto => kafka::Protocol::Auto,
            GroupProtocol::Consumer => kafka::Protocol::Consumer,
            GroupProtocol::Classic => kafka::Protocol::Classic,
        },
        read_committed: binding.isolation == Isolation::ReadCommitted,
        session_timeout: config.kafka.session_timeout,
        revoke_within: config.kafka.revoke_timeout,
        ..kafka::Options::new(client, &binding.group_id, &topics)
    }
}

/// Where a group begins that has never committed.
#[must_use]
pub fn start(start: Start) -> source::Start {
    match start {
        Start::Earliest => source::Start::Earliest,
        Start::Latest => source::Start::Latest,
        Start::Error => source::Start::Error,
        Start::Ago(ago) => source::Start::At(Timestamp(clock::now().0.saturating_sub(ago.as_millis() as u64))),
    }
}
