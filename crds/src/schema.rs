//! The JSON Schema of the configuration file: for editors, for the reference page and for checking.
//!
//! Beside JSON Schema's own keywords it holds `x-bounds` (least and greatest duration), `x-kind` (what to call the
//! type) and `x-expected` (what to tell people when the pattern is missed). Everything is inline: no `$ref`.
//! What only the API server of Kubernetes reads (`x-kubernetes-…`, and `x-properties`: the keys of a map, where they are
//! known) stands on the same types and is left out of the file's schema.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use crate::Gateway;

/// The schema of [`Gateway`]: no nulls, and enumerations as plain lists whose meanings stand in the description. Made once.
#[must_use]
pub fn gateway() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(make);
    &SCHEMA
}

fn make() -> Value {
    let mut schema = plain::<Gateway>();
    without_kubernetes(&mut schema);
    schema["title"] = json!("Events Gateway configuration");
    schema
}

/// The schema of any type of this vocabulary, with all that stands on the types.
#[must_use]
pub fn plain<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).for_deserialize();
    settings.with_transform(Plain).into_generator().into_root_schema_for::<T>().to_value()
}

/// Takes out what only the API server reads.
fn without_kubernetes(node: &mut Value) {
    match node {
        Value::Object(map) => {
            map.retain(|key, _| !key.starts_with("x-kubernetes-") && key != "x-properties");
            map.values_mut().for_each(without_kubernetes);
        }
        Value::Array(items) => items.iter_mut().for_each(without_kubernetes),
        _ => {}
    }
}

/// Writes enumerations as `enum`, takes null out (an absent value is not written), and lists as required what a type
/// marks so although it has a (useless) default, which lets the rest be examined when it is missing.
#[derive(Debug, Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".into(), only);
            }
        }
        if let Some(Value::Array(values)) = object.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        let mut required: Vec<String> = Vec::new();
        if let Some(Value::Object(properties)) = object.get_mut("properties") {
            for (name, property) in properties {
                if let Some(property) = property.as_object_mut()
                    && property.remove("x-required").is_some()
                {
                    property.remove("default");
                    required.push(name.clone());
                }
            }
        }
        if !required.is_empty() {
            object.insert("required".into(), json!(required));
        }
        if let Some(variants) = object.get("oneOf").and_then(Value::as_array).cloned()
            && variants.iter().all(|variant| variant.get("const").is_some())
        {
            object.remove("oneOf");
            object.insert("type".into(), json!("string"));
            let names: Vec<&Value> = variants.iter().map(|variant| &variant["const"]).collect();
            object.insert("enum".into(), json!(names));
            let meanings: Vec<String> = variants
                .iter()
                .filter_map(|variant| {
                    let meaning = variant.get("description")?.as_str()?;
                    Some(format!("`{}`: {}", variant["const"].as_str()?, meaning.replace('\n', " ")))
                })
                .collect();
            object.insert("x-meanings".into(), json!(meanings));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(at: &str, node: &Value, visit: &mut impl FnMut(&str, &Value)) {
        visit(at, node);
        for (name, child) in node["properties"].as_object().into_iter().flatten() {
            walk(&format!("{at}.{name}"), child, visit);
        }
        for child in [&node["items"], &node["additionalProperties"]] {
            if child.is_object() {
                walk(&format!("{at}[]"), child, visit);
            }
        }
    }

    #[test]
    fn every_text_list_map_and_number_is_bounded_and_structural() {
        walk("", gateway(), &mut |at, node| {
            let bound = |keyword: &str| assert!(node[keyword].is_number(), "{at} has no {keyword}");
            match node["type"].as_str() {
                Some("string") if node["enum"].is_array() => {}
                Some("string") => bound("maxLength"),
                Some("array") => bound("maxItems"),
                Some("integer") => {
                    bound("minimum");
                    bound("maximum");
                    assert!(matches!(node["format"].as_str(), Some("int32" | "int64")), "{at}: {}", node["format"]);
                }
                Some("object") if node["additionalProperties"].is_object() => bound("maxProperties"),
                Some("object") => assert_eq!(node["additionalProperties"], json!(false), "{at} takes unknown keys"),
                Some("boolean") => {}
                other => panic!("{at} has type {other:?}"),
            }
            for keyword in ["$ref", "oneOf", "anyOf", "allOf", "const"] {
                assert!(node.get(keyword).is_none(), "{at} has {keyword}");
            }
        });
    }

    #[test]
    fn kafka_with_its_brokers_and_bindings_is_required() {
        let schema = gateway();
        assert_eq!(schema["required"], json!(["kafka"]));
        assert_eq!(schema["properties"]["kafka"]["required"], json!(["bindings", "bootstrap"]));
    }

    #[test]
    fn every_key_is_described() {
        walk("", gateway(), &mut |at, node| {
            if !at.ends_with("[]") {
                assert!(node["description"].as_str().is_some_and(|text| !text.is_empty()), "{at} is not described");
            }
        });
    }

    #[test]
    fn defaults_are_written_back_without_nulls() {
        let defaults: Gateway = Gateway::default();
        let text = serde_json::to_string(&defaults).unwrap();
        assert!(!text.contains("null"), "{text}");
        assert_eq!(serde_json::from_str::<Gateway>(&text).unwrap(), defaults);
    }
}
