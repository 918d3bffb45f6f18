//! What this replica tells of itself, put together when it is asked for. Nothing here waits.

use std::sync::Arc;

use events_gateway_status::{Redis, State, Status};

use super::consumers::Consumers;
use crate::http::admin::StatusOf;
use crate::hub::Hub;
use crate::replica::drain::Drain;
use crate::replica::lease::{Keeper, Reach};
use crate::replica::{Replica, ReplicaState};

/// Tells it.
pub(super) fn teller(
    pod: String,
    replica: Arc<Replica>,
    hub: Arc<Hub>,
    keeper: &Keeper,
    drain: Arc<Drain>,
    consumers: Arc<Consumers>,
) -> StatusOf {
    let reach = keeper.reach();
    Arc::new(move || {
        let course = drain.course();
        Status {
            replica: replica.id().to_string(),
            pod: pod.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: match replica.state() {
                ReplicaState::Serving => State::Serving,
                ReplicaState::Draining => State::Draining,
            },
            drained: course.is_some_and(|course| course.ended),
            draining_ms: course.map(|course| u64::try_from(course.began.elapsed().as_millis()).unwrap_or(u64::MAX)),
            connections: replica.connections().open() as u64,
            channels: hub.feeds() as u64,
            redis: Redis { up: *reach.borrow() == Reach::Reached },
            kafka: consumers.bindings(),
        }
    })
}
