//! Kubernetes as processes: etcd and the API server, built by `tests/tools/install`, without a node.
//!
//! This is a crate of its own so that no other suite compiles kube.

pub mod api;
pub mod control_plane;

pub use api::{Answer, Api};
pub use control_plane::ControlPlane;
