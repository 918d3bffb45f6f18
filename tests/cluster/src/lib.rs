//! Kubernetes as processes, built by `tests/tools/install`: a control plane, nodes, and clients of it.
//!
//! This is a crate of its own so that no other suite compiles kube.

pub mod api;
pub mod cluster;
pub mod condition;
pub mod control_plane;
pub mod definitions;
pub mod faulty_api;
pub mod gateways;
pub mod helm;
pub mod image;
pub mod kubectl;
pub mod metrics_api;
pub mod namespace;
pub mod node;
pub mod operator;
pub mod program;
mod run;
pub mod simulated_nodes;
pub mod traefik;

pub use api::{Answer, Api};
pub use cluster::Cluster;
pub use control_plane::ControlPlane;
pub use definitions::Family;
pub use faulty_api::FaultyApi;
pub use helm::Helm;
pub use image::Image;
pub use kubectl::Kubectl;
pub use metrics_api::MetricsApi;
pub use namespace::Namespace;
pub use node::Node;
pub use operator::Operator;
pub use simulated_nodes::SimulatedNodes;
pub use traefik::Traefik;
