//! Routes: how records that aren't in the default envelope become events.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{Expression, Label, Template};

/// A named list of rules; the first whose condition holds makes the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Its name, unique; bindings refer to it.
    pub name: Label,
    /// Tried in order.
    #[schemars(length(min = 1, max = 32))]
    pub rules: Vec<Rule>,
    /// What becomes of a record that no rule takes.
    #[serde(default)]
    pub otherwise: Otherwise,
}

/// What becomes of a record that no rule takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    /// It goes to the dead letters as unroutable.
    #[default]
    DeadLetter,
    /// It is not for browsers: skipped, and counted.
    Skip,
}

/// How a record becomes an event. Templates hold placeholders in braces: `{key}`, `{topic}`, `{header.NAME}`,
/// `{value./json/pointer}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// CEL condition; the rule is taken where it is true. Absent: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Expression>,
    /// Templates of the channels that the event is for. A value fills exactly one segment.
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
    #[schemars(extend("maxProperties" = 32))]
    pub attributes: BTreeMap<String, Template>,
}
