//! Views: what is left of events for those who may not have all of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{AttributeName, Expression, Label, Pointer, PointerPattern};

/// What is left of events for those who may not, or need not, have all of them: kept, dropped from that, renamed, then computed.
/// Clients ask for it with `view=NAME`; `access` says who may have which. The event as it came is the view `raw`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct View {
    /// Its name, unique; not `raw`.
    pub name: Label,
    /// JSON pointers to what stays of the data; `*` stands for each element of an array. Empty: everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub keep: Vec<PointerPattern>,
    /// JSON pointers to what goes of what is kept; `*` stands for each element of an array.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub drop: Vec<PointerPattern>,
    /// Members that get another name or place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub rename: Vec<Rename>,
    /// Members that are computed from the event as it came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub compute: Vec<Compute>,
    /// The attributes that stay. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub attributes: Option<Vec<AttributeName>>,
    /// What happens to an event of which it can't be made.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// A member that gets another name or place. Where it isn't there nothing happens; what is at the new place is replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rename {
    /// JSON pointer to where it is.
    pub from: Pointer,
    /// JSON pointer to where it goes; objects on the way are made.
    pub to: Pointer,
}

/// A member that is computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compute {
    /// JSON pointer to where it goes; objects on the way are made, what is there is replaced.
    pub to: Pointer,
    /// CEL expression over `channel`, `type`, `attributes` and `data`, all as they came.
    pub value: Expression,
}

/// What happens to an event of which a view can't be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It isn't delivered, and counted.
    #[default]
    Withhold,
    /// `gateway.failed` is delivered in its place, with the view's name and the event's type; and it is counted.
    Tell,
}
