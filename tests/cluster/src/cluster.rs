//! A control plane with a node that runs pods.

use anyhow::{Context as _, Result};

use crate::control_plane::{ControlPlane, Settings};
use crate::node::Node;

/// A whole cluster on this machine. Needs root. Dropping it ends it without a trace.
///
/// This machine reaches the addresses of its pods and of its Services. Its pods reach servers on this machine that listen
/// on [`Node::host`], and the API server by the Service `kubernetes`; nothing else, and no names: there is no DNS.
#[derive(Debug)]
pub struct Cluster {
    /// Its control plane, which may be stopped and started.
    pub control_plane: ControlPlane,
    /// Its node.
    pub node: Node,
}

impl Cluster {
    /// Starts one and waits until its node is ready.
    ///
    /// # Errors
    /// When not root, when programs are missing, or when anything doesn't come up.
    pub async fn start() -> Result<Self> {
        Self::with(&Settings::default()).await
    }

    /// [`Cluster::start`] with users and arguments. Its controllers run in any case, at addresses of its own.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn with(settings: &Settings) -> Result<Self> {
        let mut node = Node::prepare().await?;
        let settings = Settings { controllers: true, network: node.network(), ..settings.clone() };
        let control_plane = ControlPlane::with(&settings).await?;
        node.join(&control_plane).await.with_context(|| node.logs())?;
        Ok(Self { control_plane, node })
    }

    /// The ends of all logs, for a message about what didn't happen.
    #[must_use]
    pub fn logs(&self) -> String {
        format!("{}\n{}", self.control_plane.logs(), self.node.logs())
    }
}
