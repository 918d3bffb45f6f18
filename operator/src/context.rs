//! What every pass over a resource needs.

use std::collections::HashMap;
use std::sync::Arc;

use events_gateway_resources::EventsGatewayStatus;
use kube::Client;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::controller::applied::Applied;
use crate::controller::survey::Surveys;
use crate::kafka::Kafka;
use crate::kinds::Kinds;
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::settings::Settings;
use crate::watches::Stores;

/// A resource: its namespace and name.
pub(crate) type Key = (String, String);

/// What every pass over a resource needs. What is remembered here is only to save work: all that matters is in the cluster.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) kinds: Kinds,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) notices: Notices,
    pub(crate) stores: Stores,
    pub(crate) applied: Applied,
    pub(crate) surveys: Surveys,
    pub(crate) kafka: Kafka,
    /// How often a pass failed since it last succeeded.
    pub(crate) failures: Mutex<HashMap<Key, u32>>,
    /// The status that was written last, and when.
    pub(crate) told: Mutex<HashMap<Key, (EventsGatewayStatus, Instant)>>,
}

impl Context {
    /// Forgets a resource that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.failures.lock().remove(key);
        self.told.lock().remove(key);
        self.applied.forget(key);
        self.surveys.forget(key);
        self.kafka.forget(key);
        let _ = self.metrics.last_success.remove_label_values(&[&key.0, &key.1]);
    }
}
