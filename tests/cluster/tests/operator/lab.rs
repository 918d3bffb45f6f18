//! One control plane with the definitions and an operator, for all tests of this suite; each has a namespace of its own.

use std::time::Duration;

use anyhow::{Result, anyhow};
use events_gateway_cluster::gateways::{VERSION, gateway};
use events_gateway_cluster::operator::Settings;
use events_gateway_cluster::{Api, ControlPlane, Namespace, Operator, condition, definitions};
use serde_json::Value;
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
    definitions::install_ours(&api).await?;
    let operator = Operator::start(&control_plane.kubeconfig(), &Settings::default()).await?;
    Ok(Lab { control_plane, operator })
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

    /// Creates a gateway with these sections.
    pub(crate) async fn create(&self, name: &str, sections: Value) -> Result<Value> {
        let collection = self.namespace.path(VERSION, "eventsgateways");
        Ok(self.api.create(&collection, &gateway(name, &sections)).await?.success()?.body)
    }

    pub(crate) async fn merge(&self, name: &str, patch: Value) -> Result<Value> {
        Ok(self.api.merge(&self.gateway(name), &patch).await?.success()?.body)
    }

    pub(crate) fn gateway(&self, name: &str) -> String {
        self.path(&format!("{VERSION}/eventsgateways"), name)
    }

    /// Waits until the object at a path is as it should be.
    pub(crate) async fn until(&self, path: &str, what: &str, held: impl Fn(&Value) -> bool) -> Result<Value> {
        match self.api.until(path, what, BOUND, held).await {
            Ok(object) => Ok(object),
            Err(error) => Err(error.context(lab().await?.operator.log())),
        }
    }

    /// Waits for a condition of a gateway.
    pub(crate) async fn until_condition(&self, name: &str, kind: &str, reason: &str) -> Result<Value> {
        let gateway = self
            .until(&self.gateway(name), &format!("{kind} {reason}"), |gateway| {
                condition::of(gateway, kind)["reason"] == reason
            })
            .await?;
        Ok(condition::of(&gateway, kind))
    }
}
