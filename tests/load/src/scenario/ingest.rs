//! How fast one replica works off records that wait.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Effort, progress};
use crate::arena::{self, Arena};
use crate::figure::{Figure, Target};
use crate::machine::{self, Part};

const SCENARIO: &str = "ingest";
const CHANNELS: u32 = 1_000;
const RECORDS: u64 = 500_000;

/// How long it may take in all.
const BOUND: Duration = Duration::from_secs(180);

/// How often the backlogs are looked at: a thousand lengths cost Redis about a millisecond.
const LOOK: Duration = Duration::from_millis(100);

/// Measures it, each round with servers of its own.
///
/// # Errors
/// When a server can't be started, or the records don't arrive.
pub fn ingest(effort: Effort) -> Result<Vec<Figure>> {
    machine::run_on(Part::Whole)?;
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for round in 1..=effort.rounds {
        let arena = Arena::start()?;
        arena.producer(CHANNELS, 1)?.write_each(RECORDS / u64::from(CHANNELS))?;
        let gateway = arena.gateway("ingesting")?;
        let end = Instant::now() + BOUND;
        // The first look that finds something starts the clock, so that start-up and joining the group don't count.
        let (mut first, mut first_cpu) = (None, Duration::ZERO);
        loop {
            let (now, stored) = (Instant::now(), arena.stored(CHANNELS)?);
            if stored > 0 && first.is_none() {
                first = Some((now, stored));
                first_cpu = arena::cpu(&gateway)?;
            }
            if stored >= RECORDS {
                break;
            }
            ensure!(now < end, "{stored} of {RECORDS} records are stored after {BOUND:?}");
            std::thread::sleep(LOOK);
        }
        let (start, already) = first.unwrap_or((Instant::now(), 0));
        let records = (RECORDS - already) as f64;
        ensure!(records > 0.0, "all records were stored before the first look");
        rates.push(records / start.elapsed().as_secs_f64());
        costs.push((arena::cpu(&gateway)?.saturating_sub(first_cpu)).as_secs_f64() * 1e6 / records);
        progress(&format!("{SCENARIO}: round {round} of {}", effort.rounds));
    }
    Ok(vec![
        Figure::new(SCENARIO, "records of one replica", "/s", rates)
            .target(Target::AtLeast(40_000.0))
            .note(format!("{RECORDS} waiting records over {CHANNELS} channels, until they are in Redis")),
        Figure::new(SCENARIO, "gateway: CPU per record", "µs", costs),
    ])
}
