//! From Kafka to the socket over two replicas and Redis: latency, and processor time of all three for each delivery.

use anyhow::Result;

use super::turn::turn;
use super::{Effort, OPENING_BOUND, progress};
use crate::arena::{self, Arena};
use crate::figure::{Figure, Target as Bound};
use crate::machine::{self, Part};
use crate::swarm::{Swarm, Target};

const SCENARIO: &str = "latency, two replicas";

/// Events a second.
const RATE: u32 = 1_000;

/// Each has ten clients, five at each replica.
const CHANNELS: u32 = 100;
const CLIENTS: u32 = 10 * CHANNELS;

/// Measures it.
///
/// # Errors
/// When a server can't be started or doesn't serve.
pub fn latency(effort: Effort) -> Result<Vec<Figure>> {
    machine::run_on(Part::Whole)?;
    let arena = Arena::start()?;
    let gateways = [arena.gateway("first")?, arena.gateway("second")?];
    let mut producer = arena.producer(CHANNELS, RATE)?;
    let cpu = || Ok(arena::cpu(&gateways[0])? + arena::cpu(&gateways[1])? + arena.redis_cpu()?);
    let mut turns = Vec::new();
    for round in 1..=effort.rounds {
        let mut swarm = Swarm::new()?;
        let targets = (0..CLIENTS)
            .map(|client| Target::new(gateways[(client / CHANNELS % 2) as usize].public(), client % CHANNELS));
        swarm.open(targets, OPENING_BOUND)?;
        turns.push(turn(&mut swarm, &mut producer, effort.window, cpu)?);
        progress(&format!("{SCENARIO}: round {round} of {}", effort.rounds));
    }
    let configured = format!("{RATE} records/s, {CHANNELS} channels of 10 clients, from before the producer's send");
    let of = |name: &str, unit: &str, value: fn(&super::turn::Turn) -> f64| {
        Figure::new(SCENARIO, name, unit, turns.iter().map(value).collect())
    };
    Ok(vec![
        of("Kafka to socket, p50", "ms", |turn| turn.latency.p50).target(Bound::AtMost(1.5)).note(configured),
        of("Kafka to socket, p99", "ms", |turn| turn.latency.p99).target(Bound::AtMost(8.0)),
        of("Kafka to socket, p99.9", "ms", |turn| turn.latency.p999),
        of("CPU per delivery, both replicas and Redis", "µs", |turn| turn.cpu),
        of("lost, repeated or told missing", "", |turn| turn.faults as f64).target(Bound::AtMost(0.0)),
    ])
}
