//! A limit on streams that holds only while other replicas have room below it: crowded replicas send clients on to emptier
//! ones, and nobody is turned away who has nowhere to go.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::lease::Reach;
use super::{Replica, ReplicaState};
use crate::backlog::Lease;

/// Sends clients on from `most` streams upwards.
///
/// What the others hold is known from the last look at the leases, which is some seconds old. So each look is good for only
/// as many refusals as it showed room: a crowd that fills all replicas between two looks isn't turned away by all of them.
#[derive(Debug)]
pub struct SoftLimit {
    most: usize,
    replica: Arc<Replica>,
    reach: watch::Receiver<Reach>,
    look: Mutex<Look>,
}

#[derive(Debug)]
struct Look {
    leases: watch::Receiver<Vec<Lease>>,
    /// What is left of the room that the last look showed.
    room: u64,
}

impl SoftLimit {
    /// Goes by the leases that are looked at anyway, as long as the directory is reached.
    #[must_use]
    pub fn new(
        most: usize,
        replica: Arc<Replica>,
        reach: watch::Receiver<Reach>,
        mut leases: watch::Receiver<Vec<Lease>>,
    ) -> Self {
        let room = room(&leases.borrow_and_update(), &replica.id(), most);
        Self { most, replica, reach, look: Mutex::new(Look { leases, room }) }
    }

    /// Whether one more client is sent on to another replica.
    pub fn sends_on(&self) -> bool {
        if self.replica.connections().open() < self.most || *self.reach.borrow() != Reach::Reached {
            return false;
        }
        let mut look = self.look.lock();
        // An error: whoever looked has ended, and what it saw last is all there is.
        if look.leases.has_changed().unwrap_or(false) {
            let room = room(&look.leases.borrow_and_update(), &self.replica.id(), self.most);
            look.room = room;
        }
        let has_room = look.room > 0;
        look.room = look.room.saturating_sub(1);
        has_room
    }
}

/// How many streams the other replicas that serve can take before they hold `most` each.
fn room(leases: &[Lease], own: &str, most: usize) -> u64 {
    leases
        .iter()
        .filter(|lease| lease.state == ReplicaState::Serving && lease.replica != own)
        .fold(0, |room: u64, lease| room.saturating_add((most as u64).saturating_sub(lease.connections)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::connections::Place;
    use events_gateway_core::Timestamp;
    use tokio::time::Instant;

    struct World {
        limit: SoftLimit,
        replica: Arc<Replica>,
        reach: watch::Sender<Reach>,
        leases: watch::Sender<Vec<Lease>>,
    }

    /// A replica with a soft limit of 2.
    fn world() -> World {
        let replica = Replica::new(10);
        let (reach, leases) = (watch::Sender::new(Reach::Reached), watch::Sender::default());
        let limit = SoftLimit::new(2, replica.clone(), reach.subscribe(), leases.subscribe());
        World { limit, replica, reach, leases }
    }

    impl World {
        fn hold(&self, streams: usize) -> Vec<Place> {
            (0..streams).map(|_| self.replica.connections().admit().unwrap()).collect()
        }

        fn look(&self, others: &[(ReplicaState, u64)]) {
            let own = (self.replica.id().to_string(), ReplicaState::Serving, 0);
            let others = others.iter().enumerate().map(|(at, (state, held))| (format!("other-{at}"), *state, *held));
            let lease = |(replica, state, connections)| Lease {
                replica,
                pod: String::new(),
                address: String::new(),
                started: Timestamp(0),
                version: String::new(),
                state,
                connections,
                rates: Default::default(),
            };
            self.leases.send_replace(others.chain([own]).map(lease).collect());
        }
    }

    #[test]
    fn below_the_limit_everybody_is_taken() {
        let world = world();
        world.look(&[(ReplicaState::Serving, 0)]);
        let _held = world.hold(1);
        assert!(!world.limit.sends_on());
    }

    #[test]
    fn from_the_limit_on_clients_go_to_a_serving_replica_with_fewer() {
        let world = world();
        let _held = world.hold(2);
        for (others, expected) in [
            (&[][..], false),
            (&[(ReplicaState::Serving, 1)], true),
            (&[(ReplicaState::Serving, 2)], false),
            (&[(ReplicaState::Serving, 9), (ReplicaState::Serving, 3)], false),
            (&[(ReplicaState::Serving, 9), (ReplicaState::Serving, 0)], true),
            (&[(ReplicaState::Draining, 0)], false),
        ] {
            world.look(others);
            assert_eq!(world.limit.sends_on(), expected, "{others:?}");
        }
    }

    #[test]
    fn no_more_are_sent_on_than_there_was_room_for_at_the_last_look() {
        let world = world();
        let _held = world.hold(3);
        world.look(&[(ReplicaState::Serving, 1), (ReplicaState::Serving, 0)]);
        let sent = (0..10).filter(|_| world.limit.sends_on()).count();
        assert_eq!(sent, 3);
        world.look(&[(ReplicaState::Serving, 1)]);
        assert!(world.limit.sends_on(), "another look");
        assert!(!world.limit.sends_on());
    }

    #[test]
    fn while_the_directory_is_away_everybody_is_taken() {
        let world = world();
        let _held = world.hold(2);
        world.look(&[(ReplicaState::Serving, 0)]);
        world.reach.send_replace(Reach::LostSince(Instant::now()));
        assert!(!world.limit.sends_on(), "what the others hold isn't known");
        world.reach.send_replace(Reach::Reached);
        assert!(world.limit.sends_on());
    }
}
