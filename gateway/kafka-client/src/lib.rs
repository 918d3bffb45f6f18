//! How Kafka is reached, as a client of it: encryption, authentication, and which settings of librdkafka may be given.
//!
//! The gateway consumes and produces with it, the operator administers with it: one place decides what whoever writes a
//! configuration may make them do.

pub mod https;
pub mod log;
pub mod oauth;
pub mod options;
