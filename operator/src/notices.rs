//! Notices: Kubernetes' Events on resources, with stable reasons.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use crate::words::words;

/// Longest text of a notice (events.k8s.io/v1: 1 kB).
const MAX_TEXT: usize = 1_000;

/// Notices that may wait to be given; further ones are lost.
const WAITING: usize = 1_000;

/// Gives notices, in their order and in the background: nothing that is done waits for what is only told.
#[derive(Clone)]
pub(crate) struct Notices(mpsc::Sender<(ObjectReference, Event)>);

impl Notices {
    pub(crate) fn new(client: Client, identity: String) -> Self {
        let reporter = Reporter { controller: "eventsgateway.dev/operator".into(), instance: Some(identity) };
        let recorder = Recorder::new(client, reporter);
        let (sender, mut waiting) = mpsc::channel::<(ObjectReference, Event)>(WAITING);
        tokio::spawn(async move {
            while let Some((about, event)) = waiting.recv().await {
                // One that can't be given is logged: nothing depends on it.
                if let Err(error) = recorder.publish(&event, &about).await {
                    tracing::warn!(error = words(&error), event.reason, "failed to give a notice");
                }
            }
        });
        Self(sender)
    }

    /// Something happened that was meant to.
    pub(crate) fn normal(&self, about: &ObjectReference, reason: &str, text: &str) {
        self.give(about, event(EventType::Normal, reason, text));
    }

    /// Something is not as it should be.
    pub(crate) fn warning(&self, about: &ObjectReference, reason: &str, text: &str) {
        self.give(about, event(EventType::Warning, reason, text));
    }

    /// Something concerns one pod. Without the pod named as related, what concerns the next one within six minutes would only
    /// be counted under the first one's text.
    pub(crate) fn of_pod(&self, kind: EventType, about: &ObjectReference, pod: &str, reason: &str, text: &str) {
        let related = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: Some(pod.into()),
            namespace: about.namespace.clone(),
            ..ObjectReference::default()
        };
        self.give(about, Event { secondary: Some(related), ..event(kind, reason, text) });
    }

    /// The Deployment was given another number of replicas: each number is told in its own words.
    pub(crate) fn scaled(&self, about: &ObjectReference, replicas: u32) {
        let event = event(EventType::Normal, "Scaled", &format!("the Deployment has {replicas} replicas now"));
        self.give(about, Event { action: format!("ScaledTo{replicas}"), ..event });
    }

    fn give(&self, about: &ObjectReference, event: Event) {
        if let Err(lost) = self.0.try_send((about.clone(), event)) {
            let (_, event) = lost.into_inner();
            tracing::warn!(event.reason, "a notice is lost: too many wait to be given");
        }
    }
}

fn event(type_: EventType, reason: &str, text: &str) -> Event {
    let note = text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= MAX_TEXT).map(|(_, c)| c).collect();
    Event { type_, reason: reason.into(), note: Some(note), action: reason.into(), secondary: None }
}
