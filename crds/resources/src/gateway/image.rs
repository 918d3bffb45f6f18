//! What the replicas run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{ImageReference, ObjectName};

/// What the replicas run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Image {
    /// The image. Absent: the one that the operator had when this resource was created (`status.image`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<ImageReference>,
    /// What becomes of it, where `reference` is absent, when the operator comes with another one.
    pub updates: ImageUpdates,
    /// When nodes fetch it.
    pub pull_policy: PullPolicy,
    /// Secrets with the credentials of registries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub pull_secrets: Vec<ObjectName>,
}

/// What becomes of a gateway's image when the operator comes with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum ImageUpdates {
    /// It stays what it was when the resource was created.
    #[default]
    Pinned,
    /// It becomes the operator's, a few gateways at a time.
    Automatic,
}

/// When nodes fetch an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// When they don't have it.
    #[default]
    IfNotPresent,
    /// For every pod.
    Always,
    /// Not at all.
    Never,
}
