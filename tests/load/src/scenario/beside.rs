//! The gateway beside the yardstick: both serve the same clients in turns, in one run, on the same core.

use anyhow::Result;

use super::fan_out::{self, Case};
use super::{Effort, progress};
use crate::arena::{self, Arena};
use crate::figure::{Figure, Target};
use crate::machine::{self, Part, start_server};

/// Measures a case for both, and their ratio turn by turn.
///
/// # Errors
/// When a server can't be started or doesn't serve.
pub fn beside(case: Case, target: Option<Target>, effort: Effort) -> Result<Vec<Figure>> {
    machine::run_on(Part::Rest)?;
    let arena = Arena::start()?;
    let gateway = start_server(|| arena.gateway("measured"))?;
    let mut yardstick = fan_out::start_yardstick(case)?;
    let mut producer = arena.producer(case.channels, case.rate)?;
    let (mut of_yardstick, mut of_gateway) = (Vec::new(), Vec::new());
    for round in 1..=effort.rounds {
        of_yardstick.push(fan_out::yardstick_turn(case, effort, &mut yardstick)?);
        let pid = arena::id(&gateway)?;
        of_gateway.push(fan_out::serve(case, effort, gateway.public(), pid, &mut producer)?);
        progress(&format!("{}: round {round} of {}", case.name, effort.rounds));
    }
    let ratios = of_gateway.iter().zip(&of_yardstick).map(|(gateway, bare)| gateway.cpu / bare.cpu).collect();
    let mut ratio = Figure::new(case.name, "gateway: CPU per delivery, times bare epoll", "", ratios);
    ratio.target = target;
    let configured = format!("{} clients, {} events/s of 256 B, servers on one core", case.clients, case.rate);
    let mut figures = vec![ratio.note(configured)];
    figures.extend(fan_out::figures(case, "gateway", &of_gateway));
    figures.extend(fan_out::figures(case, "bare epoll", &of_yardstick));
    Ok(figures)
}
