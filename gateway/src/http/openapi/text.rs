//! Texts of one form each, as regular expressions that ECMA 262, RE2 and Python read alike.
//!
//! A schema counts characters where the gateway counts bytes: a bound is exact for ASCII.

use std::borrow::Cow;

use events_gateway_core::channel::MAX_CHANNEL_BYTES;
use events_gateway_core::envelope::{MAX_ATTRIBUTE_NAME_BYTES, MAX_TYPE_BYTES};
use events_gateway_core::event::RESERVED_TYPE_PREFIX;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

/// Control characters, as a part of a class.
const CONTROL: &str = r"\x00-\x1f\x7f-\x9f";

/// A part of a channel between two `:`: an escape stands for a byte that may not stand for itself.
const SEGMENT: &str = "([A-Za-z0-9_.-]|~(0[0-9A-F]|1[0-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-F]|[89A-F][0-9A-F]))+";

/// A channel where one is read or written: its type knows no schemas.
pub(in crate::http) enum ChannelName {}

impl JsonSchema for ChannelName {
    fn schema_name() -> Cow<'static, str> {
        "Channel".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        channel().try_into().unwrap_or_default()
    }
}

/// A channel's name.
pub(in crate::http) fn channel() -> Value {
    json!({ "type": "string", "pattern": format!("^{}$", channel_pattern()), "maxLength": MAX_CHANNEL_BYTES })
}

fn channel_pattern() -> String {
    format!("{SEGMENT}(:{SEGMENT})*")
}

/// Between one and so many channels, by commas.
pub(in crate::http) fn list(most: usize) -> Value {
    let channel = channel_pattern();
    let further = most.saturating_sub(1);
    let short = format!("[^,]{{1,{MAX_CHANNEL_BYTES}}}");
    json!({
        "type": "string",
        "pattern": format!("^{channel}(,{channel}){{0,{further}}}$"),
        "allOf": [{ "pattern": format!("^{short}(,{short})*$") }],
    })
}

/// Between one and so many texts of so many characters, by commas: `\,` is a comma, `\\` a backslash.
pub(in crate::http) fn list_of(most: usize, characters: usize) -> Value {
    let text = format!(r"([^,\\{CONTROL}]|\\[,\\]){{1,{characters}}}");
    let further = most.saturating_sub(1);
    json!({ "type": "string", "pattern": format!("^{text}(,{text}){{0,{further}}}$") })
}

/// Between one and so many texts of whatever length, by commas: `\,` is a comma, `\\` a backslash.
pub(in crate::http) fn list_of_values(most: usize) -> Value {
    let text = r"([^,\\]|\\[,\\])+";
    let further = most.saturating_sub(1);
    json!({ "type": "string", "pattern": format!("^{text}(,{text}){{0,{further}}}$") })
}

/// What has this schema, or nothing.
pub(in crate::http) fn or_empty(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "const": "" }] })
}

/// A text of so many characters.
pub(in crate::http) fn text(least: usize, most: usize) -> Value {
    json!({ "type": "string", "minLength": least, "maxLength": most })
}

/// The value of a CloudEvent's field: printable ASCII, percent-encoded or not, as it is or as a quoted string.
pub(in crate::http) fn cloud_event_field(most: usize) -> Value {
    let encoded = "%(2[1-9A-Fa-f]|[3-6][0-9A-Fa-f]|7[0-9A-Ea-e])";
    let quoted = format!(r#""([!#$&-\[\]-~]|\\[!-$&-~]|{encoded}){{1,{most}}}""#);
    let plain = format!(r#"([!#$&-~]|{encoded})([!-$&-~]|{encoded}){{0,{}}}"#, most.saturating_sub(1));
    json!({ "type": "string", "pattern": format!("^({plain}|{quoted})$") })
}

/// An event's type.
pub(in crate::http) fn event_type() -> Value {
    json!({
        "type": "string",
        "pattern": format!(r"^[^\s{CONTROL}]([^{CONTROL}]*[^\s{CONTROL}])?$"),
        "maxLength": MAX_TYPE_BYTES,
        "not": { "type": "string", "pattern": format!("^{}", RESERVED_TYPE_PREFIX.replace('.', r"\.")) },
    })
}

/// The name of an attribute.
pub(in crate::http) fn attribute_name() -> String {
    format!("[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{}}}", MAX_ATTRIBUTE_NAME_BYTES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use events_gateway_core::Channel;
    use proptest::prelude::*;

    fn holds(schema: &Value, text: &str) -> bool {
        jsonschema::validator_for(schema).unwrap().is_valid(&json!(text))
    }

    proptest! {
        #[test]
        fn the_pattern_of_a_channel_says_what_a_channel_is(name in "[a-c0:~._F23D -]{0,12}|[a-z]{190,210}") {
            prop_assert_eq!(holds(&channel(), &name), Channel::parse(&name).is_ok());
        }
    }

    #[test]
    fn every_escape_of_a_channel_is_described() {
        let schema = channel();
        for byte in 0..=u8::MAX {
            let name = format!("a~{byte:02X}");
            assert_eq!(holds(&schema, &name), Channel::parse(&name).is_ok(), "{name}");
        }
    }
}
