//! The test house: real servers, strict clients, and a checker of what the clients saw.
//!
//! Every server runs as a child process on loopback, in a directory of its own, and dies with the test that started it,
//! also when that test is killed. Nothing here is shared with the gateway: its parser and its checker are independent,
//! so that an error of the gateway isn't mirrored by the tests.

pub mod browser;
pub mod certificates;
pub mod directory;
pub mod gateway;
pub mod http;
pub mod kafka;
pub mod ledger;
pub mod link;
pub mod load_balancer;
pub mod metrics;
pub mod port;
pub mod process;
pub mod redis;
pub mod session_service;
pub mod sse;
pub mod token_endpoint;
pub mod tools;
pub mod wait;
pub mod websocket;

pub use browser::Browser;
pub use gateway::Gateway;
pub use kafka::Kafka;
pub use ledger::Ledger;
pub use link::Link;
pub use load_balancer::LoadBalancer;
pub use process::Process;
pub use session_service::SessionService;
pub use token_endpoint::TokenEndpoint;
pub use websocket::WebSocket;
