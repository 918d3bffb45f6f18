//! Logging.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Logging, to standard error.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Log {
    /// How a line is written.
    pub format: LogFormat,
    /// The least severe lines that are written.
    pub level: LogLevel,
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Something is lost or broken.
    Error,
    /// Something needs attention soon.
    Warn,
    /// What an operator wants to have seen.
    #[default]
    Info,
    /// What helps to understand.
    Debug,
    /// Everything.
    Trace,
}
