//! Definitions of custom resources: ours, and those of others as `tests/tools/install` took them from their modules.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use events_gateway_harness::{tools, wait};
use serde_json::Value;

use crate::api::Api;
use crate::condition;
use crate::program::files;

const COLLECTION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// How long the API server may take to serve a new resource.
const BOUND: Duration = Duration::from_secs(30);

/// Whose resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `HTTPRoute` and `Gateway` (`gateway.networking.k8s.io`).
    GatewayApi,
    /// `ScaledObject` (`keda.sh`).
    Keda,
    /// `ServiceMonitor` and `PrometheusRule` (`monitoring.coreos.com`).
    PrometheusOperator,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::GatewayApi, Self::Keda, Self::PrometheusOperator];

    /// The group of its resources.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::GatewayApi => "gateway.networking.k8s.io",
            Self::Keda => "keda.sh",
            Self::PrometheusOperator => "monitoring.coreos.com",
        }
    }

    /// Installs its definitions and waits until all are served. Nothing acts on their objects.
    ///
    /// # Errors
    /// When they weren't brought, or the API server refuses them.
    pub async fn install(self, api: &Api) -> Result<()> {
        let named = |file: &Path| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(self.group()));
        let files: Vec<_> = files("crds")?.into_iter().filter(|file| named(file)).collect();
        ensure!(!files.is_empty(), "no definitions of {}: run tests/tools/install", self.group());
        for file in files {
            install(api, &file).await?;
        }
        Ok(())
    }
}

/// Installs our own definitions, as they stand in the repository.
///
/// # Errors
/// When the API server refuses one, or has anything to say against it.
pub async fn install_ours(api: &Api) -> Result<()> {
    for file in ["eventsgateways.yaml", "eventsgatewayoffsetresets.yaml"] {
        let warnings = install(api, &tools::checkout().join("crds").join(file)).await?;
        ensure!(warnings.is_empty(), "{file}: {warnings:?}");
    }
    Ok(())
}

/// Applies the definition in a file, waits until its resource is served, and gives the API server's warnings.
///
/// # Errors
/// When it is refused, or its schema isn't structural.
pub async fn install(api: &Api, file: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    let definition: Value =
        serde_saphyr::from_str(&text).with_context(|| format!("failed to parse {}", file.display()))?;
    let name = definition["metadata"]["name"].as_str().context("a definition without a name")?;
    let path = format!("{COLLECTION}/{name}");
    let applied = api.apply(&path, &definition).await?.success()?;
    let established = || async {
        let object = api.get(&path).await?.success()?.body;
        if condition::is_true(&object, "NonStructuralSchema") {
            bail!("{name}: {:#}", object["status"]);
        }
        Ok(condition::is_true(&object, "Established").then_some(()))
    };
    wait::until(&format!("{name} established"), BOUND, established).await?;
    // It is served a moment later than it is established.
    let part = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).context("an incomplete definition");
    let (group, plural) = (part("/spec/group")?, part("/spec/names/plural")?);
    let collection = format!("/apis/{group}/{}/{plural}", part("/spec/versions/0/name")?);
    let served = || async { Ok(api.get(&collection).await?.success().ok().map(drop)) };
    wait::until(&format!("{name} served"), BOUND, served).await?;
    Ok(applied.warnings)
}
