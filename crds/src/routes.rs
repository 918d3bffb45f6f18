//! Routes: how records that aren't in the default envelope become events.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{Expression, Label, Template};

/// A named list of rules; the first whose condition holds makes the event. A record that no rule takes is unroutable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Its name, unique; bindings refer to it.
    pub name: Label,
    /// Tried in order.
    #[schemars(length(min = 1, max = 32))]
    pub rules: Vec<Rule>,
}

/// How a record becomes an event. Templates are texts with references in braces: `{key}`, `{topic}`, `{time}`, `{header.NAME}`,
/// `{value}` (the whole value) and `{value./json/pointer}`; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// CEL condition over `key`, `headers`, `topic` and `value`; the rule is taken where it is true. Absent: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Expression>,
    /// Templates of the channels that the event is for. What a reference finds fills exactly one
    /// segment; `{value./to/*}` makes one channel of each element of a list.
    #[schemars(length(min = 1, max = 64))]
    pub channels: Vec<Template>,
    /// Template of the event's type. Absent: `message`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Template>,
    /// What subscribers receive: `{value}` (the default) or a part of it such as `{value./payload}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Template>,
    /// Template of the event's key, which the overflow policy `latest-per-key` compares. Absent: the record's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Template>,
    /// Template of the event's id, by which repeats are told. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Template>,
    /// Template of the event's time: RFC 3339 or milliseconds since 1970. Absent: the record's timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Template>,
    /// Templates of further values, by name.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 64))]
    pub attributes: BTreeMap<String, Template>,
}
