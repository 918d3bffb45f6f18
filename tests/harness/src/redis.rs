//! Real Redis servers: alone, watched by Sentinels, and as a Cluster.

pub mod cluster;
pub mod sentinel;
pub mod server;

pub use cluster::Cluster;
pub use sentinel::Sentinel;
pub use server::{Server, Settings, Snapshot};

#[cfg(test)]
mod tests;
