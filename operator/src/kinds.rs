//! Which optional kinds the cluster has; they may be installed while the operator runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use events_gateway_operator_core::Kind;
use kube::Client;
use tokio::sync::watch;

/// How often the API server is asked.
const LOOKED_AT: Duration = Duration::from_secs(60);

/// Which optional kinds the cluster has.
#[derive(Clone)]
pub(crate) struct Kinds {
    known: Arc<ArcSwap<BTreeSet<Kind>>>,
    changed: watch::Sender<()>,
    client: Client,
}

impl Kinds {
    /// Asks for the first time.
    ///
    /// # Errors
    /// When the API server can't be asked.
    pub(crate) async fn find(client: Client) -> Result<Self, kube::Error> {
        let known = Arc::new(ArcSwap::from_pointee(look(&client).await?));
        Ok(Self { known, changed: watch::channel(()).0, client })
    }

    /// What was found last.
    pub(crate) fn known(&self) -> BTreeSet<Kind> {
        BTreeSet::clone(&self.known.load())
    }

    /// Tells when it changes.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Asks again and again.
    pub(crate) async fn follow(self) {
        loop {
            tokio::time::sleep(LOOKED_AT).await;
            match look(&self.client).await {
                Ok(found) if found != **self.known.load() => {
                    tracing::info!(?found, "the cluster's optional kinds changed");
                    self.known.store(Arc::new(found));
                    self.changed.send_replace(());
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "failed to ask which kinds there are"),
            }
        }
    }
}

async fn look(client: &Client) -> Result<BTreeSet<Kind>, kube::Error> {
    let mut found = BTreeSet::new();
    for kind in Kind::ALL {
        let (group, version, name, _) = kind.names();
        if !kind.is_optional() {
            found.insert(kind);
            continue;
        }
        match client.list_api_group_resources(&format!("{group}/{version}")).await {
            Ok(list) => {
                if list.resources.iter().any(|resource| resource.kind == name) {
                    found.insert(kind);
                }
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
