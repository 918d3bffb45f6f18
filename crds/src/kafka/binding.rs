//! A binding: topics that are read by one consumer group as one kind of message.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::duration::{format_millis, parse_millis};
use crate::rule::{Rule, rule};
use crate::text::{Identifier, Label, Topic};

const RULES: &[Rule] = &[rule("self.topics.all(t, t != '.' && t != '..')", "'.' and '..' are no names of topics")];

/// Topics that are read by one consumer group as one kind of message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Binding {
    /// Its name, unique. Positions are remembered under it: renaming it makes the records new ones.
    pub name: Label,
    /// The topics; no other binding may read them.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub topics: Vec<Topic>,
    /// The consumer group, unique. Absent: `events-gateway-` and the binding's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<Identifier>,
    /// How many members of the group each replica is. More help only where one can't keep up.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 16))]
    pub consumers: i32,
    /// What the records are.
    #[serde(default)]
    pub kind: Kind,
    /// The route that makes events, or commands, of the records. Absent: the default envelope and CloudEvents are recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Label>,
    /// Where a group begins that has never committed.
    #[serde(default)]
    pub start: Start,
    /// Whether records of transactions are read before these are committed.
    #[serde(default)]
    pub isolation: Isolation,
}

fn one() -> i32 {
    1
}

/// What records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something happened; subscribers receive it.
    #[default]
    Events,
    /// Something is to be done: `disconnect` or `connect` channels.
    Commands,
}

/// Whether records of open transactions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Only what is committed.
    #[default]
    ReadCommitted,
    /// Everything, aborted transactions too.
    ReadUncommitted,
}

/// Where a group begins that has never committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// At the oldest record.
    Earliest,
    /// After the newest record.
    #[default]
    Latest,
    /// Nowhere: the binding rests and says so, until offsets are committed by hand.
    Error,
    /// At the first record younger than this, in milliseconds.
    Ago(i64),
}

impl Start {
    /// Reads `earliest`, `latest`, `error` or `2h ago`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "earliest" => Some(Self::Earliest),
            "latest" => Some(Self::Latest),
            "error" => Some(Self::Error),
            _ => text.strip_suffix(" ago").and_then(|age| parse_millis(age).ok()).map(Self::Ago),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Latest => f.write_str("latest"),
            Self::Error => f.write_str("error"),
            Self::Ago(millis) => write!(f, "{} ago", format_millis(*millis)),
        }
    }
}

impl Serialize for Start {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected a start position"))
    }
}

impl JsonSchema for Start {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Start".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "x-meanings": [
                "`earliest`: At the oldest record.",
                "`latest`: After the newest record.",
                "`error`: Nowhere: the binding rests and says so, until offsets are committed by hand.",
                "`2h ago`: At the first record younger than that.",
            ],
            "pattern": "^(earliest|latest|error|([0-9]{1,9}(ms|s|m|h))+ ago)$",
            "maxLength": 36,
            "x-kind": "start",
            "x-expected": "earliest, latest, error or a duration ago such as 2h ago",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_positions_read_back_as_written() {
        for text in ["earliest", "latest", "error", "2h ago", "1h30m ago"] {
            assert_eq!(Start::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "ago", " ago", "2h", "2h  ago", "first"] {
            assert_eq!(Start::parse(text), None, "{text}");
        }
    }
}
