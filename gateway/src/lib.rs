//! Events Gateway: from Kafka, through Redis, to the browsers that events are for.

pub mod backlog;
pub mod clock;
pub mod config;
pub mod hub;
pub mod http;
pub mod hub;
pub mod metrics;
pub mod replica;
pub mod task;
pub mod telemetry;
pub mod dead_letters;
pub mod ingest;
pub mod source;
