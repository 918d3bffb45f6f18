//! Notices: Kubernetes' Events on resources, with stable reasons.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

/// Longest text of a notice (events.k8s.io/v1: 1 kB).
const MAX_TEXT: usize = 1_000;

/// Gives notices.
#[derive(Clone)]
pub(crate) struct Notices(Recorder);

impl Notices {
    pub(crate) fn new(client: Client, identity: String) -> Self {
        let reporter = Reporter { controller: "eventsgateway.dev/operator".into(), instance: Some(identity) };
        Self(Recorder::new(client, reporter))
    }

    /// Something happened that was meant to.
    pub(crate) async fn normal(&self, about: &ObjectReference, reason: &str, text: &str) {
        self.give(EventType::Normal, about, reason, text).await;
    }

    /// Something is not as it should be.
    pub(crate) async fn warning(&self, about: &ObjectReference, reason: &str, text: &str) {
        self.give(EventType::Warning, about, reason, text).await;
    }

    /// A notice that can't be given is logged: nothing depends on it.
    async fn give(&self, type_: EventType, about: &ObjectReference, reason: &str, text: &str) {
        let note = text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= MAX_TEXT).map(|(_, c)| c).collect();
        let event = Event { type_, reason: reason.into(), note: Some(note), action: reason.into(), secondary: None };
        if let Err(error) = self.0.publish(&event, about).await {
            tracing::warn!(%error, reason, "failed to give a notice");
        }
    }
}
