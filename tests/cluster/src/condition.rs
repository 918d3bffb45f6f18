//! Conditions of objects.

use serde_json::Value;

/// Whether an object's condition is `True`.
#[must_use]
pub fn is_true(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.filter(|condition| condition["type"] == kind).any(|condition| condition["status"] == "True")
}
