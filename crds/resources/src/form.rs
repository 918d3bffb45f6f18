//! The form of configuration in a resource: secrets and files are keys of Secrets in the resource's own namespace, and
//! authorities to trust, which are no secret, of Secrets or ConfigMaps.

use events_gateway_crds::Form;
use events_gateway_crds::rule::{Rule, rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{DataKey, ObjectName};

/// Configuration in a resource. Nothing secret is ever written in it, and no other namespace can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InCluster;

impl Form for InCluster {
    type Secret = SecretKey;
    type File = SecretKey;
    type Authorities = AuthoritiesKey;
}

/// A key of a Secret in the resource's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKey {
    /// Name of the Secret.
    pub name: ObjectName,
    /// Key in its data.
    pub key: DataKey,
}

/// A key of a ConfigMap in the resource's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapKey {
    /// Name of the ConfigMap.
    pub name: ObjectName,
    /// Key in its data.
    pub key: DataKey,
}

const AUTHORITIES_RULES: &[Rule] = &[rule(
    "has(self.configMap) ? !has(self.name) && !has(self.key) : has(self.name) && has(self.key)",
    "authorities are a key of a Secret (name and key) or of a ConfigMap (configMap): name one of them",
)];

/// A key of a Secret (`name` and `key`), or of a ConfigMap, in the resource's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = AUTHORITIES_RULES))]
pub struct AuthoritiesKey {
    /// Name of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ObjectName>,
    /// Key in the Secret's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<DataKey>,
    /// A ConfigMap in place of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapKey>,
}

/// Where authorities are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthoritiesSource {
    /// In a Secret.
    Secret(SecretKey),
    /// In a ConfigMap.
    ConfigMap(ConfigMapKey),
}

impl AuthoritiesKey {
    /// Where they are. What names neither breaks a rule and is a Secret without a name, which is never there.
    #[must_use]
    pub fn source(&self) -> AuthoritiesSource {
        match &self.config_map {
            Some(key) => AuthoritiesSource::ConfigMap(key.clone()),
            None => AuthoritiesSource::Secret(SecretKey {
                name: self.name.clone().unwrap_or_else(|| "".into()),
                key: self.key.clone().unwrap_or_else(|| "".into()),
            }),
        }
    }
}
