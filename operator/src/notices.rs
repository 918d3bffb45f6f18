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
        self.give(about, event(EventType::Normal, reason, text)).await;
    }

    /// Something is not as it should be.
    pub(crate) async fn warning(&self, about: &ObjectReference, reason: &str, text: &str) {
        self.give(about, event(EventType::Warning, reason, text)).await;
    }

    /// Something concerns one pod. Without the pod named as related, what concerns the next one within six minutes would only
    /// be counted under the first one's text.
    pub(crate) async fn of_pod(&self, kind: EventType, about: &ObjectReference, pod: &str, reason: &str, text: &str) {
        let related = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: Some(pod.into()),
            namespace: about.namespace.clone(),
            ..ObjectReference::default()
        };
        self.give(about, Event { secondary: Some(related), ..event(kind, reason, text) }).await;
    }

    /// The Deployment was given another number of replicas: each number is told in its own words.
    pub(crate) async fn scaled(&self, about: &ObjectReference, replicas: u32) {
        let event = event(EventType::Normal, "Scaled", &format!("the Deployment has {replicas} replicas now"));
        self.give(about, Event { action: format!("ScaledTo{replicas}"), ..event }).await;
    }

    /// A notice that can't be given is logged: nothing depends on it.
    async fn give(&self, about: &ObjectReference, event: Event) {
        if let Err(error) = self.0.publish(&event, about).await {
            tracing::warn!(%error, event.reason, "failed to give a notice");
        }
    }
}

fn event(type_: EventType, reason: &str, text: &str) -> Event {
    let note = text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= MAX_TEXT).map(|(_, c)| c).collect();
    Event { type_, reason: reason.into(), note: Some(note), action: reason.into(), secondary: None }
}
