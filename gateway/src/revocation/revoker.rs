//! Writes revocations to the topic.

use std::sync::Arc;
use std::time::Duration;

use events_gateway_identity::revocation::{Revocation, Target};
use tokio::time::sleep;

use super::Revocations;
use crate::clock::now;
use crate::producer::topic::{NotTaken, Place, TopicWriter};
use crate::producer::{ProducerError, Settings};
use crate::source::kafka::options::Client;

/// How long Kafka may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Least and most time before a record is mended: of many replicas one is the first, and the others need not do it any more.
const MEND_AFTER: (f64, f64) = (1.0, 5.0);

/// Writes to one topic.
#[derive(Clone)]
pub struct Revoker {
    topic: TopicWriter,
    revocations: Arc<Revocations>,
}

impl std::fmt::Debug for Revoker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revoker").field("revocations", &self.revocations).finish_non_exhaustive()
    }
}

impl Revoker {
    /// Connects when the first revocation comes.
    ///
    /// # Errors
    /// When the client library refuses the configuration.
    pub fn new(client: Client, topic: &str, revocations: Arc<Revocations>) -> Result<Self, ProducerError> {
        let settings = Settings {
            whose: "revocations",
            timeout: TIMEOUT,
            queue_kib: 16 << 10,
            max_record_bytes: 64 << 10,
            linger: Duration::ZERO,
        };
        Ok(Self { topic: TopicWriter::new(client, topic, settings)?, revocations })
    }

    /// Revokes what was issued before a time, or what is known to be revoked already if that is more. It is in force on every
    /// replica once that has read it; Kafka has it when this returns.
    ///
    /// # Errors
    /// When Kafka doesn't say that it has it; it may all the same. Revoking once more is harmless.
    pub async fn revoke(&self, target: Target, issued_before: u64) -> Result<(Revocation, Place), NotTaken> {
        let known = self.revocations.issued_before(&target).unwrap_or(0);
        let revocation = Revocation { target, issued_before: issued_before.max(known), revoked: now().0 };
        let place = self.topic.send(&revocation.target.key(), &[], revocation.value().as_bytes())?.await?;
        Ok((revocation, place))
    }

    /// Writes those once more whose last record says less than one before it, since compaction would leave nothing but the
    /// last. For ever.
    pub async fn mend(self) {
        loop {
            sleep(Duration::from_secs_f64(rand::random_range(MEND_AFTER.0..MEND_AFTER.1))).await;
            for (target, issued_before) in self.revocations.lowered(100) {
                tracing::warn!(
                    issuer = target.issuer,
                    "a revocation was written over by a lesser one: it is written again"
                );
                if self.revoke(target, issued_before).await.is_err() {
                    break;
                }
            }
        }
    }
}
