//! Rules that join several fields, as the API server of Kubernetes checks them. The gateway proves the same ones in code.

use serde::Serialize;

/// The keyword of a schema that holds rules.
pub const KEYWORD: &str = "x-kubernetes-validations";

/// A CEL expression over `self` (the object that it stands on) that must be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The expression. Optional fields are absent, never null: ask with `has`.
    pub rule: &'static str,
    /// What to do where it is false.
    pub message: &'static str,
}

/// A rule and what to do where it is false.
#[must_use]
pub const fn rule(rule: &'static str, message: &'static str) -> Rule {
    Rule { rule, message }
}
