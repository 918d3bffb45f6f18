//! The topics as one client of the library knows them: it doesn't survive that one of them is created anew.
//!
//! librdkafka keeps the leader epoch of a partition over the topic's deletion and ignores whatever metadata tells of a lower one
//! (`rd_kafka_toppar_leader_update`, 2.12: "ignoring outdated metadata update"). A new topic starts at epoch 0; so once its
//! predecessor's leader has changed (a broker that restarted is enough) the partition has no leader for good, and its records
//! never come, without any error. A client that is made anew knows nothing of the predecessor.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::source::SourceError;

/// What one client has been told of its topics' identities.
#[derive(Debug, Default)]
pub(super) struct Identities {
    known: Mutex<HashMap<Arc<str>, String>>,
    is_outdated: AtomicBool,
}

impl Identities {
    /// Notes the identity of a topic. Fails once any is another than before: the client has to be replaced.
    pub(super) fn check(&self, topic: &Arc<str>, id: &str) -> Result<(), SourceError> {
        let mut known = self.known.lock();
        let known = known.entry(topic.clone()).or_insert_with(|| id.to_owned());
        if known != id {
            self.is_outdated.store(true, Ordering::Release);
        }
        if self.is_outdated() {
            let detail = format!("{topic} was created anew: the client begins again");
            return Err(SourceError::Failed { call: "go on in a topic", detail });
        }
        Ok(())
    }

    /// Whether the client has to be replaced.
    pub(super) fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_outdated_for_good_once_a_topic_has_another_identity() {
        let (orders, users): (Arc<str>, Arc<str>) = ("orders".into(), "users".into());
        let identities = Identities::default();
        assert!(identities.check(&orders, "a").is_ok());
        assert!(identities.check(&users, "b").is_ok());
        assert!(identities.check(&orders, "a").is_ok());
        assert!(!identities.is_outdated());
        assert!(identities.check(&orders, "c").is_err());
        assert!(identities.check(&users, "b").is_err(), "nothing is played by it any more");
        assert!(identities.is_outdated());
    }
}
