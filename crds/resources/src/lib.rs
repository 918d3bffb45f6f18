//! The custom resources of Events Gateway, group `eventsgateway.dev`.
//!
//! The sections that a gateway reads from its configuration file are the same Rust types here, in the [form] of a
//! resource: secrets and files are references to Secrets of the resource's own namespace, authorities to trust to Secrets or
//! ConfigMaps. What only the operator reads stands beside them. [`definition`] makes the CustomResourceDefinitions; `crds/*.yaml` are its output.
//!
//! This is a crate of its own, and no feature of `events-gateway-crds`, so that no build of the gateway compiles kube: a
//! feature would be switched on for everybody in builds of the whole workspace.

// kube's printer columns name the same keys, each for itself.
#![allow(clippy::duplicated_attributes)]

pub mod condition;
pub mod definition;
pub mod form;
pub mod gateway;
pub mod metadata;
pub mod offset_reset;
pub mod structural;
pub mod text;

pub use condition::Condition;
pub use form::InCluster;
pub use gateway::{EventsGateway, EventsGatewaySpec, EventsGatewayStatus};
pub use offset_reset::{EventsGatewayOffsetReset, EventsGatewayOffsetResetSpec, EventsGatewayOffsetResetStatus};
