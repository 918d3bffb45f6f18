//! Replicas that share quotas, which may be away, slow or forgetful.

use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use events_gateway_core::Timestamp;

use super::*;
use crate::backlog::memory::{self, Store};
use crate::backlog::{Rates, ReplicaState};
use crate::hub::HubListener;

/// Quotas in memory that don't answer while they are away.
struct Shared {
    quotas: memory::MemoryBacklog,
    is_away: AtomicBool,
    calls: AtomicU64,
}

#[async_trait]
impl Quotas for Shared {
    async fn hold(&self, hold: Hold<'_>) -> Result<bool, BacklogError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.is_away.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.quotas.hold(hold).await
    }
}

struct World {
    shared: Arc<Shared>,
    leases: watch::Sender<Vec<Lease>>,
    reach: watch::Sender<Reach>,
    began: Instant,
}

const LEASE: Duration = Duration::from_secs(15);

impl World {
    fn new() -> Self {
        let began = Instant::now();
        let store = Store::new(Arc::new(move || Timestamp(1_000_000 + began.elapsed().as_millis() as u64)));
        let quotas = store.connect(memory::Options::default(), Arc::new(HubListener::default()));
        let shared = Arc::new(Shared { quotas, is_away: AtomicBool::new(false), calls: AtomicU64::new(0) });
        Self { shared, leases: watch::Sender::default(), reach: watch::Sender::new(Reach::Reached), began }
    }

    /// A replica that is alive.
    fn replica(&self, most: u32) -> Arc<Subjects> {
        let replica = Replica::new(1_000);
        self.leases.send_modify(|leases| leases.push(lease(&replica.id())));
        let options = Options { most, lease: LEASE, longest: Duration::from_secs(3_600) };
        let (reach, leases) = (self.reach.subscribe(), self.leases.subscribe());
        let subjects = Subjects::new(options, self.shared.clone(), replica, reach, leases);
        tokio::spawn(subjects.clone().keep());
        subjects
    }
}

fn lease(replica: &str) -> Lease {
    Lease {
        replica: replica.to_owned(),
        pod: String::new(),
        address: String::new(),
        started: Timestamp(0),
        version: String::new(),
        state: ReplicaState::Serving,
        connections: 0,
        rates: Rates::default(),
    }
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_subject_has_so_many_streams_on_all_replicas_together() {
    let world = World::new();
    let (one, other) = (world.replica(3), world.replica(3));
    let held = (one.take("ann").await.unwrap(), one.take("ann").await.unwrap(), other.take("ann").await.unwrap());
    assert!(one.take("ann").await.is_none() && other.take("ann").await.is_none());
    assert!(other.take("bob").await.is_some(), "another has their own");
    drop(held.0);
    pass(Duration::from_millis(10)).await;
    let again = other.take("ann").await;
    assert!(again.is_some(), "what is given back is there again, everywhere");
    assert!(one.take("ann").await.is_none());
    assert_eq!((one.decided_alone(), other.decided_alone()), (0, 0));
    drop((held.1, held.2, again));
    pass(Duration::from_secs(61)).await;
    assert!(one.held.lock().is_empty() && other.held.lock().is_empty(), "nothing is remembered of who has none");
}

#[tokio::test(start_paused = true)]
async fn of_many_who_come_at_once_exactly_as_many_get_in() {
    let world = World::new();
    let replicas = [world.replica(20), world.replica(20), world.replica(20)];
    let tries = (0..300).map(|number| {
        let subjects = replicas[number % 3].clone();
        tokio::spawn(async move { subjects.take("ann").await })
    });
    let taken: Vec<_> = futures_util::future::join_all(tries).await.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(taken.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_dies_counts_until_its_lease_has_ended() {
    let world = World::new();
    let (dies, stays) = (world.replica(2), world.replica(2));
    let _held = (dies.take("ann").await.unwrap(), dies.take("ann").await.unwrap());
    pass(LEASE * 10).await;
    assert!(stays.take("ann").await.is_none(), "as long as it lives, however long ago it said so");
    let dead = dies.replica.id();
    world.leases.send_modify(|leases| leases.retain(|lease| *lease.replica != *dead));
    // It says everything again from time to time, so it is a dead one only when it is silent.
    world.shared.is_away.store(true, Ordering::Relaxed);
    pass(LEASE + Duration::from_secs(1)).await;
    world.shared.is_away.store(false, Ordering::Relaxed);
    assert!(stays.take("ann").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn while_redis_is_away_each_replica_counts_its_own_and_nobody_waits_for_long() {
    let world = World::new();
    let (one, other) = (world.replica(2), world.replica(2));
    world.shared.is_away.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let mut held = Vec::new();
    for subjects in [&one, &other] {
        for _ in 0..2 {
            held.push(subjects.take("ann").await.expect("room here"));
        }
        assert!(subjects.take("ann").await.is_none(), "no more than that here");
    }
    assert!(began.elapsed() <= PATIENCE * 2 + Duration::from_millis(10), "{:?}", began.elapsed());
    assert!(one.decided_alone() >= 2 && other.decided_alone() >= 2);

    // Once it is known that it is away, nobody asks.
    world.reach.send_replace(Reach::LostSince(Instant::now()));
    let (before, calls) = (Instant::now(), world.shared.calls.load(Ordering::Relaxed));
    held.push(one.take("bob").await.expect("room here"));
    assert_eq!((before.elapsed(), world.shared.calls.load(Ordering::Relaxed)), (Duration::ZERO, calls));

    // What was decided alone is told when it is back: four are there where two may be.
    world.shared.is_away.store(false, Ordering::Relaxed);
    world.reach.send_replace(Reach::Reached);
    pass(Duration::from_secs(5)).await;
    held.remove(0);
    held.remove(0);
    pass(Duration::from_secs(1)).await;
    assert!(one.take("ann").await.is_none(), "the other's two count again");
    held.remove(0);
    pass(Duration::from_secs(1)).await;
    assert!(one.take("ann").await.is_some());
    assert!(world.began.elapsed() < Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_and_a_new_identity_are_made_good() {
    let world = World::new();
    let (one, other) = (world.replica(1), world.replica(1));
    let _held = one.take("ann").await.unwrap();
    one.replica.renew_identity();
    world.leases.send_modify(|leases| {
        leases.remove(0);
        leases.push(lease(&one.replica.id()));
    });
    pass(LEASE * 2).await;
    assert!(other.take("ann").await.is_none(), "it counts under its new id");
}
