//! A server that stands between a client and an API server and answers some requests otherwise: refuses, is silent, is late,
//! cuts. All others are answered by the real one, so nothing about it is imitated.

mod exchange;
mod fault;
mod request;
mod rule;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};
use events_gateway_harness::directory::Directory;
use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::{JoinHandle, JoinSet};

use crate::control_plane::read_kubeconfig;

pub use fault::{Blow, Fault};
pub use rule::Rule;

use rule::{Pattern, Rules};

/// Blows that open streams may lag behind.
const BLOWS: usize = 64;

/// An API server with faults. Dropping it cuts all connections.
#[derive(Debug)]
pub struct FaultyApi {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    kubeconfig: PathBuf,
    _directory: Directory,
}

/// What connections share.
pub(crate) struct Shared {
    client: Client,
    rules: Rules,
    asked: Mutex<Vec<Asked>>,
    blows: broadcast::Sender<(Pattern, Blow)>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`.
    pub verb: &'static str,
    /// Without the query.
    pub path: String,
    /// When.
    pub at: Instant,
}

impl FaultyApi {
    /// Starts one in front of the API server of a kubeconfig. Whoever asks it asks as that kubeconfig's user.
    ///
    /// # Errors
    /// When the kubeconfig can't be read or no port can be bound.
    pub async fn start(kubeconfig: &Path) -> Result<Self> {
        // An error says that there is a provider already: the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(read_kubeconfig(kubeconfig)?, &options).await;
        let mut config = config.context("failed to read the kubeconfig")?;
        // What the server answers is passed on as it is.
        config.default_retry = false;
        let client = Client::try_from(config).context("failed to make a client")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("failed to bind a port")?;
        let address = listener.local_addr().context("failed to ask for the port")?;
        let directory = Directory::new("faulty-api")?;
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: \"http://{address}\"}}}}]\n\
             users: [{{name: test, user: {{}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: test, namespace: default}}}}]\n"
        );
        let kubeconfig = directory.write("faulty.kubeconfig", &text)?;
        let blows = broadcast::channel(BLOWS).0;
        let shared = Arc::new(Shared { client, rules: Rules::default(), asked: Mutex::default(), blows });
        let served = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let shared = Arc::clone(&served);
                // Who is cut off, or ends, says so by itself.
                connections.spawn(async move { drop(exchange::serve(socket, &shared).await) });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { shared, task, kubeconfig, _directory: directory })
    }

    /// A kubeconfig that leads here.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// From now on answers requests otherwise, until what is returned is dropped. `verbs`: separated by spaces, or `*`;
    /// `path`: without the query, with `*` for any text. Of several rules the last one counts.
    pub fn on(&self, verbs: &str, path: &str, fault: Fault) -> Rule {
        self.shared.rules.add(Pattern::new(verbs, path), fault, usize::MAX)
    }

    /// The same of the first `times` requests only.
    pub fn on_first(&self, times: usize, verbs: &str, path: &str, fault: Fault) -> Rule {
        self.shared.rules.add(Pattern::new(verbs, path), fault, times)
    }

    /// Does something to all watches that are open on a path.
    pub fn strike(&self, path: &str, blow: Blow) {
        // Nobody watching is nobody to strike.
        let _ = self.shared.blows.send((Pattern::new("watch", path), blow));
    }

    /// The requests that came, in their order.
    #[must_use]
    pub fn asked(&self, verbs: &str, path: &str) -> Vec<Asked> {
        let pattern = Pattern::new(verbs, path);
        let asked = self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|one| pattern.covers(one.verb, &one.path)).cloned().collect()
    }
}

impl Drop for FaultyApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}
