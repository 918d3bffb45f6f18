//! What `events-gateway dev` brings along: a Kafka in this process, sample traffic, and the words it prints at its start.
//!
//! All of it is bound to loopback, keeps what it holds in memory, and is for trying things out.

pub mod banner;
mod door;
mod kafka;
mod publisher;
pub mod sample;

pub use banner::Banner;
pub use kafka::{Kafka, KafkaError, Produced};
pub use publisher::{PublishError, Published, Publisher, SEQUENCE_ATTRIBUTE};
pub use sample::Sample;
