//! Which replicas have applied a revocation: each tells the directory up to where it has, and whoever revokes looks there.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};

use super::Revocations;
use crate::backlog::{self, Applied, Directory, Lease};
use crate::producer::topic::Place;
use crate::replica::Replica;

/// How long the directory keeps what a replica told.
const TTL: Duration = Duration::from_secs(30);
/// Longest wait for a call.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts to tell.
const AGAIN: Duration = Duration::from_millis(500);
/// Longest wait for what one replica told.
const PATIENCE_FOR_ONE: Duration = Duration::from_millis(500);
/// How often it is looked whether others have.
const LOOK: Duration = Duration::from_millis(20);

/// Tells, for ever, up to where this replica has applied the topic.
pub async fn tell(replica: Arc<Replica>, directory: Arc<dyn backlog::Confirmations>, revocations: Arc<Revocations>) {
    let (mut applied, mut identity) = (revocations.applied(), replica.identity());
    loop {
        let (offsets, id) = (applied.borrow_and_update().clone(), identity.borrow_and_update().clone());
        if !offsets.is_empty() {
            let told = timeout(PATIENCE, directory.confirm(&id, &offsets, TTL)).await;
            if !matches!(told, Ok(Ok(()))) {
                tracing::debug!(?told, "failed to confirm revocations; it comes again");
                sleep(AGAIN).await;
                continue;
            }
        }
        // Their senders live in what this task holds: neither ever ends.
        tokio::select! {
            _ = applied.changed() => {}
            _ = identity.changed() => {}
            () = sleep(TTL / 3) => {}
        }
    }
}

/// A replica that is alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Peer {
    /// Its id.
    pub replica: String,
    /// Name of its pod or host, where its lease could be read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod: String,
}

impl From<&Lease> for Peer {
    fn from(lease: &Lease) -> Self {
        Self { replica: lease.replica.clone(), pod: lease.pod.clone() }
    }
}

/// Who has confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Confirmations {
    /// Those that have applied it.
    pub confirmed: Vec<Peer>,
    /// Those that are alive and haven't said so. Null: nobody knows, since the directory can't be read.
    pub unconfirmed: Option<Vec<Peer>>,
}

impl Confirmations {
    /// Whether every replica that is alive has.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unconfirmed.as_ref().is_some_and(Vec::is_empty)
    }
}

/// Where it is asked who has.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// This replica.
    pub replica: &'a Replica,
    /// Who is alive.
    pub directory: &'a dyn Directory,
    /// What the others have applied.
    pub confirmations: &'a dyn backlog::Confirmations,
    /// What this one has.
    pub revocations: &'a Revocations,
}

impl Asked<'_> {
    /// Waits until all replicas that are alive have applied the record at a place, `within` at most.
    pub async fn await_all(self, place: Place, within: Duration) -> Confirmations {
        let until = Instant::now() + within;
        let Ok(Ok(leases)) = timeout(within.max(LOOK), self.directory.leases()).await else {
            tracing::warn!("failed to look which replicas are alive: who has applied a revocation isn't known");
            return self.await_own(place, until).await;
        };
        let mut waiting: Vec<Peer> = leases.iter().map(Peer::from).collect();
        let mut confirmed = Vec::new();
        loop {
            let has = join_all(waiting.iter().map(|peer| self.has(peer, place))).await;
            let (have, left): (Vec<_>, Vec<_>) = waiting.into_iter().zip(has).partition(|(_, has)| *has);
            confirmed.extend(have.into_iter().map(|(peer, _)| peer));
            waiting = left.into_iter().map(|(peer, _)| peer).collect();
            if waiting.is_empty() || Instant::now() >= until {
                return Confirmations { confirmed, unconfirmed: Some(waiting) };
            }
            sleep(LOOK).await;
        }
    }

    async fn has(self, peer: &Peer, place: Place) -> bool {
        if *peer.replica == *self.replica.id() {
            return self.has_own(place);
        }
        let told = timeout(PATIENCE_FOR_ONE, self.confirmations.confirmed(&peer.replica)).await;
        matches!(told, Ok(Ok(Some(applied))) if has_passed(&applied, place))
    }

    fn has_own(self, place: Place) -> bool {
        has_passed(&self.revocations.applied().borrow(), place)
    }

    async fn await_own(self, place: Place, until: Instant) -> Confirmations {
        while !self.has_own(place) && Instant::now() < until {
            sleep(LOOK).await;
        }
        let own = Peer { replica: self.replica.id().to_string(), pod: String::new() };
        Confirmations { confirmed: if self.has_own(place) { vec![own] } else { Vec::new() }, unconfirmed: None }
    }
}

/// Whether the record at a place is among what was applied.
fn has_passed(applied: &Applied, place: Place) -> bool {
    let next = applied.get(&place.partition);
    next.is_some_and(|next| u64::try_from(place.offset).is_ok_and(|offset| *next > offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backlog::{Confirmations as _, ReplicaState};
    use crate::replica::fake::FakeDirectory;
    use crate::replica::reconnect::Reconnect;
    use crate::revocation::Options;

    const PLACE: Place = Place { partition: 3, offset: 7 };
    const WITHIN: Duration = Duration::from_secs(2);

    fn lease(replica: &str) -> Lease {
        Lease {
            replica: replica.to_owned(),
            pod: format!("pod of {replica}"),
            address: String::new(),
            started: crate::clock::now(),
            version: String::new(),
            state: ReplicaState::Serving,
            connections: 0,
            rates: Default::default(),
        }
    }

    struct World {
        replica: Arc<Replica>,
        directory: Arc<FakeDirectory>,
        revocations: Arc<Revocations>,
    }

    impl World {
        fn new() -> Self {
            let replica = Replica::new(10);
            let options = Options {
                retention: Duration::from_secs(60),
                cut_off_after: Duration::from_secs(30),
                disconnects: false,
                most: 100,
                reconnect: Reconnect::default(),
            };
            let revocations = Revocations::new(options, replica.connections());
            let directory = FakeDirectory::new();
            directory.insert(lease(&replica.id()));
            directory.insert(lease("other"));
            Self { replica, directory, revocations }
        }

        async fn all(&self) -> Confirmations {
            let asked = Asked {
                replica: &self.replica,
                directory: &*self.directory,
                confirmations: &*self.directory,
                revocations: &self.revocations,
            };
            asked.await_all(PLACE, WITHIN).await
        }
    }

    fn names(peers: &[Peer]) -> Vec<&str> {
        peers.iter().map(|peer| peer.replica.as_str()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_revokes_hears_who_has_applied_it_and_who_has_not_in_time() {
        let world = World::new();
        let own = world.replica.id();
        let began = Instant::now();
        let none = world.all().await;
        assert!(began.elapsed() >= WITHIN && !none.is_complete());
        assert_eq!((none.confirmed.len(), none.unconfirmed.as_ref().unwrap().len()), (0, 2));

        world.revocations.set_applied(&Applied::from([(3, 8)]));
        world.directory.confirm("other", &Applied::from([(3, 7), (4, 100)]), WITHIN).await.unwrap();
        let one = world.all().await;
        assert_eq!((names(&one.confirmed), names(one.unconfirmed.as_ref().unwrap())), (vec![&*own], vec!["other"]));

        let (directory, began) = (world.directory.clone(), Instant::now());
        tokio::spawn(async move {
            sleep(Duration::from_millis(200)).await;
            directory.confirm("other", &Applied::from([(3, 8)]), WITHIN).await.unwrap();
        });
        assert!(world.all().await.is_complete());
        assert!(began.elapsed() < Duration::from_millis(300), "nobody waits for longer than it takes");
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_directory_it_is_told_that_nobody_knows() {
        let world = World::new();
        world.directory.away(true);
        world.revocations.set_applied(&Applied::from([(3, 8)]));
        let known = world.all().await;
        assert_eq!((names(&known.confirmed), &known.unconfirmed), (vec![&*world.replica.id()], &None));
        assert!(!known.is_complete());
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_tells_what_it_has_applied_also_under_a_new_id_and_when_the_directory_is_back() {
        let world = World::new();
        world.directory.away(true);
        tokio::spawn(tell(world.replica.clone(), world.directory.clone(), world.revocations.clone()));
        world.revocations.set_applied(&Applied::from([(0, 1)]));
        sleep(Duration::from_secs(3)).await;
        world.directory.away(false);
        sleep(Duration::from_secs(1)).await;
        let told = async || world.directory.confirmed(&world.replica.id()).await.unwrap();
        assert_eq!(told().await, Some(Applied::from([(0, 1)])));
        world.revocations.set_applied(&Applied::from([(0, 2)]));
        world.replica.renew_identity();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(told().await, Some(Applied::from([(0, 2)])));
    }
}
