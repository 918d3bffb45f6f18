//! One cluster, as one user: calls that are bounded and may be dropped.

mod session;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use crate::client::Instance;
use crate::clusters::Limits;
use crate::error::KafkaError;
use crate::options::{Client, Sasl};
pub(crate) use session::Session;

/// One cluster, as one user. All calls are asynchronous, take at most [`Limits::call`] (and a second more where several
/// requests follow one another), and end soon after they are dropped; what was sent by then may be done nevertheless.
pub struct Cluster {
    bootstrap: String,
    instance: Arc<Instance>,
    turns: Arc<Semaphore>,
    limits: Limits,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("bootstrap", &self.bootstrap).finish_non_exhaustive()
    }
}

impl Cluster {
    /// A client of its own; see [`Clusters::get`](crate::Clusters::get) for a shared one. Doesn't connect.
    ///
    /// # Errors
    /// [`KafkaError::Invalid`] when its settings aren't allowed or the client library refuses them.
    pub fn new(client: &Client, limits: Limits) -> Result<Self, KafkaError> {
        Self::check(client, &limits)?;
        let refused = |error: rdkafka::error::KafkaError| KafkaError::Invalid {
            act: format!("open a client for {}", client.bootstrap),
            reason: error.to_string(),
        };
        Ok(Self {
            bootstrap: client.bootstrap.clone(),
            instance: Instance::new(client).map_err(refused)?,
            turns: Arc::new(Semaphore::new(limits.calls.max(1))),
            limits,
        })
    }

    pub(crate) fn check(client: &Client, limits: &Limits) -> Result<(), KafkaError> {
        let invalid =
            |reason: String| KafkaError::Invalid { act: format!("open a client for {}", client.bootstrap), reason };
        client.check().map_err(|error| invalid(error.to_string()))?;
        match &client.sasl {
            Some(Sasl::OAuthBearer(oauth)) if oauth.is_on_this_machine() && !limits.tokens_from_this_machine => Err(
                invalid("its token endpoint is on this machine, which is the operator's and not the gateway's".into()),
            ),
            _ => Ok(()),
        }
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Runs blocking requests on a thread for such, in turn, and within the bound.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        act: &str,
        work: impl FnOnce(&Session) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let session = Session::new(self.instance.clone(), &self.bootstrap, act, self.limits.call);
        let act = session.act().to_owned();
        let late = || KafkaError::Timeout { act: act.clone() };
        let _cancelling = session.cancelled_on_drop();
        let deadline = tokio::time::Instant::from_std(session.deadline);
        let turn = timeout_at(deadline, self.turns.clone().acquire_owned()).await.map_err(|_| late())?;
        let running = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&session)
        });
        // The work keeps to the deadline by itself; should it not, nobody waits for it.
        match timeout_at(deadline + session::GRACE, running).await {
            Err(_) => Err(late()),
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(KafkaError::Refused { act, reason: error.to_string() }),
        }
    }
}
