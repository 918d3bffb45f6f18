//! The reference page, `docs/configuration.md`: made from the schema, so that it can't tell anything else than the code.

use std::fmt::Write;

use events_gateway_crds::kafka::CLIENT_SETTINGS;
use serde_json::Value;

/// The order in which the sections are told; every one must be here.
const SECTIONS: &[&str] =
    &["listen", "admin", "kafka", "redis", "routes", "channels", "streams", "drain", "limits", "log", "replica"];

const INTRODUCTION: &str = include_str!("reference.md");

/// The page as Markdown.
#[must_use]
pub fn page() -> String {
    let schema = events_gateway_crds::schema::gateway();
    let mut page = String::from(INTRODUCTION);
    for section in SECTIONS {
        let node = &schema["properties"][section];
        let _ = write!(page, "\n## {section}\n\n{}\n\n", description(node));
        page.push_str("| key | type | default | bounds | meaning |\n|---|---|---|---|---|\n");
        let (prefix, inner) = if node["type"] == "array" { ("[].", &node["items"]) } else { ("", node) };
        rows(&mut page, prefix, inner);
        if *section == "kafka" {
            let settings: Vec<String> = CLIENT_SETTINGS.iter().map(|name| format!("`{name}`")).collect();
            let _ = write!(
                page,
                "\n`clientSettings` takes these settings of librdkafka, as text: {}.\n",
                settings.join(", ")
            );
        }
    }
    page
}

/// One row a key; single values before sections, so that what belongs together stands together.
fn rows(page: &mut String, prefix: &str, node: &Value) {
    let properties = || node["properties"].as_object().into_iter().flatten();
    let is_section = |node: &Value| inner(node).is_some();
    for (name, child) in properties().filter(|(_, child)| !is_section(child)) {
        let required = node["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name));
        row(page, &format!("{prefix}{name}"), child, required);
    }
    for (name, child) in properties().filter(|(_, child)| is_section(child)) {
        let required = node["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name));
        row(page, &format!("{prefix}{name}"), child, required);
        if let Some((suffix, inner)) = inner(child) {
            rows(page, &format!("{prefix}{name}{suffix}"), inner);
        }
    }
}

/// What has rows of its own below a row.
fn inner(node: &Value) -> Option<(&'static str, &Value)> {
    if node["x-kind"] == "secret" {
        return None;
    }
    match node["type"].as_str() {
        Some("object") if node["properties"].is_object() => Some((".", node)),
        Some("array") if node["items"]["properties"].is_object() => Some(("[].", &node["items"])),
        _ => None,
    }
}

fn row(page: &mut String, key: &str, node: &Value, required: bool) {
    let default = match &node["default"] {
        _ if required => "**required**".into(),
        Value::Null => "absent".into(),
        Value::Object(map) if !map.is_empty() => "as below".into(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    };
    let meanings: Vec<&str> = node["x-meanings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut meaning = description(node);
    if !meanings.is_empty() {
        let _ = write!(meaning, "<br>{}", meanings.join("<br>"));
    }
    let cells = [format!("`{key}`"), kind(node), default, bounds(node), meaning].map(|cell| cell.replace('|', "\\|"));
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn description(node: &Value) -> String {
    node["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn kind(node: &Value) -> String {
    if node["enum"].is_array() {
        return "one of".into();
    }
    if let Some(kind) = node["x-kind"].as_str() {
        return kind.into();
    }
    match node["type"].as_str() {
        Some("array") if node["items"]["properties"].is_object() => "list of sections".into(),
        Some("array") => format!("list of {}", kind(&node["items"])),
        Some("object") if node["additionalProperties"].is_object() => {
            format!("name -> {}", kind(&node["additionalProperties"]))
        }
        Some("object") => "section".into(),
        Some("string") => "text".into(),
        Some(other) => other.into(),
        None => "any".into(),
    }
}

fn bounds(node: &Value) -> String {
    if let Some(values) = node["enum"].as_array() {
        let values: Vec<String> = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    let range = |low: &Value, high: &Value, unit: &str| match (low.as_i64(), high.as_i64()) {
        (Some(low), Some(high)) => format!("{} to {}{unit}", grouped(low), grouped(high)),
        (None, Some(high)) => format!("at most {}{unit}", grouped(high)),
        _ => String::new(),
    };
    match node["type"].as_str() {
        Some("integer") => range(&node["minimum"], &node["maximum"], ""),
        Some("array") => range(&node["minItems"], &node["maxItems"], " items"),
        Some("object") => range(&Value::Null, &node["maxProperties"], " keys"),
        Some("string") => match (node["x-bounds"]["min"].as_str(), node["x-bounds"]["max"].as_str()) {
            (Some(min), Some(max)) => format!("{min} to {max}"),
            _ => range(&node["minLength"], &node["maxLength"], " characters"),
        },
        _ => String::new(),
    }
}

/// 67,108,864.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_section_is_told() {
        let schema = events_gateway_crds::schema::gateway();
        let mut sections: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut told = SECTIONS.to_vec();
        sections.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, sections);
    }

    #[test]
    fn the_page_in_the_repository_is_the_one_made_from_the_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
            std::fs::write(&path, page()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page(), "docs/configuration.md differs from the code: run the tests with UPDATE=1");
    }
}
