//! What the operator sees to in Kafka: consumer groups, their lag, settings and offsets, and topics.
//!
//! Plain values in and out: nothing here knows of Kubernetes or of resources. Whoever calls has a [`Client`] (where the brokers
//! are, and as whom) and gets a shared [`Cluster`] for it from [`Clusters`]; every call of a cluster is bounded in time, may be
//! dropped, and fails with a [`KafkaError`] whose [`category`](KafkaError::category) is stable.
//!
//! | question | call |
//! |---|---|
//! | who is in these groups, and in what state are they? | [`Cluster::groups`] |
//! | how far behind are they? | [`Cluster::lag`] |
//! | has a group the settings that are wanted (KIP-848)? | [`Cluster::settings_drift`], [`Cluster::set_settings`] |
//! | are the topics there, with enough partitions? | [`Cluster::topics`], [`topics::plan`], [`Cluster::apply_topics`] |
//! | let groups begin elsewhere | [`Cluster::plan_reset`], [`Cluster::apply_reset`] |
//!
//! **What a cluster costs.** One instance of librdkafka for each [`Client`], however many resources share it, with a thread for
//! each broker that it knows and a handful more. It connects only to brokers that it has to ask, once to each: coordinators,
//! leaders, the controller; and once more to an address to begin with that is none of theirs. Twenty resources of one broker
//! made one connection (measured). It never joins a group, fetches or produces a record.

mod client;
pub mod cluster;
pub mod clusters;
pub mod error;
pub mod group;
pub mod lag;
mod native;
pub mod reset;
pub mod settings;
pub mod topics;

pub use cluster::Cluster;
pub use clusters::{Clusters, Limits};
pub use error::KafkaError;
pub use events_gateway_kafka_client::{oauth, options};
pub use group::{Group, Protocol, State};
pub use lag::{GroupLag, PartitionLag};
pub use options::Client;
