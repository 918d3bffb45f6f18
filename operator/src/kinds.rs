//! Which optional kinds the cluster has; they may be installed while the operator runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use events_gateway_operator_core::Kind;
use kube::Client;
use tokio::sync::watch;

use crate::words::words;

/// How often the API server is asked.
const LOOKED_AT: Duration = Duration::from_secs(60);
/// How soon again when it couldn't tell of all.
const AGAIN: Duration = Duration::from_secs(5);

/// Which optional kinds the cluster has.
#[derive(Clone)]
pub(crate) struct Kinds {
    known: Arc<ArcSwap<BTreeSet<Kind>>>,
    changed: watch::Sender<()>,
    client: Client,
}

/// What the API server told.
struct Found {
    kinds: BTreeSet<Kind>,
    /// Of these it couldn't tell.
    untold: BTreeSet<Kind>,
}

impl Kinds {
    /// Asks for the first time, and then again and again. What can't be told of yet counts as absent.
    ///
    /// # Errors
    /// When the API server can't be asked at all.
    pub(crate) async fn find(client: Client) -> Result<Self, kube::Error> {
        client.apiserver_version().await?;
        let found = look(&client).await;
        let kinds = Self { known: Arc::new(ArcSwap::from_pointee(found.kinds)), changed: watch::channel(()).0, client };
        tokio::spawn(kinds.clone().follow(!found.untold.is_empty()));
        Ok(kinds)
    }

    /// What was found last.
    pub(crate) fn known(&self) -> BTreeSet<Kind> {
        BTreeSet::clone(&self.known.load())
    }

    /// Tells when it changes.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    async fn follow(self, mut is_partial: bool) {
        loop {
            tokio::time::sleep(if is_partial { AGAIN } else { LOOKED_AT }).await;
            let Found { mut kinds, untold } = look(&self.client).await;
            is_partial = !untold.is_empty();
            let known = self.known.load_full();
            // What can't be told of is as it was.
            kinds.extend(untold.intersection(&known));
            if kinds != *known {
                tracing::info!(?kinds, "the cluster's optional kinds changed");
                self.known.store(Arc::new(kinds));
                self.changed.send_replace(());
            }
        }
    }
}

/// A group that can't be asked for, since what serves it is away, says nothing of the others.
async fn look(client: &Client) -> Found {
    let mut found = Found { kinds: BTreeSet::new(), untold: BTreeSet::new() };
    for kind in Kind::ALL {
        let (group, version, name, _) = kind.names();
        if !kind.is_optional() {
            found.kinds.insert(kind);
            continue;
        }
        match client.list_api_group_resources(&format!("{group}/{version}")).await {
            Ok(list) => {
                if list.resources.iter().any(|resource| resource.kind == name) {
                    found.kinds.insert(kind);
                }
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                tracing::warn!(kind = name, error = words(&error), "failed to ask whether there is such a kind");
                found.untold.insert(kind);
            }
        }
    }
    found
}
