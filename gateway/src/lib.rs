//! Events Gateway: from Kafka, through Redis, to the browsers that events are for.

pub mod backlog;
pub mod dead_letters;
pub mod ingest;
pub mod source;
