//! A directory in memory whose failures the tests choose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use events_gateway_core::{Channel, Timestamp};
use parking_lot::Mutex;

use crate::backlog::{Applied, BacklogError, Confirmations, ConnectionEntry, Control, Directory, Lease};

#[derive(Default)]
struct State {
    away: bool,
    renewals: Vec<(Lease, bool)>,
    leases: BTreeMap<String, Lease>,
    connections: BTreeMap<String, BTreeMap<String, ConnectionEntry>>,
    confirmed: BTreeMap<String, Applied>,
    controls: BTreeMap<String, Control>,
    hides_controls: bool,
}

pub(crate) struct FakeDirectory(Mutex<State>);

impl FakeDirectory {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// All calls fail from now on, or no longer.
    pub(crate) fn away(&self, away: bool) {
        self.0.lock().away = away;
    }

    /// Controls can't be read from now on, or can be again.
    pub(crate) fn hide_controls(&self, hidden: bool) {
        self.0.lock().hides_controls = hidden;
    }

    /// All leases lapse.
    pub(crate) fn forget(&self) {
        self.0.lock().leases.clear();
    }

    pub(crate) fn renewals(&self) -> Vec<(Lease, bool)> {
        self.0.lock().renewals.clone()
    }

    pub(crate) fn live(&self) -> Vec<String> {
        self.0.lock().leases.keys().cloned().collect()
    }

    /// Another replica's lease.
    pub(crate) fn insert(&self, lease: Lease) {
        self.0.lock().leases.insert(lease.replica.clone(), lease);
    }

    fn state(&self) -> Result<parking_lot::MutexGuard<'_, State>, BacklogError> {
        let state = self.0.lock();
        if state.away {
            return Err(BacklogError::Unavailable("away".to_owned()));
        }
        Ok(state)
    }
}

#[async_trait]
impl Confirmations for FakeDirectory {
    async fn confirm(&self, replica: &str, applied: &Applied, _: Duration) -> Result<(), BacklogError> {
        self.state()?.confirmed.insert(replica.to_owned(), applied.clone());
        Ok(())
    }

    async fn confirmed(&self, replica: &str) -> Result<Option<Applied>, BacklogError> {
        Ok(self.state()?.confirmed.get(replica).cloned())
    }
}

#[async_trait]
impl Directory for FakeDirectory {
    async fn renew(&self, lease: &Lease, _: Duration, first: bool) -> Result<bool, BacklogError> {
        let mut state = self.state()?;
        state.renewals.push((lease.clone(), first));
        if !first && !state.leases.contains_key(&lease.replica) {
            return Ok(false);
        }
        state.leases.insert(lease.replica.clone(), lease.clone());
        Ok(true)
    }

    async fn release(&self, replica: &str) -> Result<(), BacklogError> {
        let mut state = self.state()?;
        state.leases.remove(replica);
        state.connections.remove(replica);
        state.confirmed.remove(replica);
        Ok(())
    }

    async fn leases(&self) -> Result<Vec<Lease>, BacklogError> {
        Ok(self.state()?.leases.values().cloned().collect())
    }

    async fn record(
        &self,
        replica: &str,
        opened: &[ConnectionEntry],
        closed: &[String],
        _: Duration,
    ) -> Result<(), BacklogError> {
        let mut state = self.state()?;
        let connections = state.connections.entry(replica.to_owned()).or_default();
        for entry in opened {
            connections.insert(entry.connection.clone(), entry.clone());
        }
        for id in closed {
            connections.remove(id);
        }
        Ok(())
    }

    async fn connections(&self, replica: &str) -> Result<Vec<ConnectionEntry>, BacklogError> {
        let state = self.state()?;
        Ok(state
            .connections
            .get(replica)
            .map(|connections| connections.values().cloned().collect())
            .unwrap_or_default())
    }

    async fn owners(&self, _: &Channel) -> Result<Vec<(String, Timestamp)>, BacklogError> {
        let state = self.state()?;
        Ok(state.leases.keys().map(|replica| (replica.clone(), Timestamp(7))).collect())
    }

    async fn control(&self, group: &str) -> Result<Control, BacklogError> {
        let state = self.state()?;
        if state.hides_controls {
            return Err(BacklogError::Unavailable("hidden".to_owned()));
        }
        Ok(state.controls.get(group).copied().unwrap_or_default())
    }

    async fn set_paused(&self, group: &str, paused: bool) -> Result<(), BacklogError> {
        self.state()?.controls.entry(group.to_owned()).or_default().paused = paused;
        Ok(())
    }

    async fn raise_breaks(&self, group: &str, known: u64, _: Option<&str>) -> Result<u64, BacklogError> {
        let mut state = self.state()?;
        let control = state.controls.entry(group.to_owned()).or_default();
        control.breaks = control.breaks.max(known) + 1;
        Ok(control.breaks)
    }
}
