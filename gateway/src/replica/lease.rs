//! The replica's claim to be alive: taken, renewed three times per lifetime, and with each renewal what its groups are to
//! do.

use std::sync::Arc;
use std::time::Duration;

use events_gateway_core::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Replica;
use crate::backlog::{BacklogError, Control, Directory, Lease, ReplicaState};

/// Renewals of a draining replica: others share the budget of closes by the connections that it tells of.
const WHILE_DRAINING: Duration = Duration::from_secs(1);

/// The new id's lease is taken almost at once; not without any pause, should a directory forget whatever it is told.
const AFTER_LOSS: Duration = Duration::from_millis(50);

/// What a lease says, and for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a lease holds without renewal.
    pub ttl: Duration,
    /// Name of the pod or host.
    pub pod: String,
    /// Where the public listener is reached.
    pub address: String,
    /// When this process started.
    pub started: Timestamp,
    /// The consumer groups whose control is read.
    pub groups: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(15),
            pod: "gateway".to_owned(),
            address: String::new(),
            started: crate::clock::now(),
            groups: Vec::new(),
        }
    }
}

/// How long a release may take: beyond it the lease lapses by itself soon enough.
const RELEASE: Duration = Duration::from_secs(2);

/// What this replica knows of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Never yet reached.
    Never,
    /// The last call succeeded.
    Reached,
    /// Calls fail since then.
    LostSince(Instant),
}

/// Keeps a lease.
pub struct Keeper {
    replica: Arc<Replica>,
    directory: Arc<dyn Directory>,
    options: Options,
    reach: watch::Sender<Reach>,
    leases: watch::Sender<Vec<Lease>>,
    controls: Vec<watch::Sender<Control>>,
    /// Which controls were read at least once.
    heard: Vec<watch::Sender<bool>>,
    released: watch::Sender<bool>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Keeper {
    /// Nothing is taken before [`Self::run`].
    #[must_use]
    pub fn new(replica: Arc<Replica>, directory: Arc<dyn Directory>, options: Options) -> Self {
        let controls = options.groups.iter().map(|_| watch::Sender::new(Control::default())).collect();
        let heard = options.groups.iter().map(|_| watch::Sender::new(false)).collect();
        Self {
            replica,
            directory,
            options,
            reach: watch::Sender::new(Reach::Never),
            leases: watch::Sender::default(),
            controls,
            heard,
            released: watch::Sender::new(false),
        }
    }

    /// Whether the directory is reached.
    #[must_use]
    pub fn reach(&self) -> watch::Receiver<Reach> {
        self.reach.subscribe()
    }

    /// The live replicas, as of the last renewal.
    #[must_use]
    pub fn leases(&self) -> watch::Receiver<Vec<Lease>> {
        self.leases.subscribe()
    }

    /// What a group is to do, as of the last renewal; `None` for a group that isn't among the options'.
    #[must_use]
    pub fn control(&self, group: &str) -> Option<watch::Receiver<Control>> {
        let at = self.options.groups.iter().position(|known| known == group)?;
        Some(self.controls[at].subscribe())
    }

    /// Waits until a group's control has been read: before, what [`Self::control`] shows is no more than a guess. A group that
    /// isn't among the options' is never heard of. Can be dropped.
    pub async fn heard(&self, group: &str) {
        let Some(at) = self.options.groups.iter().position(|known| known == group) else {
            return std::future::pending().await;
        };
        // The sender lives as long as we do.
        let _ = self.heard[at].subscribe().wait_for(|heard| *heard).await;
    }

    /// Takes the lease and renews it for ever: every third of its lifetime, every second while draining, and at once when
    /// the state changes. When it was lost the replica takes a new id, and that one's lease; when it was released, none.
    pub async fn run(self: Arc<Self>) {
        let mut released = self.released.subscribe();
        tokio::select! {
            biased;
            () = async {
                // The sender lives in the keeper, which this task holds.
                let _ = released.wait_for(|released| *released).await;
            } => std::future::pending().await,
            () = self.keep() => {}
        }
    }

    async fn keep(&self) {
        let mut states = self.replica.states();
        let mut first = true;
        loop {
            states.mark_unchanged();
            let pause = match self.renew(first).await {
                Ok(true) => {
                    first = false;
                    self.reach.send_replace(Reach::Reached);
                    self.read_controls().await;
                    self.read_leases().await;
                    match self.replica.state() {
                        ReplicaState::Serving => self.options.ttl / 3,
                        ReplicaState::Draining => WHILE_DRAINING.min(self.options.ttl / 3),
                    }
                }
                Ok(false) => {
                    // An id that others may have counted dead is never used again.
                    let lost = self.replica.id();
                    self.replica.renew_identity();
                    tracing::warn!(%lost, replica = %self.replica.id(), "lease lost: the replica takes a new id");
                    first = true;
                    AFTER_LOSS
                }
                Err(error) => {
                    self.lose(&error);
                    self.options.ttl / 10
                }
            };
            tokio::select! {
                () = sleep(pause) => {}
                // The sender lives in the replica, which this task holds.
                _ = states.changed() => {}
            }
        }
    }

    /// Gives the lease up for good, so that others needn't wait for its end; bounded, as a process that ends waits for it.
    pub async fn release(&self) {
        self.released.send_replace(true);
        let id = self.replica.id();
        match timeout(RELEASE.min(self.options.ttl), self.directory.release(&id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "failed to release the lease; it lapses"),
            Err(_) => tracing::warn!("failed to release the lease in time; it lapses"),
        }
    }

    async fn renew(&self, first: bool) -> Result<bool, BacklogError> {
        let lease = Lease {
            replica: self.replica.id().to_string(),
            pod: self.options.pod.clone(),
            address: self.options.address.clone(),
            started: self.options.started,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: self.replica.state(),
            connections: self.replica.connections().open() as u64,
            rates: self.replica.rates(),
        };
        let renewing = self.directory.renew(&lease, self.options.ttl, first);
        timeout(self.options.ttl / 3, renewing)
            .await
            .unwrap_or_else(|_| Err(BacklogError::Unavailable("no answer in time".to_owned())))
    }

    async fn read_controls(&self) {
        for ((group, sender), heard) in self.options.groups.iter().zip(&self.controls).zip(&self.heard) {
            match timeout(self.options.ttl / 3, self.directory.control(group)).await {
                Ok(Ok(control)) => {
                    sender.send_if_modified(|known| std::mem::replace(known, control) != control);
                    heard.send_if_modified(|heard| !std::mem::replace(heard, true));
                }
                // What was known stays: the next renewal reads again.
                Ok(Err(error)) => tracing::warn!(group, %error, "failed to read the group's control"),
                Err(_) => tracing::warn!(group, "failed to read the group's control in time"),
            }
        }
    }

    async fn read_leases(&self) {
        match timeout(self.options.ttl / 3, self.directory.leases()).await {
            Ok(Ok(leases)) => {
                self.leases.send_replace(leases);
            }
            // What was known stays: the next renewal reads again.
            failed => tracing::debug!(?failed, "failed to read the leases"),
        }
    }

    fn lose(&self, error: &BacklogError) {
        self.reach.send_if_modified(|reach| {
            if matches!(reach, Reach::LostSince(_)) {
                return false;
            }
            tracing::warn!(%error, "failed to renew the lease");
            *reach = Reach::LostSince(Instant::now());
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::fake::FakeDirectory;

    fn keeper(directory: &Arc<FakeDirectory>) -> Arc<Keeper> {
        let options = Options { groups: vec!["orders".to_owned()], ..Options::default() };
        Arc::new(Keeper::new(Replica::new(10), directory.clone(), options))
    }

    async fn pass(time: Duration) {
        sleep(time).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_taken_once_and_then_renewed_three_times_per_lifetime() {
        let directory = FakeDirectory::new();
        let keeper = keeper(&directory);
        tokio::spawn(keeper.clone().run());
        pass(Duration::from_millis(15_100)).await;
        let renewals = directory.renewals();
        assert_eq!(renewals.len(), 4);
        assert_eq!(renewals.iter().filter(|(_, first)| *first).count(), 1);
        assert_eq!(renewals[0].0.replica, *keeper.replica.id());
        assert_eq!(*keeper.reach().borrow(), Reach::Reached);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_lease_gives_the_replica_a_new_id() {
        let directory = FakeDirectory::new();
        let keeper = keeper(&directory);
        let before = keeper.replica.id();
        tokio::spawn(keeper.clone().run());
        pass(Duration::from_secs(1)).await;
        directory.forget();
        pass(Duration::from_secs(5)).await;
        assert_ne!(keeper.replica.id(), before);
        assert_eq!(directory.live(), [keeper.replica.id().to_string()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_released_lease_is_not_taken_again_under_another_id() {
        let directory = FakeDirectory::new();
        let keeper = keeper(&directory);
        let before = keeper.replica.id();
        tokio::spawn(keeper.clone().run());
        pass(Duration::from_secs(1)).await;
        keeper.release().await;
        pass(Duration::from_secs(20)).await;
        assert_eq!(keeper.replica.id(), before);
        assert!(directory.live().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_state_is_told_at_once() {
        let directory = FakeDirectory::new();
        let keeper = keeper(&directory);
        tokio::spawn(keeper.clone().run());
        pass(Duration::from_secs(1)).await;
        keeper.replica.set_state(ReplicaState::Draining);
        pass(Duration::from_millis(10)).await;
        assert_eq!(directory.renewals().last().unwrap().0.state, ReplicaState::Draining);
        let before = directory.renewals().len();
        pass(Duration::from_secs(3)).await;
        assert_eq!(directory.renewals().len() - before, 3, "every second while draining");
    }

    #[tokio::test(start_paused = true)]
    async fn control_is_read_with_each_renewal() {
        let directory = FakeDirectory::new();
        let keeper = keeper(&directory);
        let control = keeper.control("orders").unwrap();
        assert!(keeper.control("others").is_none());
        tokio::spawn(keeper.clone().run());
        pass(Duration::from_secs(1)).await;
        assert!(!control.borrow().paused);
        directory.set_paused("orders", true).await.unwrap();
        pass(Duration::from_secs(5)).await;
        assert!(control.borrow().paused);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_heard_of_a_group_before_its_control_could_be_read() {
        let directory = FakeDirectory::new();
        let keeper = keeper(&directory);
        directory.set_paused("orders", true).await.unwrap();
        directory.hide_controls(true);
        tokio::spawn(keeper.clone().run());
        pass(Duration::from_secs(20)).await;
        assert_eq!(*keeper.reach().borrow(), Reach::Reached, "leases are taken meanwhile");
        assert!(timeout(Duration::from_secs(1), keeper.heard("orders")).await.is_err());
        directory.hide_controls(false);
        timeout(Duration::from_secs(6), keeper.heard("orders")).await.expect("with the next renewal");
        assert!(keeper.control("orders").unwrap().borrow().paused);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unreachable_directory_is_told_since_when_and_heals() {
        let directory = FakeDirectory::new();
        let keeper = keeper(&directory);
        let reach = keeper.reach();
        assert_eq!(*reach.borrow(), Reach::Never);
        tokio::spawn(keeper.clone().run());
        pass(Duration::from_secs(1)).await;
        directory.away(true);
        pass(Duration::from_secs(10)).await;
        let Reach::LostSince(since) = *reach.borrow() else { panic!("{:?}", *reach.borrow()) };
        assert!(since.elapsed() > Duration::from_secs(5));
        directory.away(false);
        pass(Duration::from_secs(2)).await;
        assert_eq!(*reach.borrow(), Reach::Reached);
    }
}
