//! One turn of one server: events flow for a while, and processor time, deliveries and latencies are taken.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::histogram::Percentiles;
use crate::publisher::Publisher;
use crate::swarm::Swarm;

/// Before anything counts: caches are warm, the first events are through.
const WARM_UP: Duration = Duration::from_secs(2);

/// How long the last events may take.
const DRAIN_BOUND: Duration = Duration::from_secs(15);

/// So long without an event, while none is made, nothing more comes.
const QUIET: Duration = Duration::from_millis(500);

/// What a turn gave.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Processor time for each event on each socket, microseconds.
    pub cpu: f64,
    /// From the producer's clock to the clients'.
    pub latency: Percentiles,
    /// Events that a client has missed, got again, got though it hadn't asked, or had not got long after the end.
    pub faults: u64,
}

/// Measures for `window` with clients that are connected; `cpu` tells what has been used so far.
///
/// # Errors
/// When nothing is delivered at all, when streams end, or when a process is gone.
pub fn turn(
    swarm: &mut Swarm,
    publisher: &mut impl Publisher,
    window: Duration,
    cpu: impl Fn() -> Result<Duration>,
) -> Result<Turn> {
    publisher.publish()?;
    // A consumer group that has just formed may take some seconds to its first record.
    let flows = swarm.run_until(Duration::from_secs(30), |swarm| swarm.tally().deliveries > 0)?;
    swarm.run_for(WARM_UP)?;
    let before = (cpu()?, swarm.tally().deliveries);
    swarm.tally_mut().latency = crate::histogram::Histogram::default();
    swarm.run_for(window)?;
    let used = cpu()?.saturating_sub(before.0);
    let deliveries = swarm.tally().deliveries - before.1;
    let latency = swarm.tally().latency.percentiles();

    publisher.rest()?;
    // A publisher that doesn't say where it ended may have an event on the way: all is there only when nothing comes.
    let end = Instant::now() + DRAIN_BOUND;
    let behind = loop {
        let before = swarm.tally().deliveries;
        swarm.run_for(QUIET)?;
        let behind = swarm.behind(&publisher.ends(swarm));
        if (behind == 0 && swarm.tally().deliveries == before) || Instant::now() > end {
            break behind;
        }
    };

    let tally = swarm.tally();
    if !flows || deliveries == 0 {
        bail!("nothing was delivered");
    }
    if tally.ended > 0 {
        bail!("{} streams ended while events flowed", tally.ended);
    }
    let faults = tally.faults() + tally.gaps + behind;
    Ok(Turn { cpu: used.as_secs_f64() * 1e6 / deliveries as f64, latency, faults })
}
