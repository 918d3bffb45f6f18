//! The names of all objects that are made of a resource's name.

use events_gateway_resources::gateway::rules::MAX_NAME;

/// What the names of objects end with, beside those that are named as the resource.
const CONFIG: &str = "-config";
const ADMIN: &str = "-admin";

/// Longest name of a Service (a DNS label of RFC 1035) and longest value of a label.
const MAX_LABEL: usize = 63;
/// What a ReplicaSet and its pods add: `-` and at most ten characters, then `-` and five.
const POD_SUFFIX: usize = 17;

const _: () = assert!(MAX_NAME + CONFIG.len() <= MAX_LABEL, "a ConfigMap's name must fit into a label");
const _: () = assert!(MAX_NAME + ADMIN.len() <= MAX_LABEL, "the admin Service's name must be a DNS label");
const _: () = assert!(MAX_NAME + POD_SUFFIX <= MAX_LABEL, "a pod's name must be a host name");

/// The Deployment, the public Service and all else of which there is one.
#[must_use]
pub fn main(name: &str) -> String {
    name.into()
}

/// The ConfigMap.
#[must_use]
pub fn config(name: &str) -> String {
    format!("{name}{CONFIG}")
}

/// The Secret with the admin token that the operator makes, and the headless Service of the admin listeners.
#[must_use]
pub fn admin(name: &str) -> String {
    format!("{name}{ADMIN}")
}
