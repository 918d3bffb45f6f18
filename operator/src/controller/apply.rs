//! Step 4: what was built is applied, on the server and as one field manager; what is no longer wanted is deleted.

use events_gateway_operator_core::digest::digest;
use events_gateway_operator_core::{Kind, Objects, Validated, build, labels, names};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::reflector::ObjectRef;
use serde_json::{Value, json};

use super::error::Failure;
use crate::context::{Context, Key};
use crate::watches::writers;

/// Applies all objects of a gateway and deletes the others that it had. `replicas`: what the Deployment is told where it is
/// made, or keeps; `hold_template`: the Deployment stays as it is for now.
///
/// An object that is refused keeps no other from being made, but for the Deployment: no pod runs without all that it needs.
pub(crate) async fn apply(
    context: &Context,
    key: &Key,
    gateway: &Validated,
    objects: &Objects,
    replicas: i32,
    hold_template: bool,
) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut lacks = false;
    if let Err(failure) = own_token(context, key, gateway).await {
        lacks = true;
        failures.push(failure);
    }
    for (object, value) in objects {
        if failures.iter().any(Failure::is_of_server) {
            return failures;
        }
        let replicas = match object.0 {
            Kind::Deployment if hold_template || lacks => continue,
            Kind::Deployment => Some(replicas),
            _ => None,
        };
        if let Err(failure) = one(context, key, gateway, object, value, replicas).await {
            lacks |= object.0.is_needed_by_pods();
            failures.push(failure);
        }
    }
    if let Err(failure) = prune(context, key, gateway, objects).await {
        failures.push(failure);
    }
    failures
}

/// Whether the Deployment is about to change in more than its number of replicas.
pub(crate) fn changes_template(context: &Context, key: &Key, objects: &Objects) -> bool {
    let mut deployments = objects.iter().filter(|((kind, _), _)| *kind == Kind::Deployment);
    deployments.any(|(object, value)| !context.applied.was(key, object, &digest([value.to_string().as_str()])))
}

/// The version of a watched object, as [`super::applied::Applied`] compares it; empty when there is none.
fn version(context: &Context, key: &Key, (kind, name): &(Kind, String)) -> String {
    if *kind == Kind::Deployment {
        let stored = context.stores.deployments.get(&ObjectRef::new(name).within(&key.0));
        let newest = context.applied.newest(key, stored.map(|deployment| Deployment::clone(&deployment)));
        return newest.map_or_else(String::new, |deployment| generation(deployment.metadata.generation));
    }
    let children = context.stores.children.get(kind);
    let found = children.and_then(|children| children.get(&(key.0.clone(), name.clone())));
    found.map_or_else(String::new, |object| version_of(&object.metadata))
}

fn generation(generation: Option<i64>) -> String {
    generation.unwrap_or(0).to_string()
}

/// What changes when somebody changes what was applied, and not with the status: the generation, or else who wrote what.
fn version_of(metadata: &kube::api::ObjectMeta) -> String {
    let changes = match (metadata.generation, &metadata.managed_fields) {
        (Some(generation), _) => json!(generation),
        (None, Some(writers)) => json!(writers),
        (None, None) => json!(metadata.resource_version),
    };
    let said = json!([changes, metadata.labels, metadata.annotations, metadata.owner_references]);
    digest([said.to_string().as_str()])
}

async fn one(
    context: &Context,
    key: &Key,
    gateway: &Validated,
    object: &(Kind, String),
    value: &Value,
    replicas: Option<i32>,
) -> Result<(), Failure> {
    let (kind, name) = object;
    let digest = digest([value.to_string().as_str()]);
    let version = version(context, key, object);
    if context.applied.holds(key, object, &digest, &version) {
        return Ok(());
    }
    let api = api(context, key, *kind);
    let failed = |source| Failure::Apply { kind: kind.names().2, name: name.clone(), source };
    if version.is_empty() && is_foreign(&api, name, gateway).await.map_err(failed)? {
        return Err(Failure::Foreign { kind: kind.names().2, name: name.clone() });
    }
    let parameters = PatchParams::apply(labels::MANAGER).force();
    let mut value = value.clone();
    if let Some(replicas) = replicas {
        // Always with its number: a field that was applied and is left out goes back to its default.
        value["spec"]["replicas"] = json!(replicas);
    }
    let written = match api.patch(name, &parameters, &Patch::Apply(&value)).await {
        Err(refused) if is_invalid(&refused) => overwrite(&api, name, &value, refused).await,
        written => written,
    };
    let mut written = written.map_err(failed)?;
    writers::trim(&mut written.metadata);
    context.metrics.writes.with_label_values(&[kind.names().2]).inc();
    tracing::debug!(kind = kind.names().2, name, "applied");
    let version = match kind {
        Kind::Deployment => generation(written.metadata.generation),
        _ => version_of(&written.metadata),
    };
    if *kind == Kind::Deployment
        && let Ok(deployment) = serde_json::to_value(&written).and_then(serde_json::from_value)
    {
        context.applied.remember_deployment(key, deployment);
    }
    context.applied.remember(key, object.clone(), digest, version);
    Ok(())
}

fn is_invalid(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 422)
}

/// What others put into a list of ours stays when ours is applied; where both together are invalid, ours takes its place.
async fn overwrite(
    api: &Api<DynamicObject>,
    name: &str,
    value: &Value,
    refused: kube::Error,
) -> Result<DynamicObject, kube::Error> {
    let parameters = PatchParams { field_manager: Some(labels::MANAGER.into()), ..PatchParams::default() };
    if api.patch(name, &parameters, &Patch::Merge(value)).await.is_err() {
        return Err(refused);
    }
    tracing::warn!(name, "overwritten: what others had put into it made it invalid");
    api.patch(name, &PatchParams::apply(labels::MANAGER).force(), &Patch::Apply(value)).await
}

/// Whether there is an object of that name that the gateway didn't make.
async fn is_foreign(api: &Api<DynamicObject>, name: &str, gateway: &Validated) -> Result<bool, kube::Error> {
    let found = api.get_metadata_opt(name).await?;
    Ok(found.is_some_and(|found| !is_owned(&found.metadata, &gateway.uid)))
}

fn is_owned(metadata: &kube::api::ObjectMeta, uid: &str) -> bool {
    metadata.owner_references.iter().flatten().any(|owner| owner.uid == uid)
}

fn api(context: &Context, key: &Key, kind: Kind) -> Api<DynamicObject> {
    Api::namespaced_with(context.client.clone(), &key.0, &kind.resource())
}

/// Makes the admin token, once.
async fn own_token(context: &Context, key: &Key, gateway: &Validated) -> Result<(), Failure> {
    let name = names::admin(&key.1);
    let known = context.stores.secrets.get(&ObjectRef::new(&name).within(&key.0));
    if !gateway.makes_token || known.is_some() {
        return Ok(());
    }
    let token: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
    let Some(secret) = build::admin_secret(gateway, &token) else { return Ok(()) };
    let failed = |source| Failure::Apply { kind: "Secret", name: name.clone(), source };
    let secret: DynamicObject = serde_json::from_value(secret).map_err(kube::Error::SerdeError).map_err(failed)?;
    let api = api(context, key, Kind::Secret);
    match api
        .create(&PostParams { field_manager: Some(labels::MANAGER.into()), ..PostParams::default() }, &secret)
        .await
    {
        Ok(_) => {
            context.metrics.writes.with_label_values(&["Secret"]).inc();
            Ok(())
        }
        // The watch hasn't brought it yet, or somebody else's has this name: pods take the token that is in it.
        Err(kube::Error::Api(status)) if status.code == 409 => match is_foreign(&api, &name, gateway).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(Failure::Foreign { kind: "Secret", name: name.clone() }),
            Err(source) => Err(failed(source)),
        },
        Err(source) => Err(failed(source)),
    }
}

/// Deletes what the gateway had and is no longer to have.
async fn prune(context: &Context, key: &Key, gateway: &Validated, objects: &Objects) -> Result<(), Failure> {
    for (kind, children) in &context.stores.children {
        let unwanted = children.of(&gateway.uid).into_iter().filter(|object| {
            let name = object.metadata.name.clone().unwrap_or_default();
            object.metadata.namespace.as_deref() == Some(&key.0)
                && object.metadata.deletion_timestamp.is_none()
                && !objects.contains_key(&(*kind, name))
        });
        for object in unwanted {
            delete(context, key, *kind, &object.metadata).await?;
        }
    }
    let admin = names::admin(&key.1);
    if !gateway.makes_token
        && let Some(secret) = context.stores.secrets.get(&ObjectRef::new(&admin).within(&key.0))
        && is_owned(&secret.metadata, &gateway.uid)
    {
        delete(context, key, Kind::Secret, &secret.metadata).await?;
    }
    Ok(())
}

async fn delete(context: &Context, key: &Key, kind: Kind, metadata: &kube::api::ObjectMeta) -> Result<(), Failure> {
    let name = metadata.name.clone().unwrap_or_default();
    // Only this very object: one of the same name made since is another's.
    let conditions = Preconditions { uid: metadata.uid.clone(), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(conditions), ..DeleteParams::background() };
    match api(context, key, kind).delete(&name, &parameters).await {
        Ok(_) => {
            tracing::info!(kind = kind.names().2, name, "deleted: it is no longer wanted");
            context.metrics.writes.with_label_values(&[kind.names().2]).inc();
            Ok(())
        }
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(source) => Err(Failure::Prune { kind: kind.names().2, name, source }),
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;

    use super::*;

    fn version(metadata: Value) -> String {
        version_of(&serde_json::from_value::<ObjectMeta>(metadata).unwrap())
    }

    #[test]
    fn a_version_changes_with_what_was_applied_and_not_with_a_status() {
        let with = |version: &str, generation: Value, writers: Value| json!({ "resourceVersion": version, "generation": generation, "managedFields": writers });
        let writers = |digest: &str| json!([{ "manager": "events-gateway", "operation": "Apply", "fieldsV1": digest }]);
        assert_eq!(version(with("1", json!(1), Value::Null)), version(with("2", json!(1), Value::Null)));
        assert_ne!(version(with("1", json!(1), Value::Null)), version(with("1", json!(2), Value::Null)));
        let of = |version_of: &str, digest| version(with(version_of, Value::Null, writers(digest)));
        assert_eq!(of("1", "a"), of("2", "a"));
        assert_ne!(of("1", "a"), of("1", "b"));
        let bare = |version: &str| with(version, Value::Null, Value::Null);
        assert_ne!(version(bare("1")), version(bare("2")), "where nothing tells, every change counts");
        assert_ne!(version(json!({ "generation": 1 })), version(json!({ "generation": 1, "labels": { "a": "b" } })));
    }
}
