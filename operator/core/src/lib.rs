//! The operator's judgement, pure: what is wrong with a resource, what is to be built for it, which replicas drain.
//!
//! [`validate()`] takes a resource and what was found out about its surroundings and proves it; [`build()`] makes of what is
//! proven the objects that are to be, and can't fail. Nothing here asks a server, a clock or the environment.

pub mod build;
pub mod configuration;
pub mod digest;
pub mod kind;
pub mod labels;
pub mod names;
pub mod pod;
pub mod scaling;
pub mod schema;
pub mod status;
pub mod validate;

pub use build::{Objects, build};
pub use kind::Kind;
pub use pod::ReplicaPod;
pub use validate::{Surroundings, Validated, validate};
