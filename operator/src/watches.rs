//! What is watched, and the stores that hold it: no more of an object than is looked at.

mod index;
mod optional;
mod pauses;
mod topic;
pub(crate) mod writers;

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use events_gateway_operator_core::{Kind, ReplicaPod, labels};
use events_gateway_resources::{EventsGateway, EventsGatewayOffsetReset};
use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DynamicObject, PartialObjectMeta};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::context::Key;
use crate::controller::Failure;
use crate::kinds::Kinds;
use index::Index;
pub(crate) use index::Indexed;
use optional::while_known;
use pauses::Pauses;
use topic::topics;
pub(crate) use topic::{Topic, follows};

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
    pub(crate) gateways: Indexed<Guarded, Topic>,
    pub(crate) resets: Store<EventsGatewayOffsetReset>,
    pub(crate) deployments: Store<Deployment>,
    /// By the gateways that they are replicas of.
    pub(crate) pods: Indexed<ReplicaPod, Key>,
    pub(crate) secrets: Store<PartialObjectMeta<Secret>>,
    /// All of them; those that are children stand among the children as well.
    pub(crate) config_maps: Store<PartialObjectMeta<ConfigMap>>,
    /// By their owners' identities.
    pub(crate) children: HashMap<Kind, Indexed<PartialObjectMeta<DynamicObject>, String>>,
}

impl Stores {
    /// Waits until all that is there was listed once.
    ///
    /// # Errors
    /// With what is missing, after [`PATIENCE`].
    pub(crate) async fn seen(&self) -> Result<(), Failure> {
        seen(self.gateways.store(), "EventsGateways").await?;
        seen(&self.resets, "EventsGatewayOffsetResets").await?;
        seen(&self.deployments, "Deployments").await?;
        seen(self.pods.store(), "Pods").await?;
        seen(&self.secrets, "Secrets").await?;
        seen(&self.config_maps, "ConfigMaps").await?;
        for (kind, children) in &self.children {
            seen(children.store(), kind.names().2).await?;
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
    pub(crate) pods: Touched<ReplicaPod>,
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
    let every = watcher::Config::default;
    let (gateways, gateways_stream) = indexed(watched(api::<Guarded>(client, namespace), every()), (), topics);
    let (resets, resets_stream) = readable(api(client, namespace));
    // A second watch for who carries them out: there is little of it.
    let (_, resets_again) = readable(api(client, namespace));
    let deployments = watched(api(client, namespace), labelled()).modify(trim_deployment);
    let (deployments, deployments_stream) = kept(deployments, ());
    let pods = watched(api(client, namespace), labelled()).modify(ReplicaPod::trim);
    let (pods, pods_stream) = indexed(pods, (), |pod| replica_of(pod).into_iter().collect());
    let (secrets, secrets_stream) = kept(named(api::<Secret>(client, namespace)), ());
    let (config_maps, config_maps_stream) = kept(named(api::<ConfigMap>(client, namespace)), ());
    let mut stores = HashMap::new();
    let mut children = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| is_child(*kind)) {
        let resource = kind.resource();
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let children_events = while_known(kinds, kind, api, labelled()).backoff(Pauses::default());
        let children_events = children_events.modify(|child| writers::trim(&mut child.metadata));
        let (store, stream) = indexed(children_events, resource, owners);
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

fn watched<K>(api: Api<K>, config: watcher::Config) -> impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher::watcher(api, config).backoff(Pauses::default())
}

/// A store of what passes by.
fn kept<K>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    dynamic: K::DynamicType,
) -> (Store<K>, Touched<K>)
where
    K: Resource + Clone + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Send + Sync,
{
    let writer = reflector::store::Writer::new(dynamic);
    let reader = writer.as_reader();
    (reader, told(events.reflect(writer).touched_objects()))
}

/// The same, where objects are looked for by what they have to do with.
fn indexed<K, T>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    dynamic: K::DynamicType,
    topics: impl Fn(&K) -> Vec<T> + Send + 'static,
) -> (Indexed<K, T>, Touched<K>)
where
    K: Resource + Clone + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Send + Sync,
    T: Clone + Eq + Hash + Send + Sync + 'static,
{
    let (index, events) = Index::over(events, topics);
    let (objects, touched) = kept(events, dynamic.clone());
    (Indexed { objects, dynamic, index }, touched)
}

/// Of those that can be read: another release may have written one that can't, and it keeps the others from nothing.
fn readable<K>(api: Api<DeserializeGuard<K>>) -> (Store<K>, Touched<K>)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let events = watched(api, watcher::Config::default());
    kept(events.filter_map(async |event| event.map(only_readable).transpose()), ())
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
fn named<K>(api: Api<K>) -> impl Stream<Item = watcher::Result<Event<PartialObjectMeta<K>>>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    #[allow(deprecated)]
    let events = watcher::metadata_watcher(api, watcher::Config::default()).backoff(Pauses::default());
    events.modify(|object| {
        object.managed_fields_mut().clear();
        object.annotations_mut().clear();
    })
}

/// The gateway that a pod is a replica of.
pub(crate) fn replica_of(pod: &ReplicaPod) -> Option<Key> {
    Some((pod.namespace()?, pod.labels().get(labels::INSTANCE)?.clone()))
}

fn owners(child: &PartialObjectMeta<DynamicObject>) -> Vec<String> {
    child.owner_references().iter().map(|owner| owner.uid.clone()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_judged_before_everything_was_listed() {
        let (store, mut writer) = reflector::store::<ReplicaPod>();
        let told = seen(&store, "Pods").await.unwrap_err().to_string();
        assert_eq!(told, "failed to learn what there is within 30 s: Pods can't be listed yet");
        writer.apply_watcher_event(&Event::Init);
        assert!(seen(&store, "Pods").await.is_err(), "a list that has only begun");
        writer.apply_watcher_event(&Event::InitDone);
        assert!(seen(&store, "Pods").await.is_ok(), "there may be none");
    }
}
