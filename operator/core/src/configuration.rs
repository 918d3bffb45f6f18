//! The configuration file that a gateway's pods read, made of its resource.
//!
//! Only what differs from the defaults is written: so a release that adds a key changes no file, and a replica of an older
//! image is never given a key that it doesn't know.

use std::collections::{BTreeMap, BTreeSet};

use events_gateway_crds::form::{OnDisk, Translate};
use events_gateway_crds::secret::Secret;
use events_gateway_crds::text::FilePath;
use events_gateway_crds::{Gateway, schema};
use events_gateway_resources::form::{AuthoritiesKey, AuthoritiesSource, ConfigMapKey, InCluster, SecretKey};
use serde_json::Value;

/// Where pods find what the operator gives them.
pub const DIRECTORY: &str = "/etc/events-gateway";
/// Where in it the configuration file is. Not above the secrets: nothing can be mounted inside a ConfigMap.
pub const CONFIG: &str = "/etc/events-gateway/config";
/// The name of the configuration file there, and in the ConfigMap.
pub const FILE: &str = "config.yaml";

/// Names of objects, and the keys of them that are read.
pub type Keys = BTreeMap<String, BTreeSet<String>>;

/// What a resource refers to, all in its own namespace.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct References {
    /// Secrets.
    pub secrets: Keys,
    /// ConfigMaps.
    pub config_maps: Keys,
}

/// A configuration file, and the objects whose keys it names as files.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// YAML.
    pub text: String,
    /// All that pods read beside it.
    pub references: References,
}

impl Configuration {
    /// Renders the sections of a resource.
    #[must_use]
    pub fn render(gateway: &Gateway<InCluster>) -> Self {
        let mut files = Files::default();
        let gateway = gateway.translate(&mut files);
        // Texts, numbers, lists and maps with text keys: nothing here can fail.
        let mut document = serde_json::to_value(&gateway).expect("a configuration is plain values");
        without_defaults(&mut document, schema::gateway());
        let text = serde_saphyr::to_string(&document).expect("plain values are written as YAML");
        Self { text, references: files.references }
    }
}

/// What a resource refers to.
#[must_use]
pub fn references(gateway: &Gateway<InCluster>) -> References {
    let mut files = Files::default();
    gateway.translate(&mut files);
    files.references
}

/// Where pods find a Secret.
#[must_use]
pub fn secret_directory(name: &str) -> String {
    format!("{DIRECTORY}/secrets/{name}")
}

/// Where pods find a ConfigMap.
#[must_use]
pub fn config_map_directory(name: &str) -> String {
    format!("{DIRECTORY}/config-maps/{name}")
}

/// References become paths, and are remembered.
#[derive(Debug, Default)]
struct Files {
    references: References,
}

impl Files {
    fn of_secret(&mut self, key: &SecretKey) -> FilePath {
        self.references.secrets.entry(key.name.0.clone()).or_default().insert(key.key.0.clone());
        FilePath(format!("{}/{}", secret_directory(&key.name), key.key.0))
    }

    fn of_config_map(&mut self, key: &ConfigMapKey) -> FilePath {
        self.references.config_maps.entry(key.name.0.clone()).or_default().insert(key.key.0.clone());
        FilePath(format!("{}/{}", config_map_directory(&key.name), key.key.0))
    }
}

impl Translate<InCluster, OnDisk> for Files {
    fn secret(&mut self, secret: &SecretKey) -> Secret {
        Secret { file: Some(self.of_secret(secret)), ..Secret::default() }
    }

    fn file(&mut self, file: &SecretKey) -> FilePath {
        self.of_secret(file)
    }

    fn authorities(&mut self, authorities: &AuthoritiesKey) -> FilePath {
        match authorities.source() {
            AuthoritiesSource::Secret(key) => self.of_secret(&key),
            AuthoritiesSource::ConfigMap(key) => self.of_config_map(&key),
        }
    }
}

/// Takes out what the schema has as default.
fn without_defaults(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => map.retain(|key, child| {
            let known = &schema["properties"][key];
            let known = if known.is_null() { &schema["additionalProperties"] } else { known };
            if known.get("default") == Some(child) {
                return false;
            }
            let was_section = child.as_object().is_some_and(|child| !child.is_empty());
            without_defaults(child, known);
            // A section of defaults only; one that is absent by default says something by being there.
            let is_empty = child.as_object().is_some_and(serde_json::Map::is_empty);
            !(was_section && is_empty && known.get("default").is_some())
        }),
        Value::Array(items) => items.iter_mut().for_each(|item| without_defaults(item, &schema["items"])),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use events_gateway_config::Environment;
    use events_gateway_resources::EventsGatewaySpec;
    use serde_json::json;

    use super::*;

    fn configuration(spec: Value) -> Configuration {
        let spec: EventsGatewaySpec = serde_json::from_value(spec).unwrap();
        Configuration::render(&spec.configuration())
    }

    fn least() -> Value {
        json!({
            "redis": { "nodes": ["redis:6379"] },
            "kafka": { "bootstrap": ["kafka:9092"], "bindings": [{ "name": "events", "topics": ["events"] }] },
        })
    }

    #[test]
    fn only_what_differs_from_the_defaults_is_written() {
        let written: Value = serde_saphyr::from_str(&configuration(least()).text).unwrap();
        assert_eq!(written, least());
    }

    #[test]
    fn it_reads_back_as_the_configuration_that_it_was_made_of() {
        let mut spec = least();
        spec["streams"] = json!({ "heartbeat": "20s" });
        spec["channels"] = json!({ "public": [], "retention": { "age": "1h" } });
        spec["redis"]["tls"] = json!({});
        let spec: EventsGatewaySpec = serde_json::from_value(spec).unwrap();
        let rendered = Configuration::render(&spec.configuration());
        let read: Gateway<OnDisk> = serde_saphyr::from_str(&rendered.text).unwrap();
        assert_eq!(read, spec.configuration().translate(&mut Files::default()));
        assert!(events_gateway_config::parse(&rendered.text, &Environment::new()).is_ok(), "{}", rendered.text);
    }

    #[test]
    fn secrets_become_files_and_are_told() {
        let mut spec = least();
        spec["redis"]["password"] = json!({ "name": "redis", "key": "password" });
        spec["redis"]["tls"] = json!({ "caFile": { "name": "redis", "key": "ca.crt" } });
        let rendered = configuration(spec);
        assert!(rendered.text.contains("/etc/events-gateway/secrets/redis/password"), "{}", rendered.text);
        let keys = ["ca.crt".to_owned(), "password".to_owned()];
        assert_eq!(rendered.references.secrets, BTreeMap::from([("redis".into(), BTreeSet::from(keys))]));
    }

    #[test]
    fn authorities_of_a_config_map_become_a_file_beside_the_secrets() {
        let mut spec = least();
        spec["redis"]["tls"] = json!({ "caFile": { "configMap": { "name": "authorities", "key": "ca.crt" } } });
        let rendered = configuration(spec);
        assert!(rendered.text.contains("/etc/events-gateway/config-maps/authorities/ca.crt"), "{}", rendered.text);
        assert_eq!(rendered.references.secrets, Keys::new());
        assert_eq!(rendered.references.config_maps, Keys::from([("authorities".into(), ["ca.crt".to_owned()].into())]));
    }
}
