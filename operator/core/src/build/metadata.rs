//! Names, labels, annotations and owners.

use std::collections::BTreeMap;

use events_gateway_resources::metadata::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::labels;
use crate::validate::Validated;

/// The metadata of an object of a gateway.
pub(super) fn own(gateway: &Validated, name: String) -> ObjectMeta {
    with(gateway, name, &Metadata::default(), BTreeMap::new())
}

/// The same with what users add, and annotations that theirs win over.
pub(super) fn with(
    gateway: &Validated,
    name: String,
    added: &Metadata,
    mut annotations: BTreeMap<String, String>,
) -> ObjectMeta {
    annotations.extend(added.annotations.iter().map(|(key, value)| (key.clone(), value.0.clone())));
    let mut labels: BTreeMap<String, String> =
        added.labels.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    labels.extend(labels::all(&gateway.name));
    ObjectMeta {
        name: Some(name),
        namespace: Some(gateway.namespace.clone()),
        labels: Some(labels),
        annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
        owner_references: Some(vec![owner(gateway)]),
        ..ObjectMeta::default()
    }
}

/// Everything goes when the gateway goes.
fn owner(gateway: &Validated) -> OwnerReference {
    OwnerReference {
        api_version: "eventsgateway.dev/v1alpha1".into(),
        kind: "EventsGateway".into(),
        name: gateway.name.clone(),
        uid: gateway.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
