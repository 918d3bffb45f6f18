//! One control plane for all tests of this suite, with the definitions in it.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use events_gateway_cluster::{Api, ControlPlane};
use events_gateway_harness::{tools, wait};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const GATEWAYS: &str = "/apis/eventsgateway.dev/v1alpha1/namespaces/default/eventsgateways";
pub(crate) const RESETS: &str = "/apis/eventsgateway.dev/v1alpha1/namespaces/default/eventsgatewayoffsetresets";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// The control plane, or why there is none: it isn't tried again for every test.
static LAB: OnceCell<Result<(ControlPlane, Api), String>> = OnceCell::const_new();

/// A client of the control plane, in which both definitions are established.
pub(crate) async fn api() -> Result<Api> {
    let lab = LAB.get_or_init(|| async { start().await.map_err(|error| format!("{error:#}")) }).await;
    lab.as_ref().map(|(_, api)| api.clone()).map_err(|error| anyhow!("{error}"))
}

async fn start() -> Result<(ControlPlane, Api)> {
    let control_plane = ControlPlane::start().await?;
    let api = Api::connect(&control_plane.kubeconfig())?;
    for file in ["eventsgateways.yaml", "eventsgatewayoffsetresets.yaml"] {
        install(&api, file).await?;
    }
    Ok((control_plane, api))
}

/// Applies a definition as it stands in the repository, and waits until its resource can be used.
async fn install(api: &Api, file: &str) -> Result<()> {
    let text =
        std::fs::read_to_string(tools::checkout().join("crds").join(file)).context("failed to read a definition")?;
    let object: Value = serde_saphyr::from_str(&text).context("failed to parse a definition")?;
    let path = format!("{DEFINITIONS}/{}", object["metadata"]["name"].as_str().context("no name")?);
    let applied = api.apply(&path, &object).await?.success()?;
    ensure!(applied.warnings.is_empty(), "{file}: {:?}", applied.warnings);
    let established = || async {
        let conditions = api.get(&path).await?.success()?.body["status"]["conditions"].clone();
        let conditions = conditions.as_array().cloned().unwrap_or_default();
        let named = |name: &str| conditions.iter().find(|condition| condition["type"] == name).cloned();
        if let Some(problem) = named("NonStructuralSchema") {
            anyhow::bail!("{file}: {problem:#}");
        }
        Ok(named("Established").filter(|condition| condition["status"] == "True"))
    };
    wait::until("Established", Duration::from_secs(30), established).await?;
    // It is served a moment later than it is established.
    let plural = object["spec"]["names"]["plural"].as_str().context("no plural")?;
    let collection = format!("/apis/eventsgateway.dev/v1alpha1/namespaces/default/{plural}");
    let served = || async { Ok(api.get(&collection).await?.success().ok()) };
    wait::until("being served", Duration::from_secs(30), served).await?;
    Ok(())
}

/// The least gateway.
pub(crate) fn gateway(name: &str) -> Value {
    json!({
        "apiVersion": "eventsgateway.dev/v1alpha1",
        "kind": "EventsGateway",
        "metadata": { "name": name },
        "spec": {
            "redis": { "nodes": ["redis:6379"] },
            "kafka": { "bootstrap": ["kafka:9092"], "bindings": [{ "name": "events", "topics": ["events"] }] },
        },
    })
}

/// The least offset reset.
pub(crate) fn reset(name: &str) -> Value {
    json!({
        "apiVersion": "eventsgateway.dev/v1alpha1",
        "kind": "EventsGatewayOffsetReset",
        "metadata": { "name": name },
        "spec": { "gateway": "events", "to": { "position": "Earliest" } },
    })
}

/// The object with other values at some places; what leads there is made. Null takes a value out.
pub(crate) fn with(mut object: Value, changes: &[(&str, Value)]) -> Value {
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
        let mut node = &mut object;
        for step in parent.split('/').skip(1) {
            node = match step.parse::<usize>() {
                Ok(index) => &mut node[index],
                Err(_) => &mut node[step],
            };
        }
        match key.parse::<usize>() {
            Ok(index) => node[index] = value.clone(),
            Err(_) if value.is_null() => drop(node.as_object_mut().and_then(|map| map.remove(key))),
            Err(_) => node[key] = value.clone(),
        }
    }
    object
}
