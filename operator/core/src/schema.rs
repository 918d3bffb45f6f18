//! What the API server checks, without one: the resource's schema and its rules. For `check`; a resource that comes from an
//! API server was checked there.
//!
//! The rules are the definition's own, no user's: they are known to end soon.

use std::sync::{Arc, LazyLock};

use cel::extractors::This;
use cel::{Context, ExecutionError, Program, Value as Cel};
use events_gateway_crds::duration::parse_millis;
use events_gateway_resources::EventsGateway;
use events_gateway_resources::definition::definitions;
use jsonschema::paths::LocationSegment;
use jsonschema::{ValidationError, Validator};
use regex::Regex;
use serde_json::Value;

/// The schema of an `EventsGateway`.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut all = definitions();
    let definition = all.swap_remove(0).object;
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
});

/// Everything that an API server would refuse in a resource, each with its place.
#[must_use]
pub fn check(object: &Value) -> Vec<String> {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
        // A schema that is no JSON Schema isn't a structural one either: the definitions' tests make it.
        jsonschema::validator_for(&SCHEMA).expect("the definition's schema is a JSON Schema")
    });
    let mut problems = Vec::new();
    unknown(object, &SCHEMA, "", &mut problems);
    problems.extend(VALIDATOR.iter_errors(object).map(|error| told(&error)));
    if !problems.is_empty() {
        return problems;
    }
    let mut filled = object.clone();
    // Rules see what the API server has filled in; what can't even be read breaks a rule as it stands.
    if let Ok(gateway) = serde_json::from_value::<EventsGateway>(object.clone())
        && let Ok(spec) = serde_json::to_value(&gateway.spec)
    {
        filled["spec"] = spec;
    }
    rules(&filled, &SCHEMA, "", &mut problems);
    problems
}

/// A problem with its place, in plain words where the schema has them.
fn told(error: &ValidationError<'_>) -> String {
    let mut place = String::new();
    for segment in error.instance_path() {
        match segment {
            LocationSegment::Index(index) => place.push_str(&format!("[{index}]")),
            LocationSegment::Property(name) if place.is_empty() => place.push_str(&name),
            LocationSegment::Property(name) => place.push_str(&format!(".{name}")),
        }
    }
    let place = if place.is_empty() { "(object)" } else { &place };
    let expected = || {
        let path = error.schema_path().as_str();
        let node = SCHEMA.pointer(path.strip_suffix("/pattern")?)?;
        node["description"].as_str()?.lines().find_map(|line| line.strip_prefix("Expected: "))
    };
    match expected() {
        Some(expected) => format!("{place}: expected {}", expected.trim_end_matches('.')),
        None => format!("{place}: {error}"),
    }
}

/// Keys that the schema doesn't know. `metadata` is Kubernetes' own.
fn unknown(value: &Value, schema: &Value, at: &str, problems: &mut Vec<String>) {
    let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    match value {
        Value::Object(map) if at != "metadata" => {
            for (key, child) in map {
                let known = &schema["properties"][key];
                let known = if known.is_null() { &schema["additionalProperties"] } else { known };
                if known.is_null() {
                    problems.push(format!("{}: unknown field", below(key)));
                } else {
                    unknown(child, known, &below(key), problems);
                }
            }
        }
        Value::Array(items) => {
            repeated(items, schema, at, problems);
            for (index, item) in items.iter().enumerate() {
                unknown(item, &schema["items"], &format!("{at}[{index}]"), problems);
            }
        }
        _ => {}
    }
}

/// Elements of a map-like list whose keys another one has already.
fn repeated(items: &[Value], schema: &Value, at: &str, problems: &mut Vec<String>) {
    let Some(keys) = schema["x-kubernetes-list-map-keys"].as_array() else { return };
    let mut seen = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let of_item = keys.iter().filter_map(Value::as_str).map(|key| (key.to_owned(), item[key].clone()));
        let of_item = Value::Object(of_item.collect());
        if seen.contains(&of_item) {
            problems.push(format!("{at}[{index}]: Duplicate value: {of_item}"));
        }
        seen.push(of_item);
    }
}

/// Evaluates the rules of every part that is there.
fn rules(value: &Value, schema: &Value, at: &str, problems: &mut Vec<String>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let (text, message) = (rule["rule"].as_str().unwrap_or_default(), rule["message"].as_str().unwrap_or_default());
        // Rules over changes have nothing to compare with here.
        if !text.contains("oldSelf") && !holds(text, value) {
            problems.push(format!("{}: {message}", if at.is_empty() { "(object)" } else { at }));
        }
    }
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                let known = &schema["properties"][key];
                let known = if known.is_null() { &schema["additionalProperties"] } else { known };
                rules(child, known, &if at.is_empty() { key.clone() } else { format!("{at}.{key}") }, problems);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                rules(item, &schema["items"], &format!("{at}[{index}]"), problems);
            }
        }
        _ => {}
    }
}

/// Whether a rule holds. One that can't be evaluated doesn't: the contract with the API server's answers finds it.
fn holds(rule: &str, value: &Value) -> bool {
    let Ok(program) = Program::compile(rule) else { return false };
    let mut context = Context::default();
    if context.add_variable("self", value).is_err()
        || context.add_function("duration", duration).is_err()
        || context.add_function("matches", matches).is_err()
    {
        return false;
    }
    matches!(program.execute(&context), Ok(Cel::Bool(true)))
}

/// Only compared with each other: milliseconds will do.
#[allow(clippy::needless_pass_by_value)] // The interpreter hands arguments over.
fn duration(text: Arc<String>) -> Result<i64, ExecutionError> {
    parse_millis(&text).map_err(|error| ExecutionError::function_error("duration", error.to_string()))
}

#[allow(clippy::needless_pass_by_value)] // The interpreter hands arguments over.
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Result<bool, ExecutionError> {
    let pattern = Regex::new(&pattern).map_err(|error| ExecutionError::function_error("matches", error.to_string()))?;
    Ok(pattern.is_match(&text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gateway(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut object = json!({
            "apiVersion": "eventsgateway.dev/v1alpha1",
            "kind": "EventsGateway",
            "metadata": { "name": "events", "labels": { "any": "label" } },
            "spec": {
                "redis": { "nodes": ["redis:6379"] },
                "kafka": { "bootstrap": ["kafka:9092"], "bindings": [{ "name": "events", "topics": ["events"] }] },
            },
        });
        change(&mut object);
        check(&object)
    }

    #[test]
    fn what_is_right_passes() {
        assert_eq!(gateway(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn bounds_unknown_fields_and_rules_are_told_with_their_places() {
        for (change, expected) in [
            (json!({ "replicas": -5 }), "spec.replicas"),
            (json!({ "replcias": 5 }), "spec.replcias: unknown field"),
            (
                json!({ "filters": [{ "name": "f", "when": "true" }, { "name": "f", "when": "false" }] }),
                "spec.filters[1]: Duplicate value: {\"name\":\"f\"}",
            ),
            (
                json!({ "kafka": { "bootstrap": ["kafka"], "bindings": [{ "name": "a", "topics": ["t"] }] } }),
                "spec.kafka.bootstrap[0]: expected a host and a port such as redis:6379",
            ),
            (json!({ "drain": { "timeout": "20m" } }), "spec: drain.timeout must be at most 9m"),
            (json!({ "listen": { "port": 80 } }), "spec: listen.port and admin.port must be 1024"),
            (json!({ "autoscaling": { "type": "KEDA" } }), "spec.autoscaling: keda.prometheus is required"),
            (json!({ "autoscaling": { "minReplicas": 9, "maxReplicas": 2 } }), "spec.autoscaling: minReplicas"),
            (json!({ "rollout": { "maxSurge": 0, "maxUnavailable": 0 } }), "spec.rollout: maxSurge and maxUnavailable"),
            (json!({ "topics": { "mode": "Manage" } }), "spec.topics: partitions and replicationFactor"),
            (json!({ "streams": { "heartbeat": "1h" } }), "spec.streams.heartbeat: must be"),
        ] {
            let found = gateway(|object| {
                for (key, value) in change.as_object().unwrap() {
                    object["spec"][key] = value.clone();
                }
            });
            assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected}: {found:?}");
        }
        assert!(gateway(|object| object["metadata"]["name"] = json!("1st"))[0].contains("begins with a letter"));
    }
}
