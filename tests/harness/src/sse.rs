//! Clients of Server-Sent Events, written from the WHATWG text and sharing no code with the gateway.

pub mod client;
pub mod crowd;
pub mod parser;

pub use client::{Client, Connection, Options};
pub use crowd::Crowd;
pub use parser::{Event, Parser};
