//! What is in force: the configuration with its defaults and overrides, fit to be printed.

use super::Config;

impl Config {
    /// The whole configuration as YAML: defaults filled in, overrides applied, inline secrets replaced by `[redacted]`. Read
    /// again it gives the same configuration, but for those secrets.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        // Plain structs, texts, numbers and lists into a string: nothing here can fail.
        serde_saphyr::to_string(&self.raw.redacted()).expect("plain values are written as YAML")
    }
}

/// JSON Schema (2020-12) of the configuration file, for editors.
#[must_use]
pub fn json_schema() -> String {
    let mut text = format!("{:#}", events_gateway_crds::schema::gateway());
    text.push('\n');
    text
}
