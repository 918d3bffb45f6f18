//! `run`.

use std::path::Path;
use std::process::ExitCode;

use tracing::level_filters::LevelFilter;

use super::{exit, failed, load};
use crate::config::{Config, LogFormat, LogLevel};
use crate::gateway::{Gateway, GatewayError};
use crate::replica::drain::Ending;
use crate::telemetry;

pub(super) fn run(path: &Path) -> ExitCode {
    let config = match load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if let Err(error) = log(&config) {
        return failed(&error);
    }
    in_runtime(async move { Gateway::start(&config, None).await?.run().await })
}

/// Runs a gateway to its end; the exit code tells how that was.
pub(super) fn in_runtime(gateway: impl Future<Output = Result<Ending, GatewayError>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let ending = runtime.block_on(gateway);
    // What still hangs (a client library's thread, a call without an answer) keeps nobody from ending.
    runtime.shutdown_background();
    match ending {
        Ok(Ending::Drained(_)) => ExitCode::SUCCESS,
        Ok(Ending::Aborted) => ExitCode::from(exit::ABORTED),
        Err(GatewayError::Config(problems)) => {
            eprintln!("the configuration has problems:\n{problems}");
            ExitCode::from(exit::CONFIGURATION)
        }
        Err(error) => failed(&error),
    }
}

pub(super) fn log(config: &Config) -> Result<(), telemetry::TelemetryError> {
    let options = telemetry::Options {
        format: match config.log.format {
            LogFormat::Json => telemetry::LogFormat::Json,
            LogFormat::Text => telemetry::LogFormat::Text,
        },
        level: match config.log.level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        },
    };
    telemetry::init(&options, std::env::var("RUST_LOG").ok().as_deref())
}
