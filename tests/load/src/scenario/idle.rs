//! What a connection costs that nothing is sent to.

use std::time::Duration;

use anyhow::Result;

use super::{Effort, OPENING_BOUND, progress};
use crate::arena::{self, Arena};
use crate::figure::{Figure, Target as Bound};
use crate::machine::{self, Part};
use crate::process;
use crate::swarm::{Swarm, Target};

const SCENARIO: &str = "idle";
const CLIENTS: u32 = 9_000;
const CHANNELS: u32 = 900;

/// Longer than the default heartbeat, so that each stream has been written to.
const SETTLE: Duration = Duration::from_secs(20);

/// Measures it, with a fresh gateway in each round.
///
/// # Errors
/// When a server can't be started or streams end.
pub fn idle(effort: Effort) -> Result<Vec<Figure>> {
    machine::run_on(Part::Whole)?;
    let arena = Arena::start()?;
    let (mut user, mut kernel) = (Vec::new(), Vec::new());
    for round in 1..=effort.rounds {
        let gateway = arena.gateway("idle")?;
        let pid = arena::id(&gateway)?;
        let before = (process::private_memory(pid)?, process::kernel_memory()?);
        let mut swarm = Swarm::new()?;
        let targets = (0..CLIENTS).map(|client| Target::new(gateway.public(), client % CHANNELS));
        swarm.open(targets, OPENING_BOUND)?;
        swarm.run_for(SETTLE)?;
        anyhow::ensure!(swarm.tally().ended == 0, "{} idle streams ended", swarm.tally().ended);
        let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / f64::from(CLIENTS) / 1_000.0;
        user.push(each(before.0, process::private_memory(pid)?));
        kernel.push(each(before.1, process::kernel_memory()?));
        progress(&format!("{SCENARIO}: round {round} of {}", effort.rounds));
    }
    Ok(vec![
        Figure::new(SCENARIO, "user memory per connection", "kB", user)
            .target(Bound::AtMost(13.0))
            .note(format!("{CLIENTS} clients of {CHANNELS} channels, after a heartbeat; private dirty pages")),
        Figure::new(SCENARIO, "kernel memory per connection, both ends", "kB", kernel)
            .note("growth of the machine's unreclaimable slab"),
    ])
}
