//! A namespace for one test.

use std::ops::Deref;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use serde_json::{Value, json};

use crate::api::Api;
use crate::kubectl::Kubectl;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A namespace of its own. Dropping it deletes it without waiting, if the API server still answers.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    delete: Command,
}

impl Namespace {
    /// Creates one whose name tells what it is for: `scaling-1`.
    ///
    /// # Errors
    /// When the API server refuses it, or kubectl isn't installed.
    pub async fn create(api: &Api, purpose: &str) -> Result<Self> {
        Self::labelled(api, purpose, &json!({})).await
    }

    /// Creates one whose pods must be *restricted*.
    ///
    /// # Errors
    /// As [`Namespace::create`].
    pub async fn restricted(api: &Api, purpose: &str) -> Result<Self> {
        Self::labelled(api, purpose, &json!({ "pod-security.kubernetes.io/enforce": "restricted" })).await
    }

    async fn labelled(api: &Api, purpose: &str, labels: &Value) -> Result<Self> {
        let name = format!("{purpose}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let kubectl = Kubectl::new(api.path())?;
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": name, "labels": labels },
        });
        api.create("/api/v1/namespaces", &object).await?.success()?;
        let delete = kubectl.command(&["delete", "namespace", &name, "--wait=false", "--request-timeout=5s"]);
        Ok(Self { name, delete: delete.into_std() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path of a collection of objects in it: `("apps/v1", "deployments")`.
    #[must_use]
    pub fn path(&self, group_version: &str, plural: &str) -> String {
        let root = if group_version.contains('/') { "apis" } else { "api" };
        format!("/{root}/{group_version}/namespaces/{}/{plural}", self.name)
    }
}

impl Deref for Namespace {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.delete.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
