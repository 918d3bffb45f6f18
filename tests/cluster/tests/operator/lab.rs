//! One control plane with the definitions and an operator, for all tests of this suite; each has a namespace of its own.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use events_gateway_cluster::operator::Settings;
use events_gateway_cluster::{Api, ControlPlane, Namespace, Operator, program};
use events_gateway_harness::{tools, wait};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// How long anything may take: a pass is made within a second, but the machine may be busy.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

static LAB: OnceCell<Result<Lab, String>> = OnceCell::const_new();

pub(crate) struct Lab {
    pub(crate) control_plane: ControlPlane,
    pub(crate) operator: Operator,
}

/// The lab, or why there is none: it isn't tried again for every test.
pub(crate) async fn lab() -> Result<&'static Lab> {
    let lab = LAB.get_or_init(|| async { start().await.map_err(|error| format!("{error:#}")) }).await;
    lab.as_ref().map_err(|error| anyhow!("{error}"))
}

async fn start() -> Result<Lab> {
    let control_plane = ControlPlane::with_controllers().await?;
    let api = control_plane.api()?;
    for file in ["eventsgateways.yaml", "eventsgatewayoffsetresets.yaml"] {
        define(&api, &std::fs::read_to_string(tools::checkout().join("crds").join(file))?).await?;
    }
    let operator = Operator::start(&control_plane.kubeconfig(), &Settings::default()).await?;
    Ok(Lab { control_plane, operator })
}

/// Applies definitions and waits until they are served.
pub(crate) async fn define(api: &Api, text: &str) -> Result<()> {
    let object: Value = serde_saphyr::from_str(text).context("failed to parse a definition")?;
    let name = object["metadata"]["name"].as_str().context("no name")?;
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
    api.apply(&path, &object).await?.success()?;
    let spec = &object["spec"];
    let version = spec["versions"][0]["name"].as_str().context("no version")?;
    let (group, plural) =
        (spec["group"].as_str().context("no group")?, spec["names"]["plural"].as_str().context("no plural")?);
    let collection = format!("/apis/{group}/{version}/{plural}");
    wait::until("being served", BOUND, || async { Ok(api.get(&collection).await?.success().ok()) }).await?;
    Ok(())
}

/// The definitions of an optional API, as its own project publishes them.
#[allow(dead_code)]
pub(crate) async fn define_all(api: &Api, folder: &str) -> Result<()> {
    for file in program::files(folder)? {
        define(api, &std::fs::read_to_string(file)?).await?;
    }
    Ok(())
}

/// A test's own place in the lab.
pub(crate) struct Place {
    pub(crate) api: Api,
    pub(crate) namespace: Namespace,
}

pub(crate) async fn place(purpose: &str) -> Result<Place> {
    let api = lab().await?.control_plane.api()?;
    let namespace = Namespace::create(&api, purpose).await?;
    Ok(Place { api, namespace })
}

impl Place {
    pub(crate) fn path(&self, kind: &str, name: &str) -> String {
        let (group, plural) = kind.rsplit_once('/').unwrap_or(("v1", kind));
        format!("{}/{name}", self.namespace.path(group, plural))
    }

    /// Creates a gateway; `spec` is merged over the least one.
    pub(crate) async fn create(&self, name: &str, spec: Value) -> Result<Value> {
        let mut object = json!({
            "apiVersion": "eventsgateway.dev/v1alpha1",
            "kind": "EventsGateway",
            "metadata": { "name": name },
            "spec": {
                "redis": { "nodes": ["redis:6379"] },
                "kafka": { "bootstrap": ["kafka:9092"], "bindings": [{ "name": "events", "topics": ["events"] }] },
            },
        });
        for (key, value) in spec.as_object().into_iter().flatten() {
            object["spec"][key] = value.clone();
        }
        let collection = self.namespace.path("eventsgateway.dev/v1alpha1", "eventsgateways");
        Ok(self.api.create(&collection, &object).await?.success()?.body)
    }

    pub(crate) async fn merge(&self, name: &str, patch: Value) -> Result<Value> {
        Ok(self.api.merge(&self.gateway(name), &patch).await?.success()?.body)
    }

    pub(crate) fn gateway(&self, name: &str) -> String {
        self.path("eventsgateway.dev/v1alpha1/eventsgateways", name)
    }

    /// Waits until the object at a path is as it should be.
    pub(crate) async fn until(&self, path: &str, what: &str, held: impl Fn(&Value) -> bool) -> Result<Value> {
        let last = std::sync::Mutex::new(Value::Null);
        let found = wait::until(what, BOUND, || async {
            let answer = self.api.get(path).await?;
            let object = if answer.status == 404 { Value::Null } else { answer.success()?.body };
            if held(&object) {
                return Ok(Some(object));
            }
            *last.lock().expect("nobody panics with it") = object;
            Ok(None)
        })
        .await;
        match found {
            Ok(object) => Ok(object),
            Err(error) => {
                let last = last.into_inner().unwrap_or_default();
                let log = lab().await?.operator.log();
                let tail: Vec<&str> = log.lines().rev().take(20).collect();
                Err(error
                    .context(format!("{path}: {last:#}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"))))
            }
        }
    }

    /// Waits for a condition of a gateway.
    pub(crate) async fn until_condition(&self, name: &str, kind: &str, reason: &str) -> Result<Value> {
        let gateway = self
            .until(&self.gateway(name), &format!("{kind} {reason}"), |gateway| {
                condition(gateway, kind)["reason"] == reason
            })
            .await?;
        Ok(condition(&gateway, kind))
    }
}

pub(crate) fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|condition| condition["type"] == kind).cloned().unwrap_or_default()
}
