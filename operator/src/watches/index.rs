//! Which objects have to do with what, kept up as they are watched: a pass over one of many resources looks at its own objects, and
//! never at all there are.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use kube::ResourceExt;
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use parking_lot::RwLock;

use crate::context::{Key, key};

/// Objects, and which of them have to do with what.
pub(crate) struct Indexed<K: Lookup + Clone + 'static, T>
where
    K::DynamicType: Eq + Hash + Clone,
{
    pub(super) objects: Store<K>,
    pub(super) dynamic: K::DynamicType,
    pub(super) index: Index<T>,
}

impl<K: Lookup + Clone + 'static, T> Clone for Indexed<K, T>
where
    K::DynamicType: Eq + Hash + Clone,
{
    fn clone(&self) -> Self {
        Self { objects: self.objects.clone(), dynamic: self.dynamic.clone(), index: self.index.clone() }
    }
}

impl<K: Lookup + Clone + 'static, T: Clone + Eq + Hash + Send + Sync + 'static> Indexed<K, T>
where
    K::DynamicType: Eq + Hash + Clone,
{
    /// All of them.
    pub(crate) fn store(&self) -> &Store<K> {
        &self.objects
    }

    /// The one of that name.
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.objects.get(&ObjectRef::new_with(&key.1, self.dynamic.clone()).within(&key.0))
    }

    /// Those of a topic, in the order of their names.
    pub(crate) fn of(&self, topic: &T) -> Vec<Arc<K>> {
        self.index.of(topic).iter().filter_map(|key| self.get(key)).collect()
    }

    /// How many have to do with anything.
    pub(crate) fn len(&self) -> usize {
        self.index.0.read().topics.len()
    }

    /// How many a topic has.
    pub(crate) fn count(&self, topic: &T) -> usize {
        self.index.count(topic)
    }
}

/// Names of objects by topic: by what they have to do with.
#[derive(Debug)]
pub(crate) struct Index<T>(Arc<RwLock<Names<T>>>);

impl<T> Clone for Index<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[derive(Debug)]
struct Names<T> {
    by_topic: HashMap<T, BTreeSet<Key>>,
    topics: HashMap<Key, Vec<T>>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { by_topic: HashMap::new(), topics: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash + Send + Sync + 'static> Index<T> {
    /// An index of the objects that pass by in `events`; it is put right before they are passed on.
    pub(super) fn over<K: ResourceExt + Send + 'static>(
        events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
        topics: impl Fn(&K) -> Vec<T> + Send + 'static,
    ) -> (Self, impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static) {
        let index = Self(Arc::default());
        let names = index.0.clone();
        let mut listed = Names::default();
        let events = events.inspect(move |event| match event {
            Ok(Event::Init) => listed = Names::default(),
            Ok(Event::InitApply(object)) => listed.put(key(object), topics(object)),
            // What a list doesn't have is gone.
            Ok(Event::InitDone) => *names.write() = std::mem::take(&mut listed),
            Ok(Event::Apply(object)) => names.write().put(key(object), topics(object)),
            Ok(Event::Delete(object)) => names.write().remove(&key(object)),
            Err(_) => {}
        });
        (index, events)
    }

    /// The names of a topic's objects, in their order.
    fn of(&self, topic: &T) -> Vec<Key> {
        self.0.read().by_topic.get(topic).into_iter().flatten().cloned().collect()
    }

    fn count(&self, topic: &T) -> usize {
        self.0.read().by_topic.get(topic).map_or(0, BTreeSet::len)
    }
}

impl<T: Clone + Eq + Hash> Names<T> {
    fn put(&mut self, key: Key, topics: Vec<T>) {
        if self.topics.get(&key) == Some(&topics) {
            return;
        }
        self.remove(&key);
        for topic in &topics {
            self.by_topic.entry(topic.clone()).or_default().insert(key.clone());
        }
        if !topics.is_empty() {
            self.topics.insert(key, topics);
        }
    }

    fn remove(&mut self, key: &Key) {
        for topic in self.topics.remove(key).into_iter().flatten() {
            if let Some(keys) = self.by_topic.get_mut(&topic) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_topic.remove(&topic);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use k8s_openapi::api::core::v1::Pod;

    fn pod(name: &str, topics: &str) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.namespace = Some("shop".into());
        pod.metadata.name = Some(name.into());
        pod.metadata.labels = Some([("topics".into(), topics.into())].into());
        pod
    }

    fn topics(pod: &Pod) -> Vec<String> {
        pod.labels()["topics"].split_whitespace().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn an_object_is_found_by_what_it_has_to_do_with_now() {
        let events = [
            (Event::Init, "", ""),
            (Event::InitApply(pod("one", "a b")), "", ""),
            (Event::InitApply(pod("two", "a")), "", ""),
            (Event::InitDone, "one two", "one"),
            (Event::Apply(pod("two", "b")), "one", "one two"),
            (Event::Delete(pod("one", "a b")), "", "two"),
            (Event::Apply(pod("three", "a")), "three", "two"),
            // It is listed anew: what came before stands until the list is whole.
            (Event::Init, "three", "two"),
            (Event::InitApply(pod("four", "a")), "three", "two"),
            (Event::InitDone, "four", ""),
        ];
        let (events, expected): (Vec<_>, Vec<_>) = events.into_iter().map(|(event, a, b)| (Ok(event), [a, b])).unzip();
        let (index, mut events) = Index::over(stream::iter(events), topics);
        for (step, expected) in expected.into_iter().enumerate() {
            events.next().await.unwrap().unwrap();
            for (topic, expected) in ["a", "b"].into_iter().zip(expected) {
                let found: Vec<_> = index.of(&topic.to_owned()).into_iter().map(|(_, name)| name).collect();
                assert_eq!(found.join(" "), expected, "{topic} after step {step}");
                assert_eq!(index.count(&topic.to_owned()), found.len(), "{topic} after step {step}");
            }
        }
        let names = index.0.read();
        assert_eq!((names.by_topic.len(), names.topics.len()), (1, 1), "nothing is kept of what is gone");
    }
}
