//! What the operator sees to in Kafka for each gateway: looked at in the background, so that brokers that are away hold no
//! pass back.

mod client;
mod look;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use events_gateway_operator_kafka::lag::Readers;
use events_gateway_operator_kafka::{Clusters, KafkaError, Limits};
use events_gateway_resources::EventsGateway;
use events_gateway_resources::gateway::status::Group;
use kube::runtime::reflector::ObjectRef;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::context::Key;
use crate::watches::Guarded;

/// How old a view may be before it is looked again.
const STEADY: Duration = Duration::from_secs(30);
/// The same while records wait or a group has nobody.
const UNSETTLED: Duration = Duration::from_secs(10);

/// What was seen in Kafka.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct View {
    /// The groups, one for each binding.
    pub(crate) groups: Vec<Group>,
    /// The protocol that they speak.
    pub(crate) protocol: Option<String>,
    /// What is wrong: one line each.
    pub(crate) problems: Vec<String>,
}

/// Why Kafka couldn't be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// A Secret or ConfigMap isn't there, or can't be read.
    #[error("failed to read the {kind} {name}, which kafka.security refers to: {problem}")]
    Reference {
        /// Which of them.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        problem: String,
    },
    /// The brokers.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// What is known of the Kafka of each gateway.
pub(crate) struct Kafka {
    pub(crate) clusters: Arc<Clusters>,
    client: kube::Client,
    entries: Arc<Mutex<HashMap<Key, Entry>>>,
    touched: mpsc::UnboundedSender<ObjectRef<Guarded>>,
}

#[derive(Default)]
struct Entry {
    view: Option<View>,
    at: Option<Instant>,
    generation: Option<i64>,
    is_looking: bool,
}

impl View {
    /// How long it may be looked at.
    pub(crate) fn lasts(&self) -> Duration {
        let is_settled = |group: &Group| group.lag == Some(0) && group.members.is_some_and(|members| members > 0);
        if self.problems.is_empty() && self.groups.iter().all(is_settled) { STEADY } else { UNSETTLED }
    }
}

impl Kafka {
    /// Tells through `touched` when something was seen that wasn't before.
    pub(crate) fn new(client: kube::Client, touched: mpsc::UnboundedSender<ObjectRef<Guarded>>) -> Self {
        let clusters = Arc::new(Clusters::new(Limits::default()));
        Self { clusters, client, entries: Arc::default(), touched }
    }

    /// What was seen last; looks again in the background when that is long ago, or was for another spec.
    pub(crate) fn view(&self, key: &Key, gateway: &EventsGateway) -> Option<View> {
        let mut entries = self.entries.lock();
        let entry = entries.entry(key.clone()).or_default();
        let lasts = entry.view.as_ref().map_or(STEADY, View::lasts);
        let is_old = entry.at.is_none_or(|at| at.elapsed() >= lasts) || entry.generation != gateway.metadata.generation;
        if is_old && !entry.is_looking {
            entry.is_looking = true;
            entry.generation = gateway.metadata.generation;
            self.look(key.clone(), gateway.clone());
        }
        entry.view.clone()
    }

    fn look(&self, key: Key, gateway: EventsGateway) {
        let (client, clusters) = (self.client.clone(), self.clusters.clone());
        let (entries, touched) = (self.entries.clone(), self.touched.clone());
        tokio::spawn(async move {
            let view = look::look(&client, &clusters, &key, &gateway).await;
            let mut entries = entries.lock();
            // Forgotten meanwhile: the resource is gone.
            let Some(entry) = entries.get_mut(&key) else { return };
            let changed = entry.view.as_ref() != Some(&view);
            (entry.view, entry.at, entry.is_looking) = (Some(view), Some(Instant::now()), false);
            if changed {
                let _ = touched.send(ObjectRef::new(&key.1).within(&key.0));
            }
        });
    }

    /// What was seen is over: replicas were told to pause or to go on.
    pub(crate) fn look_again(&self, key: &Key) {
        if let Some(entry) = self.entries.lock().get_mut(key) {
            entry.at = None;
        }
    }

    /// Forgets a resource that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.entries.lock().remove(key);
    }
}

/// The groups of some bindings, or of all, and what each reads.
pub(crate) fn readers(gateway: &EventsGateway, bindings: &[String]) -> Readers {
    let chosen = gateway.spec.kafka.bindings.iter();
    let chosen = chosen.filter(|binding| bindings.is_empty() || bindings.contains(&binding.name.0));
    chosen
        .map(|binding| {
            let topics: BTreeSet<String> = binding.topics.iter().map(|topic| topic.0.clone()).collect();
            (group_id(binding), topics)
        })
        .collect::<BTreeMap<_, _>>()
}

/// A binding's group, as the gateway names it.
pub(crate) fn group_id(binding: &events_gateway_crds::kafka::Binding) -> String {
    let own = binding.group_id.as_ref().map(|id| id.0.clone());
    own.unwrap_or_else(|| format!("events-gateway-{}", binding.name.0))
}

pub(crate) use client::cluster;
