//! The configuration of `events-gateway dev`: everything in one process, reached only from this machine.

use super::{Config, Environment, Problems, parse};

/// The file that `dev` behaves as if it had read.
pub const YAML: &str = include_str!("dev.yaml");

/// The configuration of `dev`, with the address of its Kafka. The environment's overrides apply.
pub fn config(kafka_bootstrap: &str, environment: &Environment) -> Result<Config, Problems> {
    let mut environment = environment.clone();
    environment.insert("EVENTS_GATEWAY__KAFKA__BOOTSTRAP".into(), kafka_bootstrap.into());
    parse(YAML, &environment)
}
