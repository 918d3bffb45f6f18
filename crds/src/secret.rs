//! Where a secret comes from. The secret itself belongs into a file or an environment variable.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{FilePath, VariableName};

/// What is shown instead of a secret.
pub const REDACTED: &str = "[redacted]";

/// Where a secret comes from: exactly one of `file`, `env` and `value`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(extend("x-kind" = "secret"))]
pub struct Secret {
    /// Path of a file that holds it; one line end at its end doesn't count. At most 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FilePath>,
    /// Name of an environment variable that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<VariableName>,
    /// The secret itself. Only for development: whoever reads the file knows it. Never printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub value: Option<String>,
}

impl Secret {
    /// The same source, an inline value replaced by [`REDACTED`].
    #[must_use]
    pub fn redacted(&self) -> Self {
        Self { value: self.value.as_ref().map(|_| REDACTED.into()), ..self.clone() }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_ref().map(|_| REDACTED);
        f.debug_struct("Secret").field("file", &self.file).field("env", &self.env).field("value", &value).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inline_secret_is_never_shown() {
        let secret = Secret { value: Some("hunter2".into()), ..Secret::default() };
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert_eq!(secret.redacted().value.as_deref(), Some(REDACTED));
    }
}
