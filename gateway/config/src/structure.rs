//! The document against the schema: unknown keys, wrong types, values out of bounds, each told in plain words.

use std::sync::LazyLock;

use events_gateway_crds::duration::{self, BOUNDS_KEYWORD};
use events_gateway_crds::schema::gateway;
use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{Keyword, ValidationError, Validator};
use serde_json::{Map, Value};

use super::problem::{Place, Problems, Step};
use super::suggest::closest;

/// Takes out keys without a value, `tls:` with nothing behind it: they count as absent. Unknown ones stay, to be told.
pub(super) fn drop_absent(document: &mut Value, schema: &Value) {
    match document {
        Value::Object(map) => {
            map.retain(|key, value| !value.is_null() || schema["properties"].get(key).is_none());
            for (key, value) in map {
                let child = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
                drop_absent(value, child);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| drop_absent(item, &schema["items"])),
        _ => {}
    }
}

/// Notes every problem, and takes out of the document what would keep the rest from being read.
pub(super) fn check(document: &mut Value, problems: &mut Problems) {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| compile(gateway()));
    let schema = gateway();
    let mut unreadable = Vec::new();
    for error in VALIDATOR.iter_errors(document) {
        let place = place(error.instance_path());
        let node = parent(schema, error.schema_path());
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                for key in unexpected {
                    problems.add(place.key(key), unknown_key(key, node));
                    unreadable.push(place.key(key));
                }
            }
            ValidationErrorKind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                problems.add(place.key(key), format!("is required: {}", first_sentence(&node["properties"][key])));
            }
            kind => {
                problems.add(place.clone(), words(kind, node, error.instance()));
                if !is_readable(kind, node) {
                    unreadable.push(place);
                }
            }
        }
    }
    for place in unreadable {
        take_out(document, place.steps());
    }
}

/// Whether the types take the value nevertheless: out of bounds or of another form, but of the right type. It stays, so that
/// what is said of it by other rules is told too.
fn is_readable(kind: &ValidationErrorKind, node: &Value) -> bool {
    match kind {
        ValidationErrorKind::Type { .. } | ValidationErrorKind::Enum { .. } | ValidationErrorKind::Custom { .. } => {
            false
        }
        _ => !matches!(node["x-kind"].as_str(), Some("duration" | "start")),
    }
}

fn compile(schema: &Value) -> Validator {
    // Our own schema: whether it compiles doesn't depend on any input, and a test compiles it.
    jsonschema::options()
        .with_keyword(BOUNDS_KEYWORD, bounds)
        .build(schema)
        .expect("the schema of the configuration compiles")
}

struct Bounds {
    min: i64,
    max: i64,
}

fn bounds<'a>(
    _: &'a Map<String, Value>,
    value: &'a Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    let read = |key: &str| value[key].as_str().and_then(|text| duration::parse_millis(text).ok());
    match (read("min"), read("max")) {
        (Some(min), Some(max)) => Ok(Box::new(Bounds { min, max })),
        _ => Err(ValidationError::schema("expected a least and a greatest duration")),
    }
}

impl<'i> Keyword<'i> for Bounds {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            return Ok(());
        }
        Err(ValidationError::custom(duration::DurationError::Bounds(self.min, self.max).to_string()))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        // What is no duration at all is told by the pattern.
        let millis = instance.as_str().and_then(|text| duration::parse_millis(text).ok());
        millis.is_none_or(|millis| (self.min..=self.max).contains(&millis))
    }
}

fn place(location: &Location) -> Place {
    location.segments().fold(Place::root(), |place, segment| match segment {
        LocationSegment::Property(key) => place.key(&key),
        LocationSegment::Index(index) => place.index(index),
    })
}

/// The part of the schema that a failed keyword stands in.
fn parent<'a>(schema: &'a Value, keyword: &Location) -> &'a Value {
    let pointer = keyword.as_str().rsplit_once('/').map_or("", |(parent, _)| parent);
    schema.pointer(pointer).unwrap_or(&Value::Null)
}

fn take_out(document: &mut Value, steps: &[Step]) {
    let Some((last, way)) = steps.split_last() else { return };
    let holder = way.iter().try_fold(document, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    });
    // Items of lists stay: the others would move to other places.
    if let (Some(Value::Object(map)), Step::Key(key)) = (holder, last) {
        map.remove(key);
    }
}

fn unknown_key(key: &str, node: &Value) -> String {
    let known = node["properties"].as_object().into_iter().flat_map(|map| map.keys().map(String::as_str));
    match closest(key, known.clone()) {
        Some(near) => format!("is not a known key; did you mean {near}?"),
        None => format!("is not a known key; known here: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

fn words(kind: &ValidationErrorKind, node: &Value, found: &Value) -> String {
    match kind {
        ValidationErrorKind::Type { .. } => format!("expected {}, found {}", expected(node), name(found)),
        ValidationErrorKind::Enum { options } => {
            let options: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let suggestion = found.as_str().and_then(|word| closest(word, options.iter().copied()));
            let suggestion = suggestion.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            format!("expected one of {}{suggestion}", options.join(", "))
        }
        ValidationErrorKind::Pattern { .. } => format!("expected {}", expected(node)),
        ValidationErrorKind::Minimum { .. } | ValidationErrorKind::Maximum { .. } => {
            format!("must be {} to {}", node["minimum"], node["maximum"])
        }
        ValidationErrorKind::MinItems { limit } => {
            format!("needs at least {limit} item{}", if *limit == 1 { "" } else { "s" })
        }
        ValidationErrorKind::MaxItems { limit } => format!("takes at most {limit} items"),
        ValidationErrorKind::MaxProperties { limit } => format!("takes at most {limit} keys"),
        ValidationErrorKind::MinLength { .. } => "must not be empty".into(),
        ValidationErrorKind::MaxLength { limit } => format!("takes at most {limit} characters"),
        ValidationErrorKind::Custom { message, .. } => message.clone(),
        // No other keyword is in the schema (a test there sees to it); its name says at least what was missed.
        other => format!("misses the rule '{}'", other.keyword()),
    }
}

fn expected(node: &Value) -> String {
    if let Some(words) = node["x-expected"].as_str() {
        return words.into();
    }
    if let Some(options) = node["enum"].as_array() {
        let options: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
        return format!("one of {}", options.join(", "));
    }
    match node["type"].as_str() {
        Some("object") if node["x-kind"] == "secret" => "a secret's source: file, env or value",
        Some("object") => "keys and values",
        Some("array") => "a list",
        Some("integer") => "a whole number",
        Some("boolean") => "true or false",
        _ => "a text",
    }
    .into()
}

fn name(found: &Value) -> &'static str {
    match found {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false without quotes",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number without quotes",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "keys and values",
    }
}

fn first_sentence(node: &Value) -> String {
    let text = node["description"].as_str().unwrap_or("see the reference").replace('\n', " ");
    let sentence = text.split_inclusive(". ").next().unwrap_or_default();
    sentence.trim_end_matches(['.', ' ']).to_lowercase()
}
