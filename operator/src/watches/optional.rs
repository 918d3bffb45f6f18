//! Watches of kinds that a cluster may not have.

use std::collections::VecDeque;

use events_gateway_operator_core::Kind;
use futures_util::{Stream, StreamExt as _, stream};
use kube::Api;
use kube::api::{DynamicObject, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use tokio::sync::watch;

use crate::kinds::Kinds;

/// A watch of a kind that may be installed later, and be taken away: meanwhile there is nothing of it, and nobody is asked.
pub(super) fn while_known(
    kinds: &Kinds,
    kind: Kind,
    api: Api<DynamicObject>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<Child>>> + Send + 'static {
    #[allow(deprecated)]
    let begin = move || watcher::metadata_watcher(api.clone(), config.clone()).boxed();
    let kinds = kinds.clone();
    let changes = kinds.changes();
    let gate = Gate { begin, inner: None, changes, is_known: move || kinds.known().contains(&kind), due: nothing() };
    stream::unfold(gate, async |mut gate| Some((gate.next().await?, gate)))
}

pub(super) type Child = PartialObjectMeta<DynamicObject>;

/// See [`while_known`].
struct Gate<B, I, K> {
    begin: B,
    inner: Option<I>,
    changes: watch::Receiver<()>,
    is_known: K,
    due: VecDeque<Event<Child>>,
}

/// A list that is over and had nothing in it.
fn nothing() -> VecDeque<Event<Child>> {
    [Event::Init, Event::InitDone].into()
}

impl<B, I, K> Gate<B, I, K>
where
    B: Fn() -> I,
    I: Stream<Item = watcher::Result<Event<Child>>> + Unpin,
    K: Fn() -> bool,
{
    async fn next(&mut self) -> Option<watcher::Result<Event<Child>>> {
        loop {
            match (&mut self.inner, (self.is_known)()) {
                (None, true) => {
                    self.due.clear();
                    self.inner = Some((self.begin)());
                }
                (Some(_), false) => {
                    self.due = nothing();
                    self.inner = None;
                }
                (Some(inner), true) => tokio::select! {
                    event = inner.next() => return event,
                    changed = self.changes.changed() => changed.ok()?,
                },
                (None, false) => match self.due.pop_front() {
                    Some(event) => return Some(Ok(event)),
                    None => self.changes.changed().await.ok()?,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_kind_is_watched_while_the_cluster_has_it() {
        let known = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (changed, changes) = watch::channel(());
        let of = known.clone();
        let mut gate = Gate {
            begin: || stream::iter([Ok(Event::Init)]).chain(stream::pending()),
            inner: None,
            changes,
            is_known: move || of.load(std::sync::atomic::Ordering::Relaxed),
            due: nothing(),
        };
        let set = |is: bool| {
            known.store(is, std::sync::atomic::Ordering::Relaxed);
            changed.send_replace(());
        };
        let told = async |gate: &mut Gate<_, _, _>| gate.next().await.unwrap().unwrap();
        assert!(matches!(told(&mut gate).await, Event::Init), "an empty list at once");
        assert!(matches!(told(&mut gate).await, Event::InitDone));
        set(true);
        assert!(matches!(told(&mut gate).await, Event::Init), "the watch's own");
        set(false);
        assert!(matches!(told(&mut gate).await, Event::Init), "nothing of it is left");
        assert!(matches!(told(&mut gate).await, Event::InitDone));
    }
}
