//! Processor time for each delivery, of the gateway and of the yardstick in turns.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};

use super::turn::{Turn, turn};
use super::{Effort, OPENING_BOUND, progress};
use crate::figure::Figure;
use crate::machine::start_server;
use crate::process;
use crate::publisher::Publisher;
use crate::swarm::{Swarm, Target};
use crate::yardstick::YardstickProcess;

/// How many clients over how many channels, at which rate.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// How the results name it.
    pub name: &'static str,
    /// Connections, evenly over the channels.
    pub clients: u32,
    /// Channels.
    pub channels: u32,
    /// Events a second, over all channels.
    pub rate: u32,
}

/// Everybody hears everything.
pub const ONE_CHANNEL: Case = Case { name: "fan-out, one channel", clients: 5_000, channels: 1, rate: 10 };

/// Everybody hears a little.
pub const MANY_CHANNELS: Case = Case { name: "fan-out, 990 channels", clients: 9_900, channels: 990, rate: 1_000 };

impl Case {
    /// What its clients ask for.
    pub fn targets(self, address: SocketAddr) -> impl Iterator<Item = Target> {
        (0..self.clients).map(move |client| Target::new(address, client % self.channels))
    }
}

/// One turn of a server at `address` whose process is `pid`, with clients of its own.
///
/// # Errors
/// When not all clients are served.
pub fn serve(
    case: Case,
    effort: Effort,
    address: SocketAddr,
    pid: u32,
    publisher: &mut impl Publisher,
) -> Result<Turn> {
    let mut swarm = Swarm::new()?;
    swarm.open(case.targets(address), OPENING_BOUND)?;
    turn(&mut swarm, publisher, effort.window, || process::cpu(pid))
}

/// The yardstick alone.
///
/// # Errors
/// When it can't be started or doesn't serve.
pub fn yardstick(case: Case, effort: Effort) -> Result<Vec<Figure>> {
    let mut yardstick = start_yardstick(case)?;
    let mut turns = Vec::new();
    for round in 1..=effort.rounds {
        turns.push(yardstick_turn(case, effort, &mut yardstick)?);
        progress(&format!("{}: round {round} of {}", case.name, effort.rounds));
    }
    Ok(figures(case, "bare epoll", &turns))
}

/// Starts a yardstick on the server's core.
///
/// # Errors
/// When it can't be started.
pub fn start_yardstick(case: Case) -> Result<YardstickProcess> {
    start_server(|| YardstickProcess::start(case.channels, case.rate)).context("failed to start a yardstick")
}

/// One turn of the yardstick.
///
/// # Errors
/// When it doesn't serve.
pub fn yardstick_turn(case: Case, effort: Effort, yardstick: &mut YardstickProcess) -> Result<Turn> {
    let (address, pid) = (yardstick.address(), yardstick.id());
    serve(case, effort, address, pid, yardstick)
}

/// What turns of one server say.
#[must_use]
pub fn figures(case: Case, server: &str, turns: &[Turn]) -> Vec<Figure> {
    let of = |name: &str, unit: &str, value: fn(&Turn) -> f64| {
        Figure::new(case.name, &format!("{server}: {name}"), unit, turns.iter().map(value).collect())
    };
    vec![
        of("CPU per delivery", "µs", |turn| turn.cpu),
        of("p50", "ms", |turn| turn.latency.p50),
        of("p99", "ms", |turn| turn.latency.p99),
        of("lost, repeated or told missing", "", |turn| turn.faults as f64),
    ]
}
