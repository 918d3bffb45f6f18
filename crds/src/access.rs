//! Who may do what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rule::{Rule, rule};
use crate::text::{AccessPattern, ClaimText, Label};

/// Who may do what. Denied is what no rule grants. Absent, and without `identity`: whoever reaches the public listener may do
/// everything.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Access {
    /// The rights of a client are those of all rules that are for it.
    #[schemars(length(max = 64))]
    pub rules: Vec<AccessRule>,
}

const RULES: &[Rule] = &[rule(
    "self.to == 'subjects' || (!has(self.issuer) && !has(self.claims))",
    "issuer and claims go only with to: subjects: who has no token has neither",
)];

/// What some clients may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct AccessRule {
    /// For whom it is.
    #[serde(default)]
    pub to: AccessTo,
    /// Only for subjects of this issuer. Absent: of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<ClaimText>,
    /// Only for subjects whose tokens say so: JSON pointers (RFC 6901) into the claims, such as `/realm_access/roles`, and the text
    /// that stands there, by itself or among the elements of an array.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub claims: BTreeMap<String, ClaimText>,
    /// Channels that may be subscribed to. `all` is granted by its name only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub subscribe: Vec<AccessPattern>,
    /// The views by which these may be had, `raw` for the events as they came; the first is what a client gets that names none.
    /// Empty: `raw`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 17))]
    pub views: Vec<Label>,
    /// Channels whose past may be read: by a cursor, or from the earliest event on. They have to be granted by `subscribe` as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub replay: Vec<AccessPattern>,
    /// Channels that may be published to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub publish: Vec<AccessPattern>,
    /// Channels whose subscribers may be counted, as far as they are granted by `subscribe` as well. Any entry opens
    /// `{pathPrefix}/events/stats`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub stats: Vec<AccessPattern>,
}

/// For whom a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AccessTo {
    /// Whoever has proven who they are.
    #[default]
    Subjects,
    /// Everybody, also those who haven't.
    Everyone,
}
