//! The Deployment, as far as scaling looks at it.

use k8s_openapi::api::apps::v1;
use k8s_openapi::jiff::Timestamp;

/// Which pods the Deployment was last lowered for, so that it can be told when Kubernetes took others.
pub const REMOVING: &str = "eventsgateway.dev/removing";

/// The Deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// How many pods it is told to have.
    pub replicas: u32,
    /// The generation of its spec.
    pub generation: i64,
    /// The generation that the status is about.
    pub observed_generation: i64,
    /// Pods that it has, of every template, without those that end.
    pub current: u32,
    /// Those of the present template.
    pub updated: u32,
    /// Whether pods that are missing can't be made: a quota, an admission that refuses.
    pub is_short: bool,
    /// Whether Kubernetes has given a rollout up: nothing came of it within `spec.progressDeadlineSeconds`. It goes on trying.
    pub is_given_up: bool,
    /// What it was last lowered for.
    pub removal: Option<Removal>,
}

impl Deployment {
    /// Reads a Deployment of the cluster.
    #[must_use]
    pub fn of(deployment: &v1::Deployment) -> Self {
        let status = deployment.status.as_ref();
        let count = |count: Option<i32>, absent: u32| count.map_or(absent, |count| u32::try_from(count).unwrap_or(0));
        let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let removing = deployment.metadata.annotations.as_ref().and_then(|annotations| annotations.get(REMOVING));
        Self {
            // The API server's default.
            replicas: count(deployment.spec.as_ref().and_then(|spec| spec.replicas), 1),
            generation: deployment.metadata.generation.unwrap_or(0),
            observed_generation: status.and_then(|status| status.observed_generation).unwrap_or(0),
            current: count(status.and_then(|status| status.replicas), 0),
            updated: count(status.and_then(|status| status.updated_replicas), 0),
            is_short: conditions.iter().any(|one| one.type_ == "ReplicaFailure" && one.status == "True"),
            is_given_up: conditions.iter().any(|one| one.type_ == "Progressing" && one.status == "False"),
            removal: removing.and_then(|text| Removal::parse(text)),
        }
    }

    /// Whether the status is about the spec as it is.
    pub(super) fn is_observed(&self) -> bool {
        self.observed_generation >= self.generation
    }
}

/// Whom the Deployment was lowered for, and when. It is written in the same call as the lower number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// When.
    pub at: Timestamp,
    /// The pods' names.
    pub pods: Vec<String>,
}

impl Removal {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let at = words.next()?.parse().ok()?;
        Some(Self { at, pods: words.map(str::to_owned).collect() })
    }
}

impl std::fmt::Display for Removal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.at)?;
        self.pods.iter().try_for_each(|pod| write!(f, " {pod}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_removal_is_read_as_it_was_written() {
        let at: Timestamp = "2026-11-21T10:00:00.25Z".parse().unwrap();
        for pods in [vec![], vec!["a".to_owned()], vec!["a".to_owned(), "b-1".to_owned()]] {
            let removal = Removal { at, pods };
            assert_eq!(Removal::parse(&removal.to_string()), Some(removal));
        }
        assert_eq!(Removal::parse("x"), None);
        assert_eq!(Removal::parse(""), None);
    }

    #[test]
    fn all_that_matters_is_read_from_a_deployment() {
        let deployment: v1::Deployment = serde_json::from_value(json!({
            "metadata": { "generation": 3, "annotations": { REMOVING: "2026-11-21T10:00:00Z a" } },
            "spec": { "replicas": 5, "selector": {}, "template": {} },
            "status": {
                "observedGeneration": 2, "replicas": 6, "updatedReplicas": 1,
                "conditions": [
                    { "type": "ReplicaFailure", "status": "True" }, { "type": "Progressing", "status": "False" },
                ],
            },
        }))
        .unwrap();
        let read = Deployment::of(&deployment);
        assert_eq!((read.replicas, read.current, read.updated, read.is_observed()), (5, 6, 1, false));
        assert!(read.is_short && read.is_given_up);
        assert_eq!(read.removal.unwrap().pods, ["a"]);
        let fresh = Deployment::of(&v1::Deployment::default());
        assert_eq!((fresh.replicas, fresh.is_given_up, fresh.removal), (1, false, None));
    }
}
