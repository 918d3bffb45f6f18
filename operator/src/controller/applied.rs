//! What was applied last, so that a pass over a gateway that is as it should be writes nothing.
//!
//! It is only a memory: an operator that starts applies everything once, which changes nothing in the cluster.

use std::collections::HashMap;

use events_gateway_operator_core::Kind;
use k8s_openapi::api::apps::v1::Deployment;
use parking_lot::Mutex;

use crate::context::Key;
use crate::watches;

/// What an object was when it was applied.
#[derive(Debug, Clone)]
struct Mark {
    /// Of what was wanted.
    digest: String,
    /// Of what the API server answered.
    version: String,
}

/// What was applied last.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    marks: Mutex<HashMap<Key, HashMap<(Kind, String), Mark>>>,
    deployments: Mutex<HashMap<Key, Deployment>>,
}

impl Applied {
    /// Whether the object is still what was applied. `version`: of the watched object.
    pub(crate) fn holds(&self, key: &Key, object: &(Kind, String), digest: &str, version: &str) -> bool {
        let marks = self.marks.lock();
        let mark = marks.get(key).and_then(|marks| marks.get(object));
        mark.is_some_and(|mark| mark.digest == digest && mark.version == version)
    }

    /// Remembers what was applied.
    pub(crate) fn remember(&self, key: &Key, object: (Kind, String), digest: String, version: String) {
        let mark = Mark { digest, version };
        self.marks.lock().entry(key.clone()).or_default().insert(object, mark);
    }

    /// Whether this was applied last, whatever became of it since.
    pub(crate) fn was(&self, key: &Key, object: &(Kind, String), digest: &str) -> bool {
        let marks = self.marks.lock();
        marks.get(key).and_then(|marks| marks.get(object)).is_some_and(|mark| mark.digest == digest)
    }

    /// Remembers that nothing but the number of replicas was changed since, by us.
    pub(crate) fn remember_scale(&self, key: &Key, object: &(Kind, String), generation: i64) {
        let mut marks = self.marks.lock();
        let mark = marks.get_mut(key).and_then(|marks| marks.get_mut(object));
        if let Some(mark) = mark.filter(|mark| mark.version == (generation - 1).to_string()) {
            mark.version = generation.to_string();
        }
    }

    /// Remembers the answer to a write of the Deployment: watches bring it later.
    pub(crate) fn remember_deployment(&self, key: &Key, mut deployment: Deployment) {
        watches::trim_deployment(&mut deployment);
        self.deployments.lock().insert(key.clone(), deployment);
    }

    /// The newer of what was watched and what was answered.
    pub(crate) fn newest(&self, key: &Key, watched: Option<Deployment>) -> Option<Deployment> {
        let own = self.deployments.lock().get(key).cloned();
        match (watched, own) {
            (Some(watched), Some(own))
                if watched.metadata.uid == own.metadata.uid
                    && own.metadata.generation > watched.metadata.generation =>
            {
                // Its status is older; what is asked for is what counts here.
                Some(Deployment { status: watched.status, ..own })
            }
            (watched, _) => watched,
        }
    }

    /// Forgets a resource that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.marks.lock().remove(key);
        self.deployments.lock().remove(key);
    }
}
