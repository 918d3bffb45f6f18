//! Events Gateway: from Kafka, through Redis, to the browsers that events are for.

pub mod backlog;
pub mod cli;
pub mod clock;
pub mod console;
pub mod dead_letters;
pub mod dev;
pub mod gateway;
pub mod http;
pub mod hub;
pub mod identity;
pub mod ingest;
pub mod metrics;
pub mod producer;
pub mod publish;
pub mod rate;
pub mod replica;
pub mod revocation;
pub mod source;
pub mod task;
pub mod telemetry;

pub use events_gateway_config as config;
