//! The form of configuration in a resource: secrets and files are keys of Secrets in the resource's own namespace.

use events_gateway_crds::Form;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{ObjectName, SecretDataKey};

/// Configuration in a resource. Nothing secret is ever written in it, and no other namespace can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InCluster;

impl Form for InCluster {
    type Secret = SecretKey;
    type File = SecretKey;
}

/// A key of a Secret in the resource's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretKey {
    /// Name of the Secret.
    pub name: ObjectName,
    /// Key in its data.
    pub key: SecretDataKey,
}
