//! One gateway process among others: who it is, what it does with new connections, and which ones it holds.

pub mod connections;
pub mod drain;
#[cfg(test)]
pub(crate) mod fake;
pub mod lease;
pub mod peers;
pub mod pulse;
pub mod ready;
pub mod reconnect;
pub mod registry;
pub mod soft_limit;
pub mod subjects;
pub mod tally;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::backlog::Rates;
pub use crate::backlog::ReplicaState;
use crate::hub::Hub;
pub use connections::Connections;

/// A replica's identity, state and connections. Shared; each part may be watched.
#[derive(Debug)]
pub struct Replica {
    identity: watch::Sender<Arc<str>>,
    state: watch::Sender<ReplicaState>,
    connections: Arc<Connections>,
    rates: Mutex<Rates>,
}

impl Replica {
    /// A serving replica with a new id, that holds at most `most_connections` streams.
    #[must_use]
    pub fn new(most_connections: usize) -> Arc<Self> {
        Arc::new(Self {
            identity: watch::Sender::new(new_id()),
            state: watch::Sender::new(ReplicaState::Serving),
            connections: Connections::new(most_connections),
            rates: Mutex::default(),
        })
    }

    /// Its id now: random per life, and per lease that was lost; never reused.
    #[must_use]
    pub fn id(&self) -> Arc<str> {
        self.identity.borrow().clone()
    }

    /// Tells when the id changes: whoever holds tokens of the old one takes new ones.
    #[must_use]
    pub fn identity(&self) -> watch::Receiver<Arc<str>> {
        self.identity.subscribe()
    }

    /// Takes a new id: the old one's lease was lost, so others count it dead.
    pub fn renew_identity(&self) {
        self.identity.send_replace(new_id());
        self.connections.forget_recorded();
    }

    /// What it does with new connections.
    #[must_use]
    pub fn state(&self) -> ReplicaState {
        *self.state.borrow()
    }

    /// Tells when that changes.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<ReplicaState> {
        self.state.subscribe()
    }

    /// Changes it; answers whether it was another before.
    pub fn set_state(&self, state: ReplicaState) -> bool {
        self.state.send_if_modified(|current| std::mem::replace(current, state) != state)
    }

    /// What it did lately.
    #[must_use]
    pub fn rates(&self) -> Rates {
        *self.rates.lock()
    }

    fn set_rates(&self, rates: Rates) {
        *self.rates.lock() = rates;
    }

    /// The streams that it holds.
    #[must_use]
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }
}

/// Tells the hub of every new id, for ever, so that it takes new tokens.
pub async fn rename(replica: Arc<Replica>, hub: Arc<Hub>) {
    let mut identity = replica.identity();
    loop {
        let id = identity.borrow_and_update().clone();
        if **hub.replica() != *id {
            hub.rename(&id);
        }
        // The sender lives in the replica, which this task holds.
        let _ = identity.changed().await;
    }
}

/// 128 random bits in hexadecimal: safe in keys, tokens (`replica/number`) and logs.
fn new_id() -> Arc<str> {
    format!("{:032x}", rand::random::<u128>()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_identity_is_told_and_differs() {
        let replica = Replica::new(1);
        let mut identities = replica.identity();
        let before = replica.id();
        assert_eq!(before.len(), 32);
        replica.renew_identity();
        assert!(identities.has_changed().unwrap());
        assert_ne!(*identities.borrow_and_update(), before);
    }

    #[test]
    fn a_state_is_changed_once() {
        let replica = Replica::new(1);
        assert!(replica.set_state(ReplicaState::Draining));
        assert!(!replica.set_state(ReplicaState::Draining));
        assert_eq!(replica.state(), ReplicaState::Draining);
    }
}
