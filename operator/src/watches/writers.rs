//! Who wrote what of an object, as far as it is looked at.

use events_gateway_operator_core::digest::digest;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ObjectMeta};
use serde_json::json;

/// Leaves of an object's managed fields what tells whether anybody changed more than its status.
///
/// An object with a generation needs none of them. Of another (Services, autoscalers, ConfigMaps) those who wrote it stay, each with
/// a digest of its fields, but for who writes subresources only: a field that was applied leaves its manager's entry as soon as
/// another changes or removes it (Kubernetes, server-side apply).
pub(crate) fn trim(metadata: &mut ObjectMeta) {
    let Some(mut writers) = metadata.managed_fields.take() else { return };
    if metadata.generation.is_some() {
        return;
    }
    writers.retain(|writer| writer.subresource.as_deref().unwrap_or_default().is_empty());
    for writer in &mut writers {
        writer.fields_v1 =
            writer.fields_v1.take().map(|fields| FieldsV1(json!(digest([fields.0.to_string().as_str()]))));
    }
    metadata.managed_fields = Some(writers);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An autoscaler as it is read: it has no generation.
    fn autoscaler(spec: &str, status: &str) -> ObjectMeta {
        serde_json::from_value(json!({
            "name": "orders",
            "resourceVersion": format!("{spec}{status}"),
            "managedFields": [
                { "manager": "events-gateway", "operation": "Apply", "apiVersion": "autoscaling/v2", "fieldsType": "FieldsV1",
                  "fieldsV1": { "f:spec": { spec: {} } } },
                { "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "autoscaling/v2",
                  "subresource": "status", "fieldsType": "FieldsV1", "fieldsV1": { "f:status": { status: {} } } },
            ],
        }))
        .unwrap()
    }

    fn writers(mut metadata: ObjectMeta) -> serde_json::Value {
        trim(&mut metadata);
        json!(metadata.managed_fields)
    }

    #[test]
    fn without_a_generation_a_status_changes_nothing_and_another_writer_does() {
        let was = writers(autoscaler("f:maxReplicas", "f:currentReplicas"));
        assert_eq!(was, writers(autoscaler("f:maxReplicas", "f:desiredReplicas")));
        assert_ne!(was, writers(autoscaler("f:minReplicas", "f:currentReplicas")));
        assert!(!was.to_string().contains("maxReplicas"), "only a digest is kept");
    }

    #[test]
    fn with_a_generation_nothing_is_kept() {
        let mut metadata = autoscaler("f:maxReplicas", "f:currentReplicas");
        metadata.generation = Some(1);
        trim(&mut metadata);
        assert_eq!(metadata.managed_fields, None);
    }
}
