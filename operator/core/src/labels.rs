//! Labels and annotations.

use std::collections::BTreeMap;

/// Who made an object; the operator watches what bears it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`], and the field manager of server-side apply.
pub const MANAGER: &str = "events-gateway-operator";
/// What an object belongs to.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Marks the Service of the admin listeners, by which a ServiceMonitor finds it.
pub const LISTENER: &str = "eventsgateway.dev/listener";
/// On a resource: `true` pauses reconciliation, as `spec.paused` does.
pub const PAUSED: &str = "eventsgateway.dev/paused";
/// On pods' templates: the digest of the configuration, so that a change of it replaces the pods.
pub const CONFIGURATION: &str = "eventsgateway.dev/configuration";
/// On pods' templates: the digest of the versions of the Secrets that pods read.
pub const SECRETS: &str = "eventsgateway.dev/secrets";
/// The same of the ConfigMaps.
pub const CONFIG_MAPS: &str = "eventsgateway.dev/config-maps";

const NAME: &str = "app.kubernetes.io/name";
const COMPONENT: &str = "app.kubernetes.io/component";

/// The labels by which the replicas of a gateway are selected. They never change: a Deployment's selector can't.
#[must_use]
pub fn selector(name: &str) -> BTreeMap<String, String> {
    [(NAME, "events-gateway"), (INSTANCE, name), (COMPONENT, "gateway")]
        .map(|(key, value)| (key.into(), value.into()))
        .into()
}

/// The labels of everything that is made for a gateway.
#[must_use]
pub fn all(name: &str) -> BTreeMap<String, String> {
    let mut labels = selector(name);
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    labels
}

/// A selector as text, as `status.selector` has it.
#[must_use]
pub fn text(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}
