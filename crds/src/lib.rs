//! Configuration types of Events Gateway: what a configuration file may say, with bounds and defaults.
//!
//! These are raw types: they hold what was written, and their schema says what may be written. Rules that join several
//! fields, and everything that needs a file or the environment, belong to the gateway, which proves a [`Gateway`] and
//! only then uses it. The custom resource has the same sections in another [`form`], so the types keep to what structural
//! schemas of Kubernetes allow: signed integers with ranges, durations as text, bounded lists, no absent value written as
//! null. They also bear the resource's [rules](rule), which the schema of the file leaves out.

pub mod access;
pub mod admin;
pub mod aliases;
pub mod channels;
pub mod drain;
pub mod duration;
pub mod filters;
pub mod form;
pub mod forward_auth;
pub mod gateway;
pub mod identity;
pub mod kafka;
pub mod limits;
pub mod listen;
pub mod log;
pub mod publish;
pub mod rate;
pub mod redis;
pub mod reference;
pub mod replica;
pub mod revocation;
pub mod routes;
pub mod rule;
pub mod schema;
pub mod secret;
pub mod streams;
pub mod text;
pub mod views;

pub use duration::Duration;
pub use form::{Form, OnDisk};
pub use gateway::Gateway;
pub use secret::Secret;
