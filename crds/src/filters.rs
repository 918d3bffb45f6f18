//! Filters by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{Expression, Label};

/// Which events a client gets that asks for `filter=NAME`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// Its name, unique.
    pub name: Label,
    /// CEL condition over `channel`, `type`, `attributes` and `data`, as the client's view leaves them. An event that it can't
    /// judge isn't delivered.
    pub when: Expression,
}
