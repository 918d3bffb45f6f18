//! What the end-to-end suites share: a platform of real servers with gateways, traffic on it, and what its clients saw.
//!
//! Everything is seen from outside: configuration files, Kafka records, HTTP. No suite links the gateway's code.

pub mod config;
pub mod endings;
pub mod faults;
pub mod observed;
pub mod platform;
pub mod readers;
pub mod seed;
pub mod table;
pub mod token;
pub mod traffic;
pub mod turn;

pub use config::Config;
pub use platform::Platform;
pub use traffic::Traffic;
