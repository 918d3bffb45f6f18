//! One control plane for this suite, with the definitions installed by their chart.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use events_gateway_cluster::helm::{Helm, Release};
use events_gateway_cluster::{Api, ControlPlane, Namespace};
use events_gateway_harness::{tools, wait};
use serde_json::{Value, json};
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

/// The least gateway.
pub(crate) fn gateway(name: &str, more: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "eventsgateway.dev/v1alpha1",
        "kind": "EventsGateway",
        "metadata": { "name": name },
        "spec": {
            "redis": { "nodes": ["redis:6379"] },
            "kafka": { "bootstrap": ["127.0.0.1:1"], "bindings": [{ "name": "events", "topics": ["events"] }] },
        },
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

/// Waits until the object at a path is as it should be; null where there is none.
pub(crate) async fn until(api: &Api, path: &str, what: &str, held: impl Fn(&Value) -> bool) -> Result<Value> {
    wait::until(&format!("{what} at {path}"), BOUND, || async {
        let answer = api.get(path).await?;
        let object = if answer.status == 404 { Value::Null } else { answer.success()?.body };
        Ok(held(&object).then_some(object))
    })
    .await
}

/// The path of a gateway.
pub(crate) fn path(namespace: &Namespace, name: &str) -> String {
    format!("{}/{name}", namespace.path("eventsgateway.dev/v1alpha1", "eventsgateways"))
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
