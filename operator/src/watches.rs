//! What is watched, and the stores that hold it: no more of an object than is looked at.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use events_gateway_operator_core::{Kind, labels};
use events_gateway_resources::{EventsGateway, EventsGatewayOffsetReset};
use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{DynamicObject, PartialObjectMeta};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::controller::Failure;

/// A resource that may be unreadable: it doesn't keep the others from being read.
pub(crate) type Guarded = DeserializeGuard<EventsGateway>;

/// How long each first list is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Kinds of children that are watched, by metadata only. Optional kinds aren't: they may not exist.
pub(crate) const WATCHED: [Kind; 7] = [
    Kind::ServiceAccount,
    Kind::ConfigMap,
    Kind::Service,
    Kind::NetworkPolicy,
    Kind::PodDisruptionBudget,
    Kind::Ingress,
    Kind::HorizontalPodAutoscaler,
];

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
    namespace: Option<&str>,
) -> (Stores, GatewayStreams, Touched<EventsGatewayOffsetReset>) {
    let labelled = || watcher::Config::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGER));
    let (gateways, gateways_stream) = full(api::<Guarded>(client, namespace), watcher::Config::default(), |_| {});
    let (resets, resets_stream) = full(api(client, namespace), watcher::Config::default(), |_| {});
    // A second watch for who carries them out: there is little of it.
    let (_, resets_again) = full(api(client, namespace), watcher::Config::default(), |_| {});
    let (deployments, deployments_stream) = full(api(client, namespace), labelled(), trim_deployment);
    let (pods, pods_stream) = full(api(client, namespace), labelled(), trim_pod);
    let (secrets, secrets_stream) = metadata(api::<Secret>(client, namespace), watcher::Config::default(), ());
    let (config_maps, config_maps_stream) =
        metadata(api::<ConfigMap>(client, namespace), watcher::Config::default(), ());
    let mut stores = HashMap::new();
    let mut children = Vec::new();
    for kind in WATCHED {
        let resource = kind.resource();
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        let (store, stream) = metadata(api, labelled(), resource);
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
    let stream = watcher::watcher(api, config).default_backoff().modify(trim).reflect(writer).touched_objects();
    (reader, told(stream))
}

fn metadata<K>(
    api: Api<K>,
    config: watcher::Config,
    dynamic: K::DynamicType,
) -> (Store<PartialObjectMeta<K>>, Touched<PartialObjectMeta<K>>)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    K::DynamicType: Eq + Hash + Clone + Debug + Send + Sync + Unpin,
{
    let writer = reflector::store::Writer::<PartialObjectMeta<K>>::new(dynamic);
    let reader = writer.as_reader();
    #[allow(deprecated)]
    let stream = watcher::metadata_watcher(api, config)
        .default_backoff()
        .modify(|object| {
            object.managed_fields_mut().clear();
            object.annotations_mut().clear();
        })
        .reflect(writer)
        .touched_objects();
    (reader, told(stream))
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
    use kube::runtime::watcher::Event;

    use super::*;

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
