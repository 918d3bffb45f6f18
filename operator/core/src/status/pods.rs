//! A pod as status tells of it.

use events_gateway_status::Status;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::pod::ReplicaPod;

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
    pub fn of(pod: &ReplicaPod, answer: Answer) -> Self {
        Self {
            name: pod.metadata.name.clone().unwrap_or_default(),
            ready: pod.is_ready(),
            ending: pod.metadata.deletion_timestamp.is_some(),
            created: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
            trouble: trouble(pod),
            answer,
        }
    }
}

/// Why a container waits or ended, or why the pod has no node.
fn trouble(pod: &ReplicaPod) -> Option<String> {
    let said = |reason: &Option<Box<str>>, message: &Option<Box<str>>| {
        let words: Vec<&str> = [reason, message].into_iter().flatten().map(|words| &**words).collect();
        words.join(": ")
    };
    for container in &pod.status.container_statuses {
        if let Some(waiting) = &container.state.waiting
            && waiting.reason.as_deref() != Some("ContainerCreating")
        {
            return Some(said(&waiting.reason, &waiting.message));
        }
        if let Some(ended) = &container.state.terminated {
            return Some(format!("ended with {}: {}", ended.exit_code, said(&ended.reason, &ended.message)));
        }
    }
    let mut conditions = pod.status.conditions.iter();
    let unscheduled = conditions.find(|one| one.r#type == "PodScheduled" && one.status == "False")?;
    Some(said(&unscheduled.reason, &unscheduled.message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trouble_of(status: &serde_json::Value) -> Option<String> {
        let pod: ReplicaPod = serde_json::from_value(json!({ "metadata": { "name": "a" }, "status": status })).unwrap();
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
