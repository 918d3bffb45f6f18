//! What is watched, and the stores that hold it: no more of an object than is looked at.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use events_gateway_operator_core::{Kind, labels};
use events_gateway_resources::{EventsGateway, EventsGatewayOffsetReset};
use futures_util::{Stream, StreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{DynamicObject, PartialObjectMeta};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, Store};
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::controller::Failure;
use crate::kinds::Kinds;

/// A resource that may be unreadable: it doesn't keep the others from being read.
pub(crate) type Guarded = DeserializeGuard<EventsGateway>;

/// How long each first list is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a kind of children is watched by metadata only. Of Deployments more is looked at, and Secrets are watched for all that
/// gateways name.
fn is_child(kind: Kind) -> bool {
    !matches!(kind, Kind::Deployment | Kind::Secret)
}

/// What is known of the cluster.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) gateways: Store<Guarded>,
    pub(crate) resets: Store<EventsGatewayOffsetReset>,
    pub(crate) deployments: Store<Deployment>,
    pub(crate) pods: Store<Pod>,
    pub(crate) secrets: Store<PartialObjectMeta<Secret>>,
    /// All of them; those that are children stand among the children as well.
    pub(crate) config_maps: Store<PartialObjectMeta<ConfigMap>>,
    pub(crate) children: HashMap<Kind, Store<PartialObjectMeta<DynamicObject>>>,
}

impl Stores {
    /// Waits until all that is there was listed once.
    ///
    /// # Errors
    /// With what is missing, after [`PATIENCE`].
    pub(crate) async fn seen(&self) -> Result<(), Failure> {
        seen(&self.gateways, "EventsGateways").await?;
        seen(&self.resets, "EventsGatewayOffsetResets").await?;
        seen(&self.deployments, "Deployments").await?;
        seen(&self.pods, "Pods").await?;
        seen(&self.secrets, "Secrets").await?;
        seen(&self.config_maps, "ConfigMaps").await?;
        for (kind, store) in &self.children {
            seen(store, kind.names().2).await?;
        }
        Ok(())
    }
}

async fn seen<K>(store: &Store<K>, what: &'static str) -> Result<(), Failure>
where
    K: reflector::Lookup + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    let listed = timeout(PATIENCE, store.wait_until_ready()).await;
    if matches!(listed, Ok(Ok(()))) { Ok(()) } else { Err(Failure::Unseen { what, within: PATIENCE }) }
}

/// Objects as they are touched.
pub(crate) type Touched<K> = std::pin::Pin<Box<dyn Stream<Item = Result<K, watcher::Error>> + Send>>;

/// The streams that fill the stores, for who looks after the gateways.
pub(crate) struct GatewayStreams {
    pub(crate) gateways: Touched<Guarded>,
    pub(crate) resets: Touched<EventsGatewayOffsetReset>,
    pub(crate) deployments: Touched<Deployment>,
    pub(crate) pods: Touched<Pod>,
    pub(crate) secrets: Touched<PartialObjectMeta<Secret>>,
    pub(crate) config_maps: Touched<PartialObjectMeta<ConfigMap>>,
    pub(crate) children: Vec<(Kind, Touched<PartialObjectMeta<DynamicObject>>)>,
}

/// Begins to watch one namespace, or all.
pub(crate) fn watch(
    client: &Client,
    kinds: &Kinds,
    namespace: Option<&str>,
) -> (Stores, GatewayStreams, Touched<EventsGatewayOffsetReset>) {
    let labelled = || watcher::Config::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGER));
    let (gateways, gateways_stream) = full(api::<Guarded>(client, namespace), watcher::Config::default(), |_| {});
    let (resets, resets_stream) = readable(api(client, namespace));
    // A second watch for who carries them out: there is little of it.
    let (_, resets_again) = readable(api(client, namespace));
    let (deployments, deployments_stream) = full(api(client, namespace), labelled(), trim_deployment);
    let (pods, pods_stream) = full(api(client, namespace), labelled(), trim_pod);
    let (secrets, secrets_stream) = named(api::<Secret>(client, namespace));
    let (config_maps, config_maps_stream) = named(api::<ConfigMap>(client, namespace));
    let mut stores = HashMap::new();
    let mut children = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| is_child(*kind)) {
        let resource = kind.resource();
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let (store, stream) = metadata(while_known(kinds, kind, api, labelled()), resource);
        stores.insert(kind, store);
        children.push((kind, stream));
    }
    (
        Stores { gateways, resets, deployments, pods, secrets, config_maps, children: stores },
        GatewayStreams {
            gateways: gateways_stream,
            resets: resets_again,
            deployments: deployments_stream,
            pods: pods_stream,
            secrets: secrets_stream,
            config_maps: config_maps_stream,
            children,
        },
        resets_stream,
    )
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn full<K>(api: Api<K>, config: watcher::Config, trim: impl FnMut(&mut K) + Send + 'static) -> (Store<K>, Touched<K>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (reader, writer) = reflector::store();
    let stream =
        watcher::watcher(api, config).backoff(Pauses::default()).modify(trim).reflect(writer).touched_objects();
    (reader, told(stream))
}

/// Of those that can be read: another release may have written one that can't, and it keeps the others from nothing.
fn readable<K>(api: Api<DeserializeGuard<K>>) -> (Store<K>, Touched<K>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (reader, writer) = reflector::store();
    let events = watcher::watcher(api, watcher::Config::default()).backoff(Pauses::default());
    let events = events.filter_map(async |event| event.map(only_readable).transpose());
    (reader, told(events.reflect(writer).touched_objects()))
}

fn only_readable<K: Resource<DynamicType = ()>>(event: Event<DeserializeGuard<K>>) -> Option<Event<K>> {
    let (object, made): (_, fn(K) -> Event<K>) = match event {
        Event::Init => return Some(Event::Init),
        Event::InitDone => return Some(Event::InitDone),
        Event::InitApply(object) => (object, Event::InitApply),
        Event::Apply(object) => (object, Event::Apply),
        Event::Delete(object) => (object, Event::Delete),
    };
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let kind = K::kind(&());
    let read =
        object.0.inspect_err(|error| tracing::error!(%kind, namespace, name, %error, "failed to read an object"));
    read.ok().map(made)
}

/// What gateways may name: of everybody's, by metadata only, and without annotations. kubectl keeps what it applied in one: of a
/// Secret, its values.
fn named<K>(api: Api<K>) -> (Store<PartialObjectMeta<K>>, Touched<PartialObjectMeta<K>>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    #[allow(deprecated)]
    let events = watcher::metadata_watcher(api, watcher::Config::default());
    metadata(events.modify(|object| object.annotations_mut().clear()), ())
}

fn metadata<K>(
    events: impl Stream<Item = watcher::Result<Event<PartialObjectMeta<K>>>> + Send + 'static,
    dynamic: K::DynamicType,
) -> (Store<PartialObjectMeta<K>>, Touched<PartialObjectMeta<K>>)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Debug + Send + Sync + Unpin,
{
    let writer = reflector::store::Writer::<PartialObjectMeta<K>>::new(dynamic);
    let reader = writer.as_reader();
    let stream = events
        .backoff(Pauses::default())
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects();
    (reader, told(stream))
}

/// A watch of a kind that may be installed later, and be taken away: meanwhile there is nothing of it, and nobody is asked.
fn while_known(
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

type Child = PartialObjectMeta<DynamicObject>;

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

/// How long a watch waits before it is made again: longer each time, and never so long that an operator stays blind when the API
/// server is back. kube's own pauses grow to 30 s; a dozen watches that ask every 5 s are nothing to an API server.
#[derive(Debug, Default)]
struct Pauses(u32);

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.0)).min(LONGEST_PAUSE);
        self.0 = self.0.saturating_add(1);
        Some(pause.mul_f64(0.75 + rand::random::<f64>() * 0.5))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Logs the errors of a watch, which waits and is made again by itself, and passes them on to nobody.
///
/// A controller that sees an error stops looking at all of its watches for a while, for longer with each error: after the API
/// server was away for some seconds, a dozen watches with some errors each would keep it from acting for minutes.
fn told<T, S>(stream: S) -> Touched<T>
where
    T: Send + 'static,
    S: Stream<Item = Result<T, watcher::Error>> + Send + 'static,
{
    Box::pin(
        stream
            .filter_map(async |item| item.inspect_err(|error| tracing::warn!(%error, "failed to watch")).ok().map(Ok)),
    )
}

/// What is looked at of a Deployment: all but the template.
pub(crate) fn trim_deployment(deployment: &mut Deployment) {
    deployment.managed_fields_mut().clear();
    if let Some(spec) = &mut deployment.spec {
        spec.template = Default::default();
    }
}

/// What is looked at of a pod: labels and annotations, ports, node, state.
fn trim_pod(pod: &mut Pod) {
    pod.managed_fields_mut().clear();
    let Some(spec) = &mut pod.spec else { return };
    let node = spec.node_name.take();
    let containers = spec.containers.iter_mut().map(|container| k8s_openapi::api::core::v1::Container {
        name: std::mem::take(&mut container.name),
        ports: container.ports.take(),
        ..Default::default()
    });
    let containers = containers.collect();
    *spec = k8s_openapi::api::core::v1::PodSpec { node_name: node, containers, ..Default::default() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_waits_longer_each_time_and_never_long() {
        let mut pauses = Pauses::default();
        for expected in [0.5, 1.0, 2.0, 4.0, 5.0, 5.0] {
            let pause = pauses.next().unwrap().as_secs_f64();
            assert!((expected * 0.75..=expected * 1.25).contains(&pause), "{pause}");
        }
        pauses.reset();
        assert!(pauses.next().unwrap() < Duration::from_secs(1));
    }

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

    #[tokio::test(start_paused = true)]
    async fn nothing_is_judged_before_everything_was_listed() {
        let (store, mut writer) = reflector::store::<Pod>();
        let told = seen(&store, "Pods").await.unwrap_err().to_string();
        assert_eq!(told, "failed to learn what there is within 30 s: Pods can't be listed yet");
        writer.apply_watcher_event(&Event::Init);
        assert!(seen(&store, "Pods").await.is_err(), "a list that has only begun");
        writer.apply_watcher_event(&Event::InitDone);
        assert!(seen(&store, "Pods").await.is_ok(), "there may be none");
    }
}
