//! `run` and `dev`.

use std::path::Path;
use std::process::ExitCode;

use tracing::level_filters::LevelFilter;

use super::{DevOptions, exit, failed, load};
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

pub(super) fn dev(options: &DevOptions) -> ExitCode {
    match prepare(options) {
        Ok((config, console)) => in_runtime(async move {
            let sample = console.sample.clone();
            tokio::spawn(crate::dev::sample::run(console.publisher.clone(), sample));
            let kafka = console.publisher.kafka().bootstrap().to_owned();
            let topic = console.publisher.topic().to_owned();
            let data = actix_web::web::Data::new(console);
            let extra: crate::gateway::Extra =
                std::sync::Arc::new(move |services| crate::console::configure(services, data.clone()));
            let gateway = Gateway::start(&config, Some(extra)).await?;
            let banner = crate::dev::Banner {
                url: &format!("http://{}", gateway.public),
                path_prefix: &config.listen.path_prefix,
                admin_url: &format!("http://{}", gateway.admin),
                kafka: &kafka,
                topic: &topic,
            };
            println!("{banner}");
            gateway.run().await
        }),
        Err(code) => code,
    }
}

/// The in-process Kafka with its topics, the configuration that reads them, and the page's state.
fn prepare(options: &DevOptions) -> Result<(Config, crate::console::Console), ExitCode> {
    use std::sync::Arc;

    use crate::dev::{Kafka, Publisher, Sample};

    let kafka = Kafka::start(&[("events", 4), ("commands", 1)]).map_err(|error| failed(&error))?;
    let mut environment = crate::config::environment();
    environment.insert("EVENTS_GATEWAY__LISTEN__PORT".into(), options.port.to_string());
    environment.insert("EVENTS_GATEWAY__ADMIN__PORT".into(), options.admin_port.to_string());
    let rules = &crate::gateway::rules::routes_compile;
    let config = crate::config::dev::config(kafka.bootstrap(), &environment, rules)
        .map_err(|problems| super::tell(&"dev", &problems))?;
    log(&config).map_err(|error| failed(&error))?;
    let console = crate::console::Console {
        path_prefix: config.listen.path_prefix.clone(),
        admin_url: format!("http://{}", config.admin.address),
        commands: Some("commands".to_owned()),
        publisher: Arc::new(Publisher::new(kafka, "events", config.kafka.max_record_bytes.get())),
        sample: Arc::new(Sample::new(if options.no_sample { 0 } else { 4 })),
        types: Arc::default(),
    };
    Ok((config, console))
}

fn in_runtime(gateway: impl Future<Output = Result<Ending, GatewayError>>) -> ExitCode {
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

fn log(config: &Config) -> Result<(), telemetry::TelemetryError> {
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
