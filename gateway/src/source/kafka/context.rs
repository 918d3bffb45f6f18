//! What the client library calls back: rebalances, tokens, log lines. All but the log on the polling thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use events_gateway_kafka_client::log::{log, reason};
use parking_lot::{Condvar, Mutex};
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::util::Timeout;
use tokio::sync::mpsc;

use super::oauth::{self, OAuth};
use crate::source::{Signal, TopicPartition};

/// A partition that is played.
#[derive(Debug, Clone, Copy)]
pub(super) struct Played {
    pub life: u64,
    pub paused: bool,
    /// The offset of the next record: what tells that the client went elsewhere.
    pub next: u64,
}

/// What is assigned, and what is awaited.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    /// Partition -> how it is played; `None` for not at all.
    pub partitions: BTreeMap<TopicPartition, Option<Played>>,
    /// Revoked and not yet released.
    pub awaited: BTreeSet<TopicPartition>,
}

/// Shared by the polling thread, the callbacks and the controls.
pub(super) struct Shared {
    pub assignment: Mutex<Assignment>,
    pub released: Condvar,
    pub signals: mpsc::Sender<Signal>,
    pub closing: AtomicBool,
    /// How long a revocation waits for its release.
    pub revoke_within: Duration,
    /// Why brokers or tokens could not be had last: the client's errors name only the kind.
    pub reason: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn tell(&self, signal: Signal) {
        if !self.closing.load(Ordering::Acquire) {
            // Fails only when the source was dropped.
            let _ = self.signals.blocking_send(signal);
        }
    }

    /// A complaint is dropped rather than waited with.
    pub(super) fn complain(&self, trouble: String) {
        let _ = self.signals.try_send(Signal::Trouble(trouble));
    }

    /// Complains of an error of the client, with the reason that it logged before where the error has none.
    pub(super) fn complain_of(&self, error: &KafkaError) {
        let reason = match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::SSL,
            ) => self.reason.lock().clone(),
            _ => None,
        };
        self.complain(match reason {
            Some(reason) => format!("{error}: {reason}"),
            None => error.to_string(),
        });
    }

    pub(super) fn revoke(&self, partitions: &[TopicPartition], lost: bool) {
        {
            let mut assignment = self.assignment.lock();
            for at in partitions {
                assignment.partitions.remove(at);
                if !lost {
                    assignment.awaited.insert(at.clone());
                }
            }
        }
        if self.closing.load(Ordering::Acquire) || partitions.is_empty() {
            return;
        }
        self.tell(Signal::Revoked { partitions: partitions.to_vec(), lost });
        let deadline = Instant::now() + self.revoke_within;
        let mut assignment = self.assignment.lock();
        while !lost && partitions.iter().any(|at| assignment.awaited.contains(at)) {
            if self.released.wait_until(&mut assignment, deadline).timed_out() {
                break;
            }
        }
        for at in partitions {
            assignment.awaited.remove(at);
        }
    }

    pub(super) fn release(&self, partitions: &[TopicPartition]) {
        let mut assignment = self.assignment.lock();
        for at in partitions {
            assignment.awaited.remove(at);
        }
        self.released.notify_all();
    }
}

pub(super) struct Context {
    pub shared: Arc<Shared>,
    pub oauth: Option<OAuth>,
}

pub(super) fn list_of<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for at in partitions {
        list.add_partition(&at.topic, at.partition);
    }
    list
}

fn partitions_of(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements().iter().map(|element| TopicPartition::new(element.topic(), element.partition())).collect()
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == "FAIL" {
            *self.shared.reason.lock() = Some(reason(message).to_owned());
        }
        log(level, facility, message);
    }

    fn error(&self, _: KafkaError, _: &str) {
        // The poll returns it as well.
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        oauth::token(self.oauth.as_ref()).inspect_err(|error| *self.shared.reason.lock() = Some(error.to_string()))
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            self.shared.revoke(&partitions_of(list), consumer.assignment_lost());
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Assign(list) = rebalance else { return };
        let partitions = partitions_of(list);
        if partitions.is_empty() {
            return;
        }
        *self.shared.reason.lock() = None;
        // Nothing flows before it was decided from where. What was fetched in between is dropped: it has no life.
        if let Err(error) = consumer.pause(list) {
            self.shared.complain(format!("failed to pause assigned partitions: {error}"));
        }
        self.shared.assignment.lock().partitions.extend(partitions.iter().map(|at| (at.clone(), None)));
        self.shared.tell(Signal::Assigned(partitions));
    }

    fn main_queue_min_poll_interval(&self) -> Timeout {
        Timeout::After(Duration::from_millis(100))
    }
}
