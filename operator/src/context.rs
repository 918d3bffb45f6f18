//! What every pass over a resource needs.

use std::collections::HashMap;
use std::sync::Arc;

use events_gateway_resources::EventsGatewayStatus;
use kube::{Client, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::controller::applied::Applied;
use crate::controller::survey::Surveys;
use crate::failures::Failures;
use crate::image_updates::ImageUpdates;
use crate::kafka::Kafka;
use crate::kinds::Kinds;
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::settings::Settings;
use crate::watches::Stores;

/// A resource: its namespace and name.
pub(crate) type Key = (String, String);

/// The key of an object in a namespace.
pub(crate) fn key(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// What every pass over a resource needs. What is remembered here is only to save work: all that matters is in the cluster.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) kinds: Kinds,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) notices: Notices,
    /// What is known of the namespace that is looked after, or of the whole cluster.
    pub(crate) stores: Stores,
    /// What is known everywhere that this operator looks after.
    pub(crate) everywhere: Arc<[Stores]>,
    /// Passes wait here for their turn, whatever namespace they are about.
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) image_updates: Arc<ImageUpdates>,
    pub(crate) applied: Arc<Applied>,
    pub(crate) surveys: Surveys,
    pub(crate) kafka: Kafka,
    pub(crate) failures: Failures,
    /// The same of offset resets.
    pub(crate) reset_failures: Failures,
    /// The status that was written last, and when.
    pub(crate) told: Mutex<HashMap<Key, (EventsGatewayStatus, Instant)>>,
}

impl Context {
    /// Forgets a resource that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.failures.forget(key);
        self.told.lock().remove(key);
        self.applied.forget(key);
        self.surveys.forget(key);
        self.kafka.forget(key);
        let _ = self.metrics.last_success.remove_label_values(&[&key.0, &key.1]);
    }
}
