//! From the schema of a Rust type to a structural schema of Kubernetes.
//!
//! Structural schemas have no `$ref`, no null, no `additionalProperties: false` and none but Kubernetes' own keywords.
//! Bounds of durations become rules; what a text must look like and what the words of an enumeration mean go into the
//! description, where `kubectl explain` shows it. Sections that may be left out default to `{}`, from where the API
//! server fills in the defaults of what is in them; those that bear rules default to all that is in them, since the server
//! checks a default against them before it has filled anything in. Empty lists and maps are left out.

use events_gateway_crds::duration::{BOUNDS_KEYWORD, parse_millis};
use events_gateway_crds::{rule, schema};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

/// The structural schema of a type.
///
/// # Panics
/// When the type has something that no structural schema can express. A test makes every schema.
#[must_use]
pub fn structural<T: JsonSchema>() -> Value {
    let mut node = schema::plain::<T>();
    rewrite(&mut node, "");
    node
}

fn rewrite(node: &mut Value, at: &str) {
    let Value::Object(map) = node else { panic!("{at} has a schema that is no object: {node}") };
    either(map, at);
    for keyword in ["$ref", "oneOf", "anyOf", "allOf", "not", "const"] {
        assert!(!map.contains_key(keyword), "{at} has {keyword}, which has no structural form here");
    }
    describe(map);
    bound(map, at);
    known_keys(map);
    default(map);
    if map.get("additionalProperties") == Some(&json!(false)) {
        map.remove("additionalProperties");
    }
    for keyword in ["$schema", "title", "x-kind"] {
        map.remove(keyword);
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        for (name, property) in properties {
            rewrite(property, &format!("{at}.{name}"));
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(keyword) {
            rewrite(inner, &format!("{at}[]"));
        }
    }
}

/// `Option` of an enumeration is either that or null: the enumeration it is.
fn either(map: &mut Map<String, Value>, at: &str) {
    let Some(Value::Array(variants)) = map.remove("anyOf") else { return };
    let mut others = variants.into_iter().filter(|variant| variant["type"] != "null");
    let (Some(Value::Object(only)), None) = (others.next(), others.next()) else {
        panic!("{at} has several forms");
    };
    for (keyword, value) in only {
        map.entry(keyword).or_insert(value);
    }
}

/// Adds what the file's schema says in keywords of its own.
fn describe(map: &mut Map<String, Value>) {
    let expected = map.remove("x-expected").and_then(|text| Some(format!("Expected: {}.", text.as_str()?)));
    let meanings = map.remove("x-meanings").and_then(|list| {
        let list: Vec<&str> = list.as_array()?.iter().filter_map(Value::as_str).collect();
        Some(list.join("\n"))
    });
    let given = map.remove("description").and_then(|text| Some(text.as_str()?.to_owned()));
    let parts: Vec<String> = [given, expected, meanings].into_iter().flatten().collect();
    if !parts.is_empty() {
        map.insert("description".into(), json!(parts.join("\n")));
    }
}

/// Bounds of a duration are a rule.
fn bound(map: &mut Map<String, Value>, at: &str) {
    let Some(bounds) = map.remove(BOUNDS_KEYWORD) else { return };
    let (Some(min), Some(max)) = (bounds["min"].as_str(), bounds["max"].as_str()) else { panic!("{at} has no bounds") };
    let low = parse_millis(min).unwrap_or_else(|error| panic!("{at}: {error}"));
    let high = format!("duration(self) <= duration('{max}')");
    let rule = if low == 0 { high } else { format!("duration(self) >= duration('{min}') && {high}") };
    let rule = json!({ "rule": rule, "message": format!("must be {min} to {max}") });
    match map.entry(rule::KEYWORD).or_insert_with(|| json!([])) {
        Value::Array(rules) => rules.push(rule),
        other => panic!("{at} has rules that are no list: {other}"),
    }
}

/// A map whose keys are known is an object, so that other keys are refused by name.
fn known_keys(map: &mut Map<String, Value>) {
    if let Some(properties) = map.remove("x-properties") {
        map.remove("additionalProperties");
        map.remove("maxProperties");
        map.insert("properties".into(), properties);
    }
}

/// What is filled in where nothing is said.
fn default(map: &mut Map<String, Value>) {
    let is_section = map.contains_key("properties");
    let bears_rules = map.contains_key(rule::KEYWORD);
    let Some(default) = map.get_mut("default") else { return };
    if is_empty(default) && !is_section {
        map.remove("default");
    } else if let Value::Object(default) = default {
        if is_section && !bears_rules {
            default.clear();
        } else {
            default.retain(|_, value| !is_empty(value));
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}
