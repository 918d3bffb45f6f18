//! The gateway on a real Kafka broker: protocols, rights, offsets, dead letters, handing over.

mod dead_letters;
mod handing_over;
mod lab;
mod offsets;
mod protocol;
mod security;
mod starts;
