//! How fast something may happen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rule::{Rule, rule};

const RULES: &[Rule] =
    &[rule("self.burst >= self.perSecond", "burst must be at least perSecond: a second's may come at once")];

/// How often something may happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = RULES))]
pub struct Rate {
    /// How many a second in the long run.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub per_second: i32,
    /// How many at once.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub burst: i32,
}
