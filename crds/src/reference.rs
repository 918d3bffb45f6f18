//! What the cells of reference pages say. The pages are made from schemas: of the configuration file and of the resources.

use serde_json::Value;

/// Whether an object has to have this property.
#[must_use]
pub fn is_required(node: &Value, name: &str) -> bool {
    node["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name))
}

/// The type of a value, in plain words. `named`: what has a name of its own.
#[must_use]
pub fn kind(node: &Value, named: &dyn Fn(&Value) -> Option<String>) -> String {
    if node["enum"].is_array() {
        return "one of".into();
    }
    if let Some(name) = named(node) {
        return name;
    }
    match node["type"].as_str() {
        Some("array") if node["items"]["properties"].is_object() => "list of sections".into(),
        Some("array") => format!("list of {}", kind(&node["items"], named)),
        Some("object") if node["additionalProperties"].is_object() => {
            format!("name -> {}", kind(&node["additionalProperties"], named))
        }
        Some("object") => "section".into(),
        Some("string") => "text".into(),
        Some(other) => other.into(),
        None => "any".into(),
    }
}

/// The default of a value that is left out. `below`: whether one of a section is told by the rows below it.
#[must_use]
pub fn default(node: &Value, required: bool, below: bool) -> String {
    match &node["default"] {
        _ if required => "**required**".into(),
        Value::Null => "absent".into(),
        Value::Object(_) if below => "as below".into(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// The bounds of a value. `duration`: those of a duration, where it is one.
#[must_use]
pub fn bounds(node: &Value, duration: Option<String>) -> String {
    if let Some(values) = node["enum"].as_array() {
        let values: Vec<String> = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    match node["type"].as_str() {
        Some("integer") => range(&node["minimum"], &node["maximum"], ""),
        Some("array") => range(&node["minItems"], &node["maxItems"], " items"),
        Some("object") => range(&Value::Null, &node["maxProperties"], " keys"),
        Some("string") => duration.unwrap_or_else(|| range(&node["minLength"], &node["maxLength"], " characters")),
        _ => String::new(),
    }
}

fn range(low: &Value, high: &Value, unit: &str) -> String {
    match (low.as_i64(), high.as_i64()) {
        (Some(low), Some(high)) => format!("{} to {}{unit}", grouped(low), grouped(high)),
        (None, Some(high)) => format!("at most {}{unit}", grouped(high)),
        _ => String::new(),
    }
}

/// 67,108,864.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A row of a Markdown table.
#[must_use]
pub fn row(cells: [String; 5]) -> String {
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_on_either_side_of_zero() {
        let texts = [0, 12, 1_024, -100, -9_007_199_254_740_991].map(grouped);
        assert_eq!(texts, ["0", "12", "1,024", "-100", "-9,007,199,254,740,991"]);
    }
}
