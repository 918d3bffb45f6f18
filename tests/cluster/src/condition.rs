//! Conditions of objects.

use serde_json::Value;

/// An object's condition; null where it has none of that type.
#[must_use]
pub fn of(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|condition| condition["type"] == kind).cloned().unwrap_or_default()
}

/// Whether an object's condition is `True`.
#[must_use]
pub fn is_true(object: &Value, kind: &str) -> bool {
    of(object, kind)["status"] == "True"
}
