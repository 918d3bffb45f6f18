//! How a status is written: merged over the one before.
//!
//! A field that the definition on the server doesn't know yet, because it is older than this operator, is left out there.
//! Server-side apply would refuse the whole status.

use events_gateway_operator_core::labels;
use kube::api::{Patch, PatchParams};
use serde::Serialize;
use serde_json::{Value, json};

pub(crate) fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(labels::MANAGER.into()), ..PatchParams::default() }
}

/// What makes `now` of `before`: with a null for every field that is gone, since what isn't named in a merge stays.
pub(crate) fn over<S: Serialize>(before: &S, now: &S) -> Patch<Value> {
    let mut status = json!(now);
    if let (Value::Object(before), Value::Object(status)) = (json!(before), &mut status) {
        for (field, _) in before {
            status.entry(field).or_insert(Value::Null);
        }
    }
    Patch::Merge(json!({ "status": status }))
}

#[cfg(test)]
mod tests {
    use events_gateway_resources::EventsGatewayStatus;

    use super::*;

    #[test]
    fn a_field_that_is_gone_is_taken_out() {
        let before = EventsGatewayStatus { lag: Some(7), replicas: Some(2), ..EventsGatewayStatus::default() };
        let now = EventsGatewayStatus { replicas: Some(3), ..EventsGatewayStatus::default() };
        let Patch::Merge(patch) = over(&before, &now) else { panic!("no merge") };
        assert_eq!(patch, json!({ "status": { "lag": null, "replicas": 3 } }));
    }
}
