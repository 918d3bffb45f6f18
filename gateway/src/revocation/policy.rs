//! Whether the topic keeps what stands in it.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::KafkaError;
use tokio::time::sleep;

use crate::source::kafka::options::Client;
use crate::source::kafka::reader::Context;

/// How often it is looked: a policy may be changed.
const EVERY: Duration = Duration::from_secs(3_600);
/// How soon again where the brokers didn't answer.
const AGAIN: Duration = Duration::from_secs(60);
/// The request to the brokers.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Looks, and complains in the log, for ever. It may well not be allowed to: then the documentation has to do.
pub async fn watch(client: Client, topic: String, retention: Duration) {
    loop {
        let pause = match settings(&client, &topic).await {
            Ok(resource) => {
                let value = |name: &str| resource.get(name).and_then(|entry| entry.value.as_deref());
                if let Err(problem) = judge(value("cleanup.policy"), value("retention.ms"), retention) {
                    tracing::error!(topic, problem, "the topic of revocations forgets some of them");
                }
                EVERY
            }
            Err(error) => {
                tracing::debug!(topic, %error, "failed to look how the topic of revocations is cleaned up");
                AGAIN
            }
        };
        sleep(pause).await;
    }
}

async fn settings(client: &Client, topic: &str) -> Result<ConfigResource, KafkaError> {
    let admin = AdminClient::from_config_and_context(&client.config(), Context::new(client))?;
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let described = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options).await?;
    let first = described.into_iter().next();
    first.unwrap_or(Err(rdkafka::error::RDKafkaErrorCode::UnknownTopicOrPartition)).map_err(KafkaError::AdminOp)
}

/// What is wrong with a policy, if anything is.
fn judge(policy: Option<&str>, retention_ms: Option<&str>, retention: Duration) -> Result<(), String> {
    // What can't be read isn't judged.
    let Some(policy) = policy else { return Ok(()) };
    let has = |wanted: &str| policy.split(',').any(|part| part.trim() == wanted);
    if !has("compact") {
        return Err(format!("cleanup.policy is {policy}: set it to compact, or to compact,delete"));
    }
    let kept: Option<i128> = retention_ms.and_then(|text| text.parse().ok());
    match kept {
        // -1: for ever.
        Some(kept) if has("delete") && kept >= 0 && kept < retention.as_millis() as i128 => {
            Err(format!("retention.ms is {kept}: less than identity.revocation.retention, {}", retention.as_millis()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_compacted_and_keeps_what_is_in_force_is_right() {
        let hour = Duration::from_secs(3_600);
        for (policy, kept, is_right) in [
            (Some("compact"), Some("1"), true),
            (Some("compact,delete"), Some("3600000"), true),
            (Some("delete,compact"), Some("-1"), true),
            (Some("compact, delete"), None, true),
            (None, None, true),
            (Some("delete"), Some("-1"), false),
            (Some("compact,delete"), Some("3599999"), false),
        ] {
            assert_eq!(judge(policy, kept, hour).is_ok(), is_right, "{policy:?} {kept:?}");
        }
    }
}
