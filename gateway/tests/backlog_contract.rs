//! One contract suite for the backlog's ports, on memory and on real Redis servers in every mode.

#[path = "backlog_contract/agreement.rs"]
mod agreement;
#[path = "backlog_contract/durable.rs"]
mod durable;
#[path = "backlog_contract/measure.rs"]
mod measure;
#[path = "backlog_contract/modes.rs"]
mod modes;
#[path = "backlog_contract/registry.rs"]
mod registry;
#[path = "backlog_contract/servers.rs"]
mod servers;
#[path = "backlog_contract/suite.rs"]
mod suite;
#[path = "backlog_contract/world.rs"]
mod world;
