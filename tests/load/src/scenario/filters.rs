//! What filters and views cost: the same deliveries to clients that say what they want, and to clients that get all.

use std::net::SocketAddr;

use anyhow::Result;
use serde_json::{Value, json};

use super::turn::{Turn, turn};
use super::{Effort, OPENING_BOUND, progress};
use crate::arena::{self, Arena};
use crate::event;
use crate::figure::{Figure, Target as Bound};
use crate::machine::{self, Part, start_server};
use crate::process;
use crate::producer::Producer;
use crate::swarm::{Swarm, Target};

const CLIENTS: u32 = 5_000;
/// Distinct filters, each for an equal share of the clients; and three views, beside the raw events.
const FILTERS: u32 = 100;
const VIEWS: [&str; 3] = ["kept", "dropped", "reduced"];

/// Which events are for whom.
#[derive(Debug, Clone, Copy)]
pub enum Case {
    /// Every event is for everybody; each client's filter names another type beside it.
    Everybody,
    /// Every event is for one filter in a hundred.
    Few,
}

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Everybody => "filters and views, an event is for all",
            Self::Few => "filters and views, an event is for 1 in 100",
        }
    }

    /// Streams of events, and events a second over all of them: about ten thousand deliveries a second.
    fn load(self) -> (u32, u32) {
        match self {
            Self::Everybody => (1, 2),
            Self::Few => (FILTERS, 200),
        }
    }

    fn plain(self, address: SocketAddr) -> impl Iterator<Item = Target> {
        let (streams, _) = self.load();
        (0..CLIENTS).map(move |client| Target::new(address, client % streams))
    }

    fn filtered(self, address: SocketAddr) -> impl Iterator<Item = Target> {
        let (streams, _) = self.load();
        (0..CLIENTS).map(move |client| {
            let plain = Target::new(address, client % streams);
            let wanted = match self {
                Self::Everybody => format!("{}&types={},other-{}", plain.query, event::TYPE, client % FILTERS),
                Self::Few => {
                    let (channel, attribute) = (event::SHARED, event::ATTRIBUTE);
                    format!("channels={channel}&attribute.{attribute}={}", event::channel_name(plain.channel))
                }
            };
            // Filters and views in all combinations.
            let view = match (client / FILTERS % 4) as usize {
                0 => String::new(),
                view => format!("&view={}", VIEWS[view - 1]),
            };
            Target { query: wanted + &view, ..plain }
        })
    }
}

/// Views that look into every event and leave what the clients check.
fn views() -> Value {
    let keep = ["/sent", "/channel", "/sequence", "/fill"];
    json!([
        { "name": VIEWS[0], "keep": keep },
        { "name": VIEWS[1], "drop": ["/secret", "/items/*/secret"] },
        { "name": VIEWS[2], "keep": keep, "drop": ["/sequence/x"], "attributes": [event::ATTRIBUTE] },
    ])
}

/// Measures a case with and without, in turns, on one gateway.
///
/// # Errors
/// When a server can't be started or doesn't serve.
pub fn filters(case: Case, effort: Effort) -> Result<Vec<Figure>> {
    machine::run_on(Part::Rest)?;
    let arena = Arena::start()?;
    let gateway = start_server(|| arena.gateway_with("filtering", &json!({ "views": views() })))?;
    let (streams, rate) = case.load();
    let mut plainly = arena.producer(streams, rate)?;
    let mut shared = match case {
        Case::Everybody => None,
        Case::Few => Some(arena.shared_producer(streams, rate)?),
    };
    let serve = |targets: &mut dyn Iterator<Item = Target>, producer: &mut Producer| -> Result<Turn> {
        let pid = arena::id(&gateway)?;
        let mut swarm = Swarm::new()?;
        swarm.open(targets, OPENING_BOUND)?;
        turn(&mut swarm, producer, effort.window, || process::cpu(pid))
    };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 1..=effort.rounds {
        without.push(serve(&mut case.plain(gateway.public()), &mut plainly)?);
        let producer = shared.as_mut().unwrap_or(&mut plainly);
        with.push(serve(&mut case.filtered(gateway.public()), producer)?);
        progress(&format!("{}: round {round} of {}", case.name(), effort.rounds));
    }
    let ratios = with.iter().zip(&without).map(|(with, without)| with.cpu / without.cpu).collect();
    let configured = format!("{CLIENTS} clients, {FILTERS} filters, 3 views and raw events, {rate} events/s of 256 B");
    let ratio = Figure::new(case.name(), "CPU per delivery, times that without", "", ratios);
    let of = |turns: &[Turn], name: &str, unit: &str, value: fn(&Turn) -> f64| {
        Figure::new(case.name(), name, unit, turns.iter().map(value).collect())
    };
    Ok(vec![
        ratio.target(Bound::AtMost(1.3)).note(configured),
        of(&with, "with: CPU per delivery", "µs", |turn| turn.cpu),
        of(&without, "without: CPU per delivery", "µs", |turn| turn.cpu),
        of(&with, "with: p99", "ms", |turn| turn.latency.p99),
        of(&without, "without: p99", "ms", |turn| turn.latency.p99),
        of(&with, "with: lost, repeated or told missing", "", |turn| turn.faults as f64).target(Bound::AtMost(0.0)),
    ])
}
