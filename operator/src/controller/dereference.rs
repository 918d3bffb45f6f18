//! Step 1: what a pass needs to know of the resource's surroundings.

use std::sync::Arc;
use std::time::Duration;

use events_gateway_operator_core::ReplicaPod;
use events_gateway_operator_core::configuration::{Keys, references};
use events_gateway_operator_core::names;
use events_gateway_operator_core::scaling;
use events_gateway_operator_core::status::{AutoscalerView, PodView};
use events_gateway_operator_core::validate::{Surroundings, TOKEN, Versions};
use events_gateway_operator_replicas::Client;
use events_gateway_resources::EventsGateway;
use events_gateway_resources::gateway::{Autoscaler, DEFAULT_REPLICAS};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Resource};

use super::error::Failure;
use super::survey;
use crate::context::{self, Context, Key};
use crate::image_updates::Follower;
use crate::watches::{Stores, Topic, follows};

/// What was found out.
pub(crate) struct Dereferenced {
    pub(crate) surroundings: Surroundings,
    pub(crate) deployment: Option<Deployment>,
    pub(crate) pods: Vec<Arc<ReplicaPod>>,
    pub(crate) views: Vec<PodView>,
    /// What scaling looks at, pod by pod.
    pub(crate) scaled: Vec<scaling::Pod>,
    pub(crate) replicas: Option<Client>,
    pub(crate) autoscaler: AutoscalerView,
}

/// Finds out. `steady`: how old replicas' answers may be while nothing happens.
pub(crate) async fn dereference(
    context: &Context,
    key: &Key,
    gateway: &EventsGateway,
    wanted: i32,
    steady: Duration,
) -> Result<Dereferenced, Failure> {
    let refers = references(&gateway.spec.configuration());
    let surroundings = Surroundings {
        default_image: context.settings.gateway_image.clone(),
        may_update_image: may_update_image(context, key, gateway),
        operator_namespace: Some(context.settings.lease_namespace.clone()),
        kinds: context.kinds.known(),
        secrets: Some(versions(&context.stores.secrets, key, &refers.secrets)),
        config_maps: Some(versions(&context.stores.config_maps, key, &refers.config_maps)),
    };
    let stored = context.stores.deployments.get(&ObjectRef::new(&names::main(&key.1)).within(&key.0));
    let deployment = context.applied.newest(key, stored.map(|deployment| Deployment::clone(&deployment)));
    let pods = context.stores.pods.of(key);
    let replicas = if pods.is_empty() { None } else { client(context, key, gateway).await? };
    let deployed = deployment.as_ref().and_then(|deployment| deployment.spec.as_ref()?.replicas).unwrap_or(0);
    let is_marked = |pod: &Arc<ReplicaPod>| {
        pod.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(scaling::DRAIN_SINCE))
    };
    let busy = wanted < deployed || pods.iter().any(is_marked);
    let age = if busy { survey::BUSY } else { steady };
    let answers = context.surveys.ask(key, replicas.as_ref(), &pods, age).await;
    let scaled = pods.iter().zip(&answers);
    let scaled =
        scaled.filter_map(|(pod, answer)| scaling::Pod::of(pod, answer.known().and_then(scaling::Replica::of)));
    let scaled = scaled.collect();
    let views = pods.iter().zip(answers).map(|(pod, answer)| PodView::of(pod, answer)).collect();
    let autoscaler = autoscaler(context, key, gateway).await?;
    Ok(Dereferenced { surroundings, deployment, pods, views, scaled, replicas, autoscaler })
}

/// The versions of what is there of what the resource refers to.
fn versions<K>(store: &Store<PartialObjectMeta<K>>, key: &Key, referred: &Keys) -> Versions
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let versions = referred.keys().filter_map(|name| {
        let object = store.get(&ObjectRef::new(name).within(&key.0))?;
        let metadata = &object.metadata;
        let version = format!("{}@{}", metadata.uid.as_deref()?, metadata.resource_version.as_deref()?);
        Some((name.clone(), version))
    });
    versions.collect()
}

/// A client with the replicas' admin token; `None` while there is no token yet.
async fn client(context: &Context, key: &Key, gateway: &EventsGateway) -> Result<Option<Client>, Failure> {
    let (name, data_key) = match &gateway.spec.admin.token {
        Some(token) => (token.name.0.clone(), token.key.0.clone()),
        None => (names::admin(&key.1), TOKEN.to_owned()),
    };
    let Some(known) = context.stores.secrets.get(&ObjectRef::new(&name).within(&key.0)) else { return Ok(None) };
    let version = known.metadata.resource_version.clone().unwrap_or_default();
    if let Some(client) = context.surveys.client(key, &name, &data_key, &version) {
        return Ok(Some(client));
    }
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &key.0);
    let failed = |source| Failure::Read { what: format!("Secret {name}"), source };
    let Some(secret) = secrets.get_opt(&name).await.map_err(failed)? else { return Ok(None) };
    let token = secret.data.as_ref().and_then(|data| data.get(&data_key));
    let token = token.and_then(|token| String::from_utf8(token.0.clone()).ok());
    // One line end at its end doesn't count, as for the replicas.
    let token = token.as_deref().map(|token| token.strip_suffix('\n').unwrap_or(token));
    let token = token.map(|token| token.strip_suffix('\r').unwrap_or(token));
    let client = token.and_then(|token| Client::new(token).ok());
    if let Some(client) = &client {
        context.surveys.keep_client(key, &name, &data_key, &version, client.clone());
    }
    Ok(client)
}

/// Whether the gateway may move to the operator's image now, where it follows it and isn't there yet.
fn may_update_image(context: &Context, key: &Key, gateway: &EventsGateway) -> bool {
    let own = &context.settings.gateway_image;
    let image = |gateway: &EventsGateway| gateway.status.as_ref()?.image.as_ref().map(|image| image.0.clone());
    if !follows(gateway) || image(gateway).is_none_or(|image| image == *own) {
        return true;
    }
    let of = |stores: &Stores, gateway: &EventsGateway| {
        let key = context::key(gateway);
        let stored = stores.deployments.get(&ObjectRef::new(&names::main(&key.1)).within(&key.0));
        let deployment = context.applied.newest(&key, stored.map(|deployment| Deployment::clone(&deployment)));
        let rolled_out = deployment.is_some_and(|deployment| is_rolled_out(&deployment));
        Follower { has_image: image(gateway).as_ref() == Some(own), rolled_out, key }
    };
    let mut followers = Vec::new();
    for stores in &*context.everywhere {
        let all = stores.gateways.of(&Topic::Following);
        let readable = all.iter().filter_map(|gateway| gateway.0.as_ref().ok());
        followers.extend(readable.map(|gateway| of(stores, gateway)));
    }
    context.image_updates.may_move(key, &followers, context.settings.image_updates)
}

fn is_rolled_out(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else { return false };
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0);
    status.observed_generation >= deployment.metadata.generation
        && status.updated_replicas.unwrap_or(0) == wanted
        && status.available_replicas.unwrap_or(0) >= wanted
}

async fn autoscaler(context: &Context, key: &Key, gateway: &EventsGateway) -> Result<AutoscalerView, Failure> {
    let kind = gateway.spec.autoscaling.kind;
    if kind == Autoscaler::None {
        return Ok(AutoscalerView::default());
    }
    let name = match kind {
        // The one that KEDA makes.
        Autoscaler::Keda => format!("keda-hpa-{}", names::main(&key.1)),
        _ => names::main(&key.1),
    };
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::namespaced(context.client.clone(), &key.0);
    let failed = |source| Failure::Read { what: format!("HorizontalPodAutoscaler {name}"), source };
    let found = autoscalers.get_opt(&name).await.map_err(failed)?;
    let conditions = found.and_then(|found| found.status?.conditions).unwrap_or_default();
    let condition = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    let scaling = condition("ScalingActive").or_else(|| condition("AbleToScale").filter(|one| one.status == "False"));
    Ok(AutoscalerView {
        active: scaling.map(|condition| condition.status == "True"),
        message: scaling.and_then(|condition| condition.message.clone()).unwrap_or_default(),
        second_writer: second_writer(gateway),
    })
}

/// Who means to write `spec.replicas` beside the autoscaler: whoever applies it (server-side apply owns only what is in what
/// is applied), or wrote it otherwise than with what the API server fills in.
fn second_writer(gateway: &EventsGateway) -> Option<String> {
    let entries = gateway.metadata.managed_fields.iter().flatten();
    let writes = entries.filter(|entry| {
        entry.subresource.as_deref().unwrap_or_default().is_empty()
            && entry.fields_v1.as_ref().is_some_and(|fields| fields.0["f:spec"]["f:replicas"].is_object())
    });
    let mut meant =
        writes.filter(|entry| entry.operation.as_deref() == Some("Apply") || gateway.spec.replicas != DEFAULT_REPLICAS);
    meant.find_map(|entry| entry.manager.clone())
}
