//! One control plane for all tests of this suite, with the definitions in it.

use anyhow::{Result, anyhow};
use events_gateway_cluster::{Api, ControlPlane, definitions, gateways};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const GATEWAYS: &str = "/apis/eventsgateway.dev/v1alpha1/namespaces/default/eventsgateways";
pub(crate) const RESETS: &str = "/apis/eventsgateway.dev/v1alpha1/namespaces/default/eventsgatewayoffsetresets";

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
    definitions::install_ours(&api).await?;
    Ok((control_plane, api))
}

/// The least gateway.
pub(crate) fn gateway(name: &str) -> Value {
    gateways::gateway(name, &json!({}))
}

/// The least offset reset.
pub(crate) fn reset(name: &str) -> Value {
    gateways::reset(name, &json!({ "gateway": "events", "to": { "position": "Earliest" } }))
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
