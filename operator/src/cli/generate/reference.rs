//! The reference page, `docs/operator/reference.md`: made from the definitions, so that it can't tell anything else than the
//! API server.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use events_gateway_crds::reference::{self, is_required};
use events_gateway_resources::definition::definitions;
use serde_json::Value;

const INTRODUCTION: &str = include_str!("reference.md");
const HEADING: &str = "| field | type | default | bounds | meaning |\n|---|---|---|---|---|\n";

/// The page as Markdown.
pub(super) fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    for definition in definitions() {
        let spec = &definition.object["spec"];
        let version = &spec["versions"][0];
        let schema = &version["schema"]["openAPIV3Schema"];
        let kind = spec["names"]["kind"].as_str().unwrap_or_default();
        let _ = write!(page, "\n## {kind}\n\n{}\n\n", description(schema));
        columns(&mut page, version);
        rules(&mut page, &validations(schema, ""));
        for part in ["spec", "status"] {
            sections(&mut page, kind, part, &schema["properties"][part]);
        }
    }
    page
}

/// What `kubectl get` shows.
fn columns(page: &mut String, version: &Value) {
    page.push_str("| column | with `-o wide` only | meaning |\n|---|---|---|\n");
    for column in version["additionalPrinterColumns"].as_array().into_iter().flatten() {
        let name = column["name"].as_str().unwrap_or_default();
        let is_wide = column["priority"].as_i64().is_some_and(|priority| priority > 0);
        let meaning = column["description"].as_str().unwrap_or("How long ago it was created.");
        let _ = writeln!(page, "| `{}` | {} | {meaning} |", name.to_uppercase(), if is_wide { "yes" } else { "" });
    }
}

/// The spec or the status: first its single values, then each section of it with a heading of its own.
fn sections(page: &mut String, kind: &str, part: &str, node: &Value) {
    let _ = write!(page, "\n### {kind}: {part}\n\n{}\n\n{HEADING}", description(node));
    let mut found = validations(node, "");
    let properties = properties(node);
    for (name, child) in properties.iter().filter(|(_, child)| inner(child).is_none()) {
        row(page, name, child, is_required(node, name));
        found.extend(validations(child, name));
    }
    rules(page, &found);
    for (name, child) in properties {
        let Some((suffix, inner)) = inner(child) else { continue };
        let _ = write!(page, "\n### {kind}: {part}.{name}{}\n\n", suffix.trim_end_matches('.'));
        let _ = write!(page, "{}{}\n\n{HEADING}", description(child), presence(node, name, child));
        let mut found = validations(child, "");
        if suffix.starts_with('[') {
            found.extend(validations(inner, ""));
        }
        rows(page, "", inner, &mut found);
        rules(page, &found);
    }
}

/// Whether a section has to be there, and how many items a list of sections takes.
fn presence(node: &Value, name: &str, child: &Value) -> String {
    let bounds = bounds(child);
    let mut words = Vec::new();
    if is_required(node, name) {
        words.push("Required".to_owned());
    } else if child["default"].is_null() {
        words.push("Absent unless given".to_owned());
    }
    if child["type"] == "array" && !bounds.is_empty() {
        words.push(bounds);
    }
    if words.is_empty() { String::new() } else { format!(" ({}.)", words.join(", ")) }
}

/// One row a field; single values before sections, so that what belongs together stands together.
fn rows(page: &mut String, prefix: &str, node: &Value, found: &mut Vec<(String, String)>) {
    let properties = properties(node);
    for (name, child) in properties.iter().filter(|(_, child)| inner(child).is_none()) {
        let field = field(prefix, name);
        row(page, &field, child, is_required(node, name));
        found.extend(validations(child, &field));
    }
    for (name, child) in properties {
        let Some((suffix, inner)) = inner(child) else { continue };
        let field = field(prefix, name);
        row(page, &field, child, is_required(node, name));
        found.extend(validations(child, &field));
        let below = format!("{field}{suffix}");
        if suffix.starts_with('[') {
            found.extend(validations(inner, below.trim_end_matches('.')));
        }
        rows(page, &below, inner, found);
    }
}

/// In the order of their names, whatever order the schema has.
fn properties(node: &Value) -> BTreeMap<&str, &Value> {
    node["properties"].as_object().into_iter().flatten().map(|(name, child)| (name.as_str(), child)).collect()
}

/// `a.b`, or `a["b.c"]` for a name that has dots itself.
fn field(prefix: &str, name: &str) -> String {
    if name.contains('.') { format!("{}[\"{name}\"]", prefix.trim_end_matches('.')) } else { format!("{prefix}{name}") }
}

/// What has rows of its own below a row.
fn inner(node: &Value) -> Option<(&'static str, &Value)> {
    match node["type"].as_str() {
        Some("object") if node["properties"].is_object() && !is_secret(node) => Some((".", node)),
        Some("array") if node["items"]["properties"].is_object() => Some(("[].", &node["items"])),
        _ => None,
    }
}

/// A reference to a key of a Secret; the introduction says what is in one.
fn is_secret(node: &Value) -> bool {
    let names: Vec<&str> = properties(node).into_keys().collect();
    names == ["key", "name"] && node["properties"]["name"]["description"].as_str().is_some_and(is_name_of_secret)
}

fn is_name_of_secret(text: &str) -> bool {
    text.starts_with("Name of the Secret.")
}

fn row(page: &mut String, field: &str, node: &Value, required: bool) {
    page.push_str(&reference::row([
        format!("`{field}`"),
        kind(node),
        reference::default(node, required, true),
        bounds(node),
        description(node),
    ]));
}

/// On one line; what each word of an enumeration means on one of its own.
fn description(node: &Value) -> String {
    let mut text = String::new();
    for (index, line) in node["description"].as_str().unwrap_or_default().lines().enumerate() {
        let is_meaning = line.starts_with('`') && line.contains("`: ");
        match index {
            0 => {}
            _ if is_meaning => text.push_str("<br>"),
            _ => text.push(' '),
        }
        text.push_str(line);
    }
    text
}

fn kind(node: &Value) -> String {
    reference::kind(node, &|node| match node["type"].as_str() {
        Some("object") if is_secret(node) => Some("key of a Secret".into()),
        Some("string") if duration(node).is_some() => Some("duration".into()),
        _ => None,
    })
}

fn bounds(node: &Value) -> String {
    reference::bounds(node, duration(node))
}

/// Bounds of a duration: they are a rule, since the schema has no keyword for them.
fn duration(node: &Value) -> Option<String> {
    let rules = node["x-kubernetes-validations"].as_array()?;
    let rule = rules.iter().find(|rule| rule["rule"].as_str().is_some_and(|rule| rule.contains("duration(self) ")))?;
    Some(rule["message"].as_str()?.trim_start_matches("must be ").to_owned())
}

/// What is refused, with the field that it stands on; what the column of bounds tells already is left out.
fn validations(node: &Value, field: &str) -> Vec<(String, String)> {
    let rules = node["x-kubernetes-validations"].as_array().into_iter().flatten();
    let told = rules.filter(|rule| {
        let text = rule["rule"].as_str().unwrap_or_default();
        !text.contains("duration(self) ") && !text.starts_with("int(self)")
    });
    told.filter_map(|rule| Some((field.to_owned(), rule["message"].as_str()?.to_owned()))).collect()
}

fn rules(page: &mut String, found: &[(String, String)]) {
    if found.is_empty() {
        return;
    }
    page.push_str("\nRules, in the words of a refusal:\n\n");
    for (field, message) in found {
        let _ = match field.as_str() {
            "" => writeln!(page, "* {message}"),
            field => writeln!(page, "* `{field}`: {message}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_in_the_repository_is_made_from_the_definitions() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operator/reference.md");
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == page(), "docs/operator/reference.md differs from the code: run make generate");
    }

    #[test]
    fn bounds_of_durations_stand_in_their_column_and_not_among_the_rules() {
        let rule = json!({
            "rule": "duration(self) >= duration('1s') && duration(self) <= duration('1h')",
            "message": "must be 1s to 1h",
        });
        let node = json!({ "type": "string", "x-kubernetes-validations": [rule] });
        assert_eq!((kind(&node).as_str(), bounds(&node).as_str()), ("duration", "1s to 1h"));
        assert!(validations(&node, "timeout").is_empty());
    }

    #[test]
    fn a_name_with_dots_is_told_apart_from_a_place() {
        assert_eq!(field("kafka.", "protocol"), "kafka.protocol");
        assert_eq!(field("clientSettings.", "linger.ms"), "clientSettings[\"linger.ms\"]");
    }
}
