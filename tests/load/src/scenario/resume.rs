//! How long thousands of clients take to catch up when they all come back at once.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Effort, OPENING_BOUND, progress};
use crate::arena::{Arena, LINGER};
use crate::figure::{Figure, Target as Bound};
use crate::machine::{self, Part};
use crate::publisher::Publisher as _;
use crate::swarm::{Swarm, Target};

const CLIENTS: u32 = 5_000;
const MISSED: u64 = 100;

/// How long catching up may take.
const BOUND: Duration = Duration::from_secs(60);

/// Measures it over this many channels. While the clients are away nobody owns the channels: what they missed is read
/// from Redis.
///
/// # Errors
/// When a server can't be started, or the clients don't get what they missed.
pub fn resume(channels: u32, effort: Effort) -> Result<Vec<Figure>> {
    let scenario = format!("resume, {channels} channel{}", if channels == 1 { "" } else { "s" });
    machine::run_on(Part::Whole)?;
    let arena = Arena::start()?;
    let gateway = arena.gateway("resumed")?;
    let mut producer = arena.producer(channels, 1)?;
    let (mut times, mut faults) = (Vec::new(), Vec::new());
    for round in 1..=effort.rounds {
        let mut swarm = Swarm::new()?;
        let targets = (0..CLIENTS).map(|client| Target::new(gateway.public(), client % channels));
        swarm.open(targets, OPENING_BOUND)?;
        producer.write_each(1)?;
        let ends = producer.ends(&swarm);
        ensure!(swarm.run_until(BOUND, |swarm| swarm.behind(&ends) == 0)?, "the first event did not reach all clients");
        let resumed = swarm.close();
        drop(swarm);
        ensure!(resumed.iter().all(|target| !target.cursor.is_empty()), "a stream came without ids");
        std::thread::sleep(3 * LINGER);

        let before = arena.stored(channels)?;
        producer.write_each(MISSED)?;
        // What retention takes away again is not waited for.
        let grown = (before + MISSED * u64::from(channels)).min(900 * u64::from(channels));
        arena.wait_until_stored(channels, grown, BOUND)?;
        std::thread::sleep(Duration::from_secs(1));

        let mut swarm = Swarm::new()?;
        let (start, wanted) = (Instant::now(), u64::from(CLIENTS) * MISSED);
        swarm.add(resumed);
        let done = swarm.run_until(BOUND, |swarm| swarm.tally().deliveries >= wanted)?;
        let time = start.elapsed();
        let tally = swarm.tally();
        ensure!(done, "{} of {wanted} events came, {} refused, {} ended", tally.deliveries, tally.refused, tally.ended);
        times.push(time.as_secs_f64());
        let behind = swarm.behind(&producer.ends(&swarm));
        faults.push((swarm.tally().faults() + swarm.tally().gaps + behind) as f64);
        progress(&format!("{scenario}: round {round} of {}", effort.rounds));
    }
    Ok(vec![
        Figure::new(&scenario, "until all have caught up", "s", times)
            .target(Bound::AtMost(3.0))
            .note(format!("{CLIENTS} clients, {MISSED} missed events each, read from Redis")),
        Figure::new(&scenario, "lost, repeated or told missing", "", faults).target(Bound::AtMost(0.0)),
    ])
}
