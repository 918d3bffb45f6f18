//! How the operator reaches a gateway's brokers: as the gateway does, with the same credentials.

use std::collections::BTreeMap;
use std::sync::Arc;

use events_gateway_crds::kafka::{Kafka, Sasl as Wanted, SaslMechanism};
use events_gateway_operator_core::configuration::references;
use events_gateway_operator_kafka::oauth::OAuth;
use events_gateway_operator_kafka::options::{Client, Identity, Login, Sasl, Tls};
use events_gateway_operator_kafka::{Cluster, Clusters};
use events_gateway_resources::EventsGateway;
use events_gateway_resources::form::{AuthoritiesKey, AuthoritiesSource, InCluster, SecretKey};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;

use super::Trouble;
use crate::context::Key;

/// Texts of keys of Secrets and ConfigMaps, by kind, name and key.
type Texts = BTreeMap<(&'static str, String, String), String>;

const SECRET: &str = "Secret";
const CONFIG_MAP: &str = "ConfigMap";

/// The cluster that a gateway reads from, shared by all that reach it as the same user.
pub(crate) async fn cluster(
    client: &kube::Client,
    clusters: &Clusters,
    key: &Key,
    gateway: &EventsGateway,
) -> Result<Arc<Cluster>, Trouble> {
    let texts = texts(client, key, gateway).await?;
    Ok(clusters.get(&options(&gateway.spec.kafka, &texts)?)?)
}

/// Reads what `kafka` refers to, and nothing else.
async fn texts(client: &kube::Client, key: &Key, gateway: &EventsGateway) -> Result<Texts, Trouble> {
    let mut only_kafka = gateway.spec.configuration();
    only_kafka.listen = Default::default();
    only_kafka.admin = Default::default();
    only_kafka.redis = Default::default();
    let refers = references(&only_kafka);
    let mut texts = Texts::new();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &key.0);
    for (name, keys) in refers.secrets {
        let secret = secrets.get(&name).await.map_err(|error| unread(SECRET, &name, error.to_string()))?;
        let data = secret.data.unwrap_or_default();
        for data_key in keys {
            let bytes = data.get(&data_key).ok_or_else(|| lacks(SECRET, &name, &data_key))?;
            let text = String::from_utf8(bytes.0.clone());
            let text = text.map_err(|_| unread(SECRET, &name, format!("{data_key} is no text")))?;
            texts.insert((SECRET, name.clone(), data_key), text);
        }
    }
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &key.0);
    for (name, keys) in refers.config_maps {
        let found = config_maps.get(&name).await.map_err(|error| unread(CONFIG_MAP, &name, error.to_string()))?;
        let mut data = found.data.unwrap_or_default();
        for data_key in keys {
            let text = data.remove(&data_key).ok_or_else(|| lacks(CONFIG_MAP, &name, &data_key))?;
            texts.insert((CONFIG_MAP, name.clone(), data_key), text);
        }
    }
    Ok(texts)
}

fn unread(kind: &'static str, name: &str, problem: String) -> Trouble {
    Trouble::Reference { kind, name: name.to_owned(), problem }
}

fn lacks(kind: &'static str, name: &str, key: &str) -> Trouble {
    unread(kind, name, format!("it has no key {key}"))
}

fn options(kafka: &Kafka<InCluster>, texts: &Texts) -> Result<Client, Trouble> {
    let found = |kind: &'static str, name: &str, key: &str| {
        texts.get(&(kind, name.to_owned(), key.to_owned())).cloned().ok_or_else(|| lacks(kind, name, key))
    };
    let text = |key: &SecretKey| found(SECRET, &key.name, &key.key);
    let authorities = |key: &AuthoritiesKey| match key.source() {
        AuthoritiesSource::Secret(key) => found(SECRET, &key.name, &key.key),
        AuthoritiesSource::ConfigMap(key) => found(CONFIG_MAP, &key.name, &key.key),
    };
    // One line end at the end of a secret doesn't count, as for the gateway.
    let secret = |key: &Option<SecretKey>| -> Result<String, Trouble> {
        let text = key.as_ref().map(&text).transpose()?.unwrap_or_default();
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
    };
    let security = &kafka.security;
    let tls = match &security.tls {
        Some(tls) => Some(Tls {
            authorities: tls.ca_file.as_ref().map(&authorities).transpose()?,
            identity: match (&tls.cert_file, &tls.key_file) {
                (Some(certificate), Some(key)) => Some(Identity { certificate: text(certificate)?, key: text(key)? }),
                _ => None,
            },
        }),
        None => is_encrypted(kafka).then(Tls::default),
    };
    let login = |sasl: &Wanted<InCluster>| -> Result<Login, Trouble> {
        Ok(Login { username: secret(&sasl.username)?, password: secret(&sasl.password)? })
    };
    let sasl = match &security.sasl {
        None => None,
        Some(sasl) => Some(match sasl.mechanism {
            SaslMechanism::Plain => Sasl::Plain(login(sasl)?),
            SaslMechanism::ScramSha256 => Sasl::ScramSha256(login(sasl)?),
            SaslMechanism::ScramSha512 => Sasl::ScramSha512(login(sasl)?),
            SaslMechanism::Oauthbearer => {
                let Some(oauth) = &sasl.oauth else { return Ok(Client::default()) };
                Sasl::OAuthBearer(OAuth {
                    endpoint: oauth.token_endpoint.0.clone(),
                    client_id: oauth.client_id.0.clone(),
                    client_secret: secret(&Some(oauth.client_secret.clone()))?,
                    scope: oauth.scope.clone(),
                    authorities: oauth.ca_file.as_ref().map(&authorities).transpose()?,
                })
            }
        }),
    };
    let bootstrap: Vec<&str> = kafka.bootstrap.iter().map(|node| node.0.as_str()).collect();
    let mut further: BTreeMap<String, String> =
        kafka.client_settings.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect();
    further.entry("client.id".into()).or_insert_with(|| "events-gateway-operator".into());
    Ok(Client { bootstrap: bootstrap.join(","), tls, sasl, further })
}

fn is_encrypted(kafka: &Kafka<InCluster>) -> bool {
    use events_gateway_crds::kafka::SecurityProtocol::{SaslSsl, Ssl};
    matches!(kafka.security.protocol, Ssl | SaslSsl)
}
