//! A pod as status tells of it.

use events_gateway_status::Status;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// What a replica said when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It wasn't asked: its process doesn't run.
    NotAsked,
    /// It didn't answer; why.
    None(String),
    /// What it said.
    Some(Box<Status>),
}

impl Answer {
    /// What it said, if it did.
    #[must_use]
    pub fn known(&self) -> Option<&Status> {
        match self {
            Self::Some(status) => Some(status),
            Self::None(_) | Self::NotAsked => None,
        }
    }
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is being deleted.
    pub ending: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Why it doesn't run, in Kubernetes' words.
    pub trouble: Option<String>,
    /// What its replica said.
    pub answer: Answer,
}

/// For how long a pod is new: it pulls its image, network policies are carried out late, and some are started on the way to every
/// larger number.
const NEW: SignedDuration = SignedDuration::from_secs(60);

impl PodView {
    /// Whether it is so new that nobody minds what it doesn't do yet.
    #[must_use]
    pub fn is_new(&self, now: Timestamp) -> bool {
        self.created.is_some_and(|created| now.duration_since(created) < NEW)
    }

    /// Reads a pod of the cluster.
    #[must_use]
    pub fn of(pod: &Pod, answer: Answer) -> Self {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let is_ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        Self {
            name: pod.metadata.name.clone().unwrap_or_default(),
            ready: is_ready,
            ending: pod.metadata.deletion_timestamp.is_some(),
            created: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
            trouble: trouble(pod),
            answer,
        }
    }
}

/// Why a container waits or ended, or why the pod has no node.
fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let said = |reason: &Option<String>, message: &Option<String>| {
        let words: Vec<&str> = [reason, message].into_iter().flatten().map(String::as_str).collect();
        words.join(": ")
    };
    for container in status.container_statuses.iter().flatten() {
        let state = container.state.as_ref();
        if let Some(waiting) = state.and_then(|state| state.waiting.as_ref())
            && waiting.reason.as_deref() != Some("ContainerCreating")
        {
            return Some(said(&waiting.reason, &waiting.message));
        }
        if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
            return Some(format!("ended with {}: {}", ended.exit_code, said(&ended.reason, &ended.message)));
        }
    }
    let conditions = status.conditions.iter().flatten();
    let unscheduled = conditions.into_iter().find(|one| one.type_ == "PodScheduled" && one.status == "False")?;
    Some(said(&unscheduled.reason, &unscheduled.message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trouble_of(status: &serde_json::Value) -> Option<String> {
        let pod: Pod = serde_json::from_value(json!({ "metadata": { "name": "a" }, "status": status })).unwrap();
        PodView::of(&pod, Answer::NotAsked).trouble
    }

    #[test]
    fn why_a_pod_does_not_run_is_told_in_kubernetes_words() {
        let waiting = |reason: &str| {
            json!({ "containerStatuses": [{
                "name": "gateway", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": reason, "message": "no such image" } },
            }] })
        };
        assert_eq!(trouble_of(&waiting("ImagePullBackOff")).unwrap(), "ImagePullBackOff: no such image");
        assert_eq!(trouble_of(&waiting("ContainerCreating")), None);
        let unscheduled = json!({ "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes" },
        ] });
        assert_eq!(trouble_of(&unscheduled).unwrap(), "Unschedulable: 0/3 nodes");
        assert_eq!(trouble_of(&json!({})), None);
    }
}
