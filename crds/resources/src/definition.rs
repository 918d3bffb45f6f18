//! The CustomResourceDefinitions.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::gateway::rules;
use crate::structural::structural;
use crate::{
    EventsGateway, EventsGatewayOffsetReset, EventsGatewayOffsetResetSpec, EventsGatewayOffsetResetStatus,
    EventsGatewaySpec, EventsGatewayStatus,
};

/// A definition and the name of its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// `PLURAL.yaml`.
    pub file: String,
    /// The CustomResourceDefinition, as it is applied.
    pub object: Value,
}

/// All definitions.
#[must_use]
pub fn definitions() -> Vec<Definition> {
    vec![
        definition::<EventsGatewaySpec, EventsGatewayStatus>(
            &EventsGateway::crd(),
            "A gateway that carries events from Kafka to browsers: the operator runs its replicas and what stands around \
             them.",
        ),
        definition::<EventsGatewayOffsetResetSpec, EventsGatewayOffsetResetStatus>(
            &EventsGatewayOffsetReset::crd(),
            "Makes consumer groups of a gateway begin elsewhere, once: it is carried out when it is created, and never \
             changed.",
        ),
    ]
}

/// Puts the schemas of spec and status into what kube knows of the rest.
fn definition<S: JsonSchema, T: JsonSchema>(crd: &CustomResourceDefinition, description: &str) -> Definition {
    let mut object = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": crd.metadata.name },
        "spec": crd.spec,
    });
    object["spec"]["versions"][0]["schema"] = json!({
        "openAPIV3Schema": {
            "type": "object",
            "description": description,
            "required": ["spec"],
            "properties": {
                "apiVersion": { "type": "string", "description": "Group and version." },
                "kind": { "type": "string", "description": "The kind of the resource." },
                "metadata": { "type": "object" },
                "spec": structural::<S>(),
                "status": structural::<T>(),
            },
            "x-kubernetes-validations": rules::OBJECT,
        },
    });
    Definition { file: format!("{}.yaml", crd.spec.names.plural), object }
}

#[cfg(test)]
mod tests;
