//! Aliases: paths of existing frontends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rule::{Rule, rule};
use crate::text::{AliasChannel, AliasParameterName, AliasPath, AttributeName, Label};

/// A path at which an existing frontend connects, and what it stands for: its requests are rewritten before anybody's rights are
/// judged, and it carries none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alias {
    /// The whole path, unique, none of the gateway's own; a `/` at its end counts. Segments in braces are values:
    /// `/api/events/users/{user}`.
    pub path: AliasPath,
    /// What is served there.
    #[serde(default)]
    pub serves: Serves,
    /// The channels, whose segments may be values of the path: `user:{user}`. With parameters that name channels they are added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12), extend("x-kubernetes-list-type" = "set"))]
    pub channels: Vec<AliasChannel>,
    /// The parameters of its query, beside those that say who asks. Others are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub parameters: Vec<AliasParameter>,
    /// The view that is asked for. Absent: the client's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<Label>,
    /// How events are written.
    #[serde(default)]
    pub format: AliasFormat,
    /// Whether events bear their types in the stream. Without, a page hears all of them as `message`.
    #[serde(default = "yes")]
    pub event_names: bool,
}

const PARAMETER_RULES: &[Rule] = &[
    rule("has(self.attributes) == (self.is == 'attributes')", "attributes goes with is: attributes, and only with it"),
    rule("has(self.channel) == (self.is == 'channels')", "channel goes with is: channels, and only with it"),
];

/// What a parameter of an alias means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = PARAMETER_RULES))]
pub struct AliasParameter {
    /// Its name.
    pub name: AliasParameterName,
    /// What it means.
    pub is: AliasMeaning,
    /// The attributes of which one has to have one of the values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub attributes: Vec<AttributeName>,
    /// The channel that each value makes: `process:{value}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<AliasChannel>,
}

/// What a parameter means. Lists are joined by commas; an empty value counts as none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AliasMeaning {
    /// Only events of these types; `*` stands for any run of characters.
    Types,
    /// Only events of which one of `attributes` has one of these values.
    Attributes,
    /// Each makes a channel.
    Channels,
    /// Where the client stands, as `Last-Event-ID` says it.
    Cursor,
    /// Nothing.
    Ignored,
}

/// What an alias serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Serves {
    /// An event stream.
    #[default]
    Events,
    /// A WebSocket whose messages are the events' data, as they are; nothing is asked over it. It doesn't resume.
    Websocket,
}

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AliasFormat {
    /// Their data as it came, or as the view leaves it.
    #[default]
    Data,
    /// JSON with channel, type, time, attributes, id, data.
    Envelope,
    /// A structured CloudEvent.
    Cloudevents,
}

fn yes() -> bool {
    true
}
