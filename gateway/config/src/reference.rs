//! The reference page, `docs/configuration.md`: made from the schema, so that it can't tell anything else than the code.

use std::fmt::Write;

use events_gateway_crds::kafka::CLIENT_SETTINGS;
use events_gateway_crds::reference::{self, is_required};
use serde_json::Value;

/// The order in which the sections are told; every one must be here.
const SECTIONS: &[&str] = &[
    "listen", "admin", "kafka", "redis", "routes", "publish", "identity", "access", "views", "filters", "aliases",
    "channels", "streams", "drain", "limits", "log", "replica",
];

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
        row(page, &format!("{prefix}{name}"), child, is_required(node, name));
    }
    for (name, child) in properties().filter(|(_, child)| is_section(child)) {
        row(page, &format!("{prefix}{name}"), child, is_required(node, name));
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
    let below = node["default"].as_object().is_some_and(|section| !section.is_empty());
    let named = |node: &Value| node["x-kind"].as_str().map(str::to_owned);
    let bounds_of_duration = &node["x-bounds"];
    let duration = bounds_of_duration["min"].as_str().zip(bounds_of_duration["max"].as_str());
    let meanings: Vec<&str> = node["x-meanings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut meaning = description(node);
    if !meanings.is_empty() {
        let _ = write!(meaning, "<br>{}", meanings.join("<br>"));
    }
    page.push_str(&reference::row([
        format!("`{key}`"),
        reference::kind(node, &named),
        reference::default(node, required, below),
        reference::bounds(node, duration.map(|(min, max)| format!("{min} to {max}"))),
        meaning,
    ]));
}

fn description(node: &Value) -> String {
    node["description"].as_str().unwrap_or_default().replace('\n', " ")
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
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page(), "docs/configuration.md differs from the code: run make generate");
    }
}
