//! How long a replica's partitions rest after it was killed, and after it was told to stop.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Effort, OPENING_BOUND, progress};
use crate::arena::{Arena, PARTITIONS};
use crate::event;
use crate::figure::{Figure, Target as Bound};
use crate::machine::{self, Part};
use crate::publisher::Publisher as _;
use crate::swarm::{Swarm, Target};

const SCENARIO: &str = "outage";

/// Records a second: over eight partitions, one every 8 ms in each.
const RATE: u32 = 1_000;
const CHANNELS: u32 = 80;
const CLIENTS: u32 = 5 * CHANNELS;

/// How long the consumer group may take to spread its partitions over two replicas.
const SETTLE: Duration = Duration::from_secs(12);

/// How long to watch after the end of a replica.
const WATCH: Duration = Duration::from_secs(20);

/// A pause that a running system doesn't have.
const NOTICEABLE: u64 = 200_000;

/// Measures it. All clients are at the replica that stays; so a pause is that of a partition, not of a stream.
///
/// # Errors
/// When a server can't be started, or streams of the other replica end.
pub fn outage(effort: Effort) -> Result<Vec<Figure>> {
    machine::run_on(Part::Whole)?;
    let arena = Arena::start()?;
    let stays = arena.gateway("stays")?;
    let mut goes = arena.gateway("goes")?;
    let mut producer = arena.producer(CHANNELS, RATE)?;
    let mut swarm = Swarm::new()?;
    let targets = (0..CLIENTS).map(|client| Target::new(stays.public(), client % CHANNELS));
    swarm.open(targets, OPENING_BOUND)?;
    producer.publish()?;
    let flows = swarm.run_until(Duration::from_secs(30), |swarm| swarm.tally().deliveries > 0)?;
    ensure!(flows, "nothing was delivered");

    let (mut terminated, mut killed) = (Vec::new(), Vec::new());
    for round in 1..=effort.rounds {
        for (pauses, kill) in [(&mut terminated, false), (&mut killed, true)] {
            swarm.run_for(SETTLE)?;
            swarm.tally_mut().watch_pauses(PARTITIONS as usize, event::now());
            if kill {
                goes.kill();
            } else {
                goes.terminate();
            }
            swarm.run_for(WATCH)?;
            pauses.push(swarm.tally().pauses(event::now()));
            arena.restart(&mut goes)?;
        }
        progress(&format!("{SCENARIO}: round {round} of {}", effort.rounds));
    }

    producer.rest()?;
    let ends = producer.ends(&swarm);
    swarm.run_until(Duration::from_secs(15), |swarm| swarm.behind(&ends) == 0)?;
    let tally = swarm.tally();
    ensure!(tally.ended == 0, "{} streams of the replica that stayed ended", tally.ended);
    let faults = (tally.faults() + tally.gaps + swarm.behind(&ends)) as f64;
    Ok(vec![
        figure("SIGTERM", &terminated).target(Bound::AtMost(1.0)),
        figure("kill -9", &killed).target(Bound::AtMost(10.0)),
        Figure::new(SCENARIO, "lost, repeated or told missing", "", vec![faults]).target(Bound::AtMost(0.0)),
    ])
}

/// The longest pause of each round, and how many partitions had one: with none the replica may have owned none.
fn figure(how: &str, rounds: &[Vec<u64>]) -> Figure {
    let longest = |pauses: &Vec<u64>| pauses.iter().max().copied().unwrap_or(0) as f64 / 1e6;
    let noticed = |pauses: &Vec<u64>| pauses.iter().filter(|pause| **pause > NOTICEABLE).count().to_string();
    let noticed: Vec<String> = rounds.iter().map(noticed).collect();
    let name = format!("longest pause of a partition after {how}");
    Figure::new(SCENARIO, &name, "s", rounds.iter().map(longest).collect()).note(format!(
        "group protocol `auto`, session timeout 6 s at the broker and in the file; {} of {PARTITIONS} partitions paused > 0.2 s",
        noticed.join(", ")
    ))
}
