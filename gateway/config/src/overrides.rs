//! Environment variables that override values of the file: `EVENTS_GATEWAY__REDIS__PASSWORD`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::problem::{Place, Problems, Step};
use super::suggest::closest;

/// What every override begins with. Two underscores go one level down.
pub const PREFIX: &str = "EVENTS_GATEWAY__";

/// Environment variables by name, as one process saw them at its start.
pub type Environment = BTreeMap<String, String>;

/// Which variable set what.
#[derive(Debug, Default)]
pub(super) struct Origins(Vec<(Place, String)>);

impl Origins {
    /// The variable that set the value at this place.
    pub(super) fn of(&self, place: &Place) -> Option<&str> {
        self.0.iter().find(|(set, _)| set.holds(place)).map(|(_, variable)| variable.as_str())
    }
}

/// Puts every override into the document; the schema says which keys there are and of which type.
pub(super) fn apply(
    document: &mut Value,
    schema: &Value,
    environment: &Environment,
    problems: &mut Problems,
) -> Origins {
    let mut overrides: Vec<(Vec<Segment>, &str, &str)> = environment
        .iter()
        .filter_map(|(name, value)| {
            Some((name.strip_prefix(PREFIX)?.split("__").map(Segment::new).collect(), &**name, &**value))
        })
        .collect();
    // So that item 2 of a list is appended before item 10.
    overrides.sort();
    let mut origins = Origins::default();
    for (segments, variable, text) in overrides {
        match set(document, schema, &segments, text) {
            Ok(place) => match origins.0.iter().find(|(set, _)| set.holds(&place) || place.holds(set)) {
                Some((_, other)) => {
                    problems.add(Place::root().key(variable), format!("sets the same value as {other}"));
                }
                None => origins.0.push((place, variable.into())),
            },
            Err(problem) => problems.add(Place::root().key(variable), problem),
        }
    }
    origins
}

/// One part of a variable's name: numbers sort by value.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Segment {
    index: Option<usize>,
    text: String,
}

impl Segment {
    fn new(text: &str) -> Self {
        Self { index: text.parse().ok(), text: plain(text) }
    }
}

/// Case and separators don't count: `SESSION_TIMEOUT` and `sessionTimeout` are one key.
fn plain(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn set(document: &mut Value, schema: &Value, segments: &[Segment], text: &str) -> Result<Place, String> {
    let (mut value, mut node, mut place) = (document, schema, Place::root());
    for segment in segments {
        let step = step(value, node, segment)?;
        if node["x-kind"] == "secret" {
            // A secret has one source: the override's replaces the file's. Two overrides of it are two for one value.
            *value = Value::Null;
        } else {
            place = place.then(step.clone());
        }
        (value, node) = match step {
            Step::Key(key) => {
                let child = if node["properties"].is_object() {
                    &node["properties"][&key]
                } else {
                    &node["additionalProperties"]
                };
                if value.is_null() {
                    *value = Value::Object(Map::new());
                }
                let map = value.as_object_mut().ok_or("the file has no section there to put it into")?;
                (map.entry(key).or_insert(Value::Null), child)
            }
            Step::Index(index) => {
                if value.is_null() {
                    *value = Value::Array(Vec::new());
                }
                let list = value.as_array_mut().ok_or("the file has no list there to put it into")?;
                if index == list.len() {
                    list.push(Value::Null);
                }
                let length = list.len();
                let item = list.get_mut(index).ok_or_else(|| format!("the list has only {length} items before it"))?;
                (item, &node["items"])
            }
        };
    }
    *value = leaf(node, text)?;
    Ok(place)
}

fn step(value: &Value, node: &Value, segment: &Segment) -> Result<Step, String> {
    if node["type"] == "array" {
        return segment.index.map(Step::Index).ok_or_else(|| "names a list: an index (0, 1, …) must follow".into());
    }
    let known: Vec<&str> = if let Some(properties) = node["properties"].as_object() {
        properties.keys().map(String::as_str).collect()
    } else if node["additionalProperties"].is_object() {
        let present = value.as_object().into_iter().flat_map(|map| map.keys().map(String::as_str));
        present
            .chain(events_gateway_crds::kafka::CLIENT_SETTINGS.iter().copied().filter(|_| is_client_settings(node)))
            .collect()
    } else {
        return Err("goes on below a single value".into());
    };
    if let Some(key) = known.iter().find(|key| plain(key) == segment.text) {
        return Ok(Step::Key((*key).into()));
    }
    let plain_known: Vec<String> = known.iter().map(|key| plain(key)).collect();
    let suggestion = closest(&segment.text, plain_known.iter().map(String::as_str));
    Err(match suggestion.and_then(|found| known.iter().find(|key| plain(key) == found)) {
        Some(key) => format!("overrides no known key; did you mean {key}?"),
        None => format!("overrides no known key; known there: {}", known.join(", ")),
    })
}

/// Only this map has keys that are known beforehand.
fn is_client_settings(node: &Value) -> bool {
    node["description"].as_str().is_some_and(|text| text.contains("librdkafka"))
}

/// The text as the type that the schema wants. What doesn't fit stays text, and the schema's check tells.
fn leaf(node: &Value, text: &str) -> Result<Value, String> {
    Ok(match node["type"].as_str() {
        Some("object") if node["x-kind"] == "secret" => serde_json::json!({ "value": text }),
        Some("object") => return Err("names a section: a key of it must follow".into()),
        Some("array") if node["items"]["type"] == "string" => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
        }
        Some("array") => return Err("names a list: an index (0, 1, …) and a key must follow".into()),
        Some("integer") => text.trim().parse::<i64>().map_or_else(|_| text.into(), Value::from),
        Some("boolean") => text.trim().parse::<bool>().map_or_else(|_| text.into(), Value::from),
        _ => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn applied(mut document: Value, variables: &[(&str, &str)]) -> (Value, String) {
        let environment = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut problems = Problems::default();
        apply(&mut document, events_gateway_crds::schema::gateway(), &environment, &mut problems);
        (document, problems.to_string())
    }

    #[test]
    fn two_underscores_go_down_and_case_does_not_count() {
        let (document, problems) = applied(
            json!({ "listen": { "port": 1 }, "kafka": { "bindings": [{ "name": "a" }] } }),
            &[
                ("EVENTS_GATEWAY__LISTEN__PORT", "8443"),
                ("EVENTS_GATEWAY__KAFKA__SESSION_TIMEOUT", "9s"),
                ("EVENTS_GATEWAY__kafka__maxRecordBytes", "2048"),
                ("EVENTS_GATEWAY__CHANNELS__ALL", "true"),
                ("EVENTS_GATEWAY__KAFKA__BINDINGS__0__GROUPID", "g"),
                ("EVENTS_GATEWAY__KAFKA__BOOTSTRAP", "a:1, b:2"),
                ("EVENTS_GATEWAY__REDIS__NODES__0", "r:1"),
                ("EVENTS_GATEWAY__KAFKA__CLIENT_SETTINGS__FETCH_MIN_BYTES", "10"),
                ("EVENTS_GATEWAY_CONFIG", "one underscore is not ours"),
                ("PATH", "neither is this"),
            ],
        );
        assert_eq!(problems, "");
        assert_eq!(
            document,
            json!({
                "listen": { "port": 8443 },
                "kafka": {
                    "bindings": [{ "name": "a", "groupId": "g" }], "sessionTimeout": "9s", "maxRecordBytes": 2048,
                    "bootstrap": ["a:1", "b:2"], "clientSettings": { "fetch.min.bytes": "10" },
                },
                "channels": { "all": true },
                "redis": { "nodes": ["r:1"] },
            })
        );
    }

    #[test]
    fn a_secret_is_replaced_as_a_whole() {
        let document = json!({ "redis": { "password": { "file": "/run/password" } } });
        let (changed, problems) = applied(document.clone(), &[("EVENTS_GATEWAY__REDIS__PASSWORD", "s3cret")]);
        assert_eq!((&changed["redis"]["password"], &*problems), (&json!({ "value": "s3cret" }), ""));
        let (changed, problems) = applied(document.clone(), &[("EVENTS_GATEWAY__REDIS__PASSWORD__ENV", "SECRET")]);
        assert_eq!((&changed["redis"]["password"], &*problems), (&json!({ "env": "SECRET" }), ""));
        let both = [("EVENTS_GATEWAY__REDIS__PASSWORD__ENV", "A"), ("EVENTS_GATEWAY__REDIS__PASSWORD__FILE", "b")];
        assert!(applied(document, &both).1.contains("sets the same value as"));
    }

    #[test]
    fn items_are_appended_in_the_order_of_their_numbers() {
        let names: Vec<String> = (0..12).map(|index| format!("EVENTS_GATEWAY__REDIS__NODES__{index}")).collect();
        let variables: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "r:1")).collect();
        let (document, problems) = applied(json!({}), &variables);
        assert_eq!(problems, "");
        assert_eq!(document["redis"]["nodes"].as_array().map(Vec::len), Some(12));
    }

    #[test]
    fn an_override_of_nothing_is_a_problem_that_names_the_variable() {
        for (variable, expected) in [
            ("EVENTS_GATEWAY__REDIS__PASSWROD", "did you mean password?"),
            ("EVENTS_GATEWAY__REDIS", "names a section"),
            ("EVENTS_GATEWAY__KAFKA__BINDINGS", "names a list"),
            ("EVENTS_GATEWAY__KAFKA__BINDINGS__X__NAME", "an index"),
            ("EVENTS_GATEWAY__REDIS__NODES__4", "only 0 items"),
            ("EVENTS_GATEWAY__LISTEN__PORT__X", "below a single value"),
            ("EVENTS_GATEWAY__", "no known key"),
            ("EVENTS_GATEWAY__KAFKA__CLIENT_SETTINGS__PLUGIN_LIBRARY_PATHS", "no known key"),
        ] {
            let (_, problems) = applied(json!({}), &[(variable, "1")]);
            assert!(problems.starts_with(&format!("{variable}: ")) && problems.contains(expected), "{problems}");
        }
    }

    #[test]
    fn two_variables_for_one_value_are_a_problem() {
        let (_, problems) =
            applied(json!({}), &[("EVENTS_GATEWAY__LOG__LEVEL", "info"), ("EVENTS_GATEWAY__log__level", "debug")]);
        assert_eq!(problems, "EVENTS_GATEWAY__log__level: sets the same value as EVENTS_GATEWAY__LOG__LEVEL");
    }
}
