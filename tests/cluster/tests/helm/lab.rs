//! One control plane for this suite, with the definitions installed by their chart.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use events_gateway_cluster::gateways::VERSION;
use events_gateway_cluster::helm::{Helm, Release};
use events_gateway_cluster::{Api, ControlPlane, Namespace};
use events_gateway_harness::tools;
use tokio::sync::OnceCell;

pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// What the chart is told in every test: images that need not exist, since no pod runs here.
pub(crate) const VALUES: &str = "--set image.repository=example.com/operator --set-string image.tag=1 \
                                 --set gateway.image.repository=example.com/events-gateway --set-string gateway.image.tag=1 \
                                 --set crds.install=false";

static LAB: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();

/// The control plane, or why there is none.
pub(crate) async fn control_plane() -> Result<&'static ControlPlane> {
    let lab = LAB.get_or_init(|| async { start().await.map_err(|error| format!("{error:#}")) }).await;
    lab.as_ref().map_err(|error| anyhow!("{error}"))
}

async fn start() -> Result<ControlPlane> {
    let control_plane = ControlPlane::with_controllers().await?;
    let helm = Helm::new(Release::Four, &control_plane.kubeconfig())?;
    helm.say(&format!("install definitions {} --wait", chart("events-gateway-crds"))).await?;
    Ok(control_plane)
}

/// A chart of the repository.
pub(crate) fn chart(name: &str) -> String {
    tools::checkout().join("charts").join(name).display().to_string()
}

/// The path of a gateway.
pub(crate) fn path(namespace: &Namespace, name: &str) -> String {
    format!("{}/{name}", namespace.path(VERSION, "eventsgateways"))
}

/// The account that a release's operator runs as.
pub(crate) async fn account(api: &Api, namespace: &Namespace) -> Result<String> {
    let deployments = api.get(&namespace.path("apps/v1", "deployments")).await?.success()?.body;
    let items = deployments["items"].as_array().context("no list")?;
    let operator =
        items.iter().find(|one| one["metadata"]["labels"]["app.kubernetes.io/name"] == "events-gateway-operator");
    let account = operator.context("no operator")?["spec"]["template"]["spec"]["serviceAccountName"].clone();
    Ok(account.as_str().context("no account")?.to_owned())
}
