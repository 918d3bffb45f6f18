//! A pod of the cluster, as far as it is looked at: some 5,000 of them are held in memory, and Kubernetes' own type is 7 kB each.

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Serialize};

use crate::build::pod::{ADMIN_PORT, CONTAINER};
use crate::labels;
use crate::scaling::pod::{TEMPLATE, ZONE};
use crate::scaling::{DELETION_COST, DRAIN_SINCE};

/// See [`v1::Pod`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Resource)]
#[resource(inherit = v1::Pod)]
pub struct ReplicaPod {
    /// Name, identity, times, and after [`ReplicaPod::trim`] only the labels and annotations that are looked at.
    pub metadata: ObjectMeta,
    /// What is wanted.
    #[serde(default)]
    pub spec: Spec,
    /// What is.
    #[serde(default)]
    pub status: State,
}

/// What is wanted of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    /// Where it is, once it is assigned.
    pub node_name: String,
    /// Its containers' ports.
    pub containers: Vec<Container>,
}

/// A container that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Its ports.
    pub ports: Vec<Port>,
}

/// A port of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its number.
    pub container_port: i32,
}

/// What is of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// How far it has come.
    pub phase: String,
    /// Where it is reached.
    #[serde(rename = "podIP")]
    pub pod_ip: String,
    /// Whether it has a node and is ready, and why not.
    pub conditions: Vec<Condition>,
    /// What its containers do.
    pub container_statuses: Vec<ContainerStatus>,
}

/// What is said of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Of what.
    pub r#type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in a word.
    pub reason: Option<Box<str>>,
    /// Why, in a sentence.
    pub message: Option<Box<str>>,
}

/// What a container does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// One of three.
    pub state: ContainerState,
}

/// Which of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// It runs.
    pub running: Option<Running>,
    /// It will.
    pub waiting: Option<Box<Stopped>>,
    /// It did.
    pub terminated: Option<Box<Stopped>>,
}

/// A container runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {}

/// Why a container doesn't run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stopped {
    /// With what it ended.
    pub exit_code: i32,
    /// Why, in a word.
    pub reason: Option<Box<str>>,
    /// Why, in a sentence.
    pub message: Option<Box<str>>,
}

impl ReplicaPod {
    /// Forgets what is never looked at.
    pub fn trim(&mut self) {
        let all = std::mem::take(&mut self.metadata);
        let kept = |map: Option<std::collections::BTreeMap<String, String>>, names: &[&str]| {
            map.map(|map| map.into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect())
        };
        self.metadata = ObjectMeta {
            name: all.name,
            namespace: all.namespace,
            uid: all.uid,
            creation_timestamp: all.creation_timestamp,
            deletion_timestamp: all.deletion_timestamp,
            labels: kept(all.labels, &[labels::INSTANCE, TEMPLATE, ZONE]),
            annotations: kept(all.annotations, &[DELETION_COST, DRAIN_SINCE]),
            ..ObjectMeta::default()
        };
        self.status.conditions.retain(|condition| matches!(condition.r#type.as_str(), "Ready" | "PodScheduled"));
        for condition in &mut self.status.conditions {
            if condition.status == "True" {
                (condition.reason, condition.message) = (None, None);
            }
        }
        self.spec.containers.truncate(1);
        for container in &mut self.spec.containers {
            container.ports.retain(|port| port.name == ADMIN_PORT);
            container.ports.shrink_to_fit();
        }
        self.status.conditions.shrink_to_fit();
    }

    /// Whether clients are led to it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.r#type == "Ready" && condition.status == "True")
    }

    /// Whether any of its containers runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.status.container_statuses.iter().any(|container| container.state.running.is_some())
    }

    /// The port of its admin listener, while the gateway runs: another one may be wanted by now.
    #[must_use]
    pub fn admin_port(&self) -> Option<u16> {
        let statuses = &self.status.container_statuses;
        let gateway = statuses.iter().find(|container| container.name == CONTAINER)?;
        gateway.state.running.as_ref()?;
        let port = self.spec.containers.first()?.ports.iter().find(|port| port.name == ADMIN_PORT)?;
        port.container_port.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_never_looked_at_is_forgotten_and_the_rest_is_not() {
        let mut pod: ReplicaPod = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "7", "managedFields": [],
                "creationTimestamp": "2026-11-21T10:00:00Z", "ownerReferences": [],
                "labels": { "app.kubernetes.io/instance": "orders", "app": "x", TEMPLATE: "abc" },
                "annotations": { DRAIN_SINCE: "2026-11-21T10:05:00Z", "note": "x" },
            },
            "spec": { "nodeName": "n", "volumes": [], "containers": [
                { "name": CONTAINER, "image": "i", "ports": [
                    { "name": "public", "containerPort": 8080 }, { "name": ADMIN_PORT, "containerPort": 9090 },
                ] },
                { "name": "other" },
            ] },
            "status": {
                "phase": "Running", "podIP": "10.0.0.1", "podIPs": [{ "ip": "10.0.0.1" }],
                "conditions": [
                    { "type": "Initialized", "status": "True" },
                    { "type": "Ready", "status": "True", "reason": "x", "lastTransitionTime": "2026-11-21T10:00:00Z" },
                ],
                "containerStatuses": [
                    { "name": CONTAINER, "ready": true, "state": { "running": { "startedAt": "2026-11-21T10:00:00Z" } } },
                ],
            },
        }))
        .unwrap();
        pod.trim();
        assert!(pod.is_ready() && pod.runs());
        assert_eq!(pod.admin_port(), Some(9_090));
        assert_eq!(pod.metadata.labels.as_ref().unwrap().len(), 2);
        assert_eq!(pod.metadata.annotations.as_ref().unwrap().len(), 1);
        let ReplicaPod { metadata, spec, status } = &pod;
        assert_eq!((metadata.resource_version.as_deref(), metadata.owner_references.as_deref()), (None, None));
        assert_eq!((spec.containers.len(), spec.containers[0].ports.len(), status.conditions.len()), (1, 1, 1));
        pod.status.container_statuses[0].state = ContainerState::default();
        assert_eq!(pod.admin_port(), None, "nothing listens there");
    }
}
