//! Logs: structured, to standard error.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// How a line is written.
    pub format: LogFormat,
    /// The least severe lines that are written.
    pub level: LevelFilter,
}

impl Default for Options {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: LevelFilter::INFO }
    }
}

/// Why logging can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The variable `RUST_LOG` isn't a filter.
    #[error("failed to read RUST_LOG")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Logging was set up before.
    #[error("failed to set up logging")]
    Set(#[from] TryInitError),
}

/// Libraries that log as errors what any client can bring about, or every step that they take.
const QUIETER: [&str; 4] = ["actix_http=off", "actix_server=warn", "mio=warn", "rustls=warn"];

/// Sets logging up, once per process. `directives`: the content of `RUST_LOG`, which adds to the configured level.
pub fn init(options: &Options, directives: Option<&str>) -> Result<(), TelemetryError> {
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter(options.level, directives)?).with_writer(std::io::stderr);
    match options.format {
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
        LogFormat::Text => builder.with_ansi(false).finish().try_init()?,
    }
    Ok(())
}

fn filter(level: LevelFilter, directives: Option<&str>) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    let filter = QUIETER
        .iter()
        .map(|directive| directive.parse().expect("constant directives are well-formed"))
        .fold(EnvFilter::default().add_directive(level.into()), EnvFilter::add_directive);
    directives
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
        .try_fold(filter, |filter, directive| {
            Ok(filter.add_directive(tracing_subscriber::filter::Directive::from_str(directive)?))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_add_to_the_level_and_override_the_quieter_libraries() {
        let text = filter(LevelFilter::INFO, Some("actix_http=debug, events_gateway=trace")).unwrap().to_string();
        for part in ["info", "actix_http=debug", "events_gateway=trace", "mio=warn"] {
            assert!(text.split(',').any(|known| known == part), "{text}");
        }
        assert!(!text.contains("actix_http=off"));
    }

    #[test]
    fn what_is_no_directive_is_refused() {
        assert!(filter(LevelFilter::INFO, Some("events_gateway=loud")).is_err());
    }
}
