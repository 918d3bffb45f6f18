//! How the API server is asked: never for longer than it could take, and without trying again by itself.

use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::{Client, Config};

/// How long a call may be silent: admission webhooks may take 30 s.
const CALL: Duration = Duration::from_secs(35);
/// How long a watch may be silent: the API server sends a bookmark every minute. A list is silent no longer than that either.
const WATCH: Duration = Duration::from_secs(90);

/// Clients of the API server.
#[derive(Clone)]
pub(crate) struct Clients {
    /// For calls, each with one answer.
    pub(crate) calls: Client,
    /// For lists and watches.
    pub(crate) watches: Client,
}

impl Clients {
    /// Clients of the cluster that the operator runs in, or that the kubeconfig names.
    ///
    /// # Errors
    /// When there is neither.
    pub(crate) async fn find() -> Result<Self> {
        let config = Config::infer().await.context("failed to find the cluster")?;
        Ok(Self { calls: client(config.clone(), CALL)?, watches: client(config, WATCH)? })
    }
}

/// kube's own retries are off: they hold a pass, and its turn, for minutes, or for as long as `Retry-After` says. What failed
/// is tried again by passes, later and later, and told meanwhile.
fn client(mut config: Config, silence: Duration) -> Result<Client> {
    config.default_retry = false;
    config.read_timeout = Some(silence);
    config.reset_reader_on_write = true;
    Client::try_from(config).context("failed to make a client of the cluster")
}
