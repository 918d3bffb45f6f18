//! Kubernetes as processes, built by `tests/tools/install`: a control plane, nodes, and clients of it.
//!
//! This is a crate of its own so that no other suite compiles kube.

pub mod api;
pub mod condition;
pub mod control_plane;
pub mod helm;
pub mod kubectl;
pub mod namespace;
pub mod program;
mod run;
pub mod simulated_nodes;

pub use api::{Answer, Api};
pub use control_plane::ControlPlane;
pub use helm::Helm;
pub use kubectl::Kubectl;
pub use namespace::Namespace;
pub use simulated_nodes::SimulatedNodes;
