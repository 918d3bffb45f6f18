//! Events Gateway: from Kafka, through Redis, to the browsers that events are for.

pub mod backlog;
pub mod clock;
pub mod config;
pub mod hub;
