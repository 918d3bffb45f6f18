//! What each step took and cost, printed as it goes and kept as a table.

use std::time::{Duration, Instant};

use anyhow::Result;
use events_gateway_suites::table::Table;

use super::readers::most_within;
use super::scene::{Load, Scene};
use super::steps::Act;

const HEADING: [&str; 13] = [
    "step",
    "s",
    "produced",
    "per s",
    "received",
    "lag s",
    "reconnects",
    "closed/s",
    "of 3 s",
    "lost",
    "repeated",
    "disorder",
    "told",
];

/// How many streams more than allowed may be seen closed, on an average of this time: clients on a busy machine see late what
/// was closed in time, and replicas learn of each other once in a second.
const TOLERANCE: f64 = 1.25;
const AVERAGED: Duration = Duration::from_secs(3);

/// The load, from the environment where it says.
impl Load {
    pub(crate) fn asked() -> Self {
        let clients = number("EVENTS_GATEWAY_E2E_CLIENTS").unwrap_or(500);
        let rate = number("EVENTS_GATEWAY_E2E_RATE").unwrap_or(500);
        Self { clients, rate: u32::try_from(rate).unwrap_or(u32::MAX), closes_per_second: clients / 5 }
    }
}

fn number(name: &str) -> Option<usize> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

pub(crate) struct Report {
    table: Table,
    load: Load,
    began: Instant,
    broken: Vec<String>,
}

impl Report {
    pub(crate) fn new(load: Load) -> Self {
        println!(
            "{} clients, {} records/s, at most {} streams closed in a second",
            load.clients, load.rate, load.closes_per_second
        );
        Self { table: Table::new(&HEADING), load, began: Instant::now(), broken: Vec::new() }
    }

    /// Takes a step and judges what the clients saw of it.
    pub(crate) async fn step(
        &mut self,
        name: &str,
        scene: &mut Scene,
        act: for<'a> fn(&'a mut Scene) -> Act<'a>,
    ) -> Result<()> {
        let began = Instant::now();
        let told = act(scene).await?;
        let took = began.elapsed();
        let judged = scene.judge().await?;
        let (now, earlier) = (&scene.seen, &judged.earlier);
        let verdict = &now.verdict;
        let drained = &now.drained[earlier.drained.len()..];
        let closed = most_within(drained, Duration::from_secs(1));
        let averaged = most_within(drained, AVERAGED) as f64 / AVERAGED.as_secs_f64();
        let difference = |now: u64, earlier: u64| now.saturating_sub(earlier);
        let numbers = [
            difference(verdict.received, earlier.verdict.received),
            difference(verdict.reconnects, earlier.verdict.reconnects),
        ];
        let flowed = judged.flowed.as_secs_f64();
        let mut cells = vec![
            name.to_owned(),
            format!("{:.1}", took.as_secs_f64()),
            (judged.produced - judged.before).to_string(),
            format!("{:.0}", (judged.produced - judged.before) as f64 / flowed),
        ];
        cells.extend([numbers[0].to_string(), format!("{:.1}", judged.lag.as_secs_f64()), numbers[1].to_string()]);
        cells.extend([closed.to_string(), format!("{averaged:.0}")]);
        cells.extend([verdict.lost, verdict.repeated, verdict.reordered + verdict.misdelivered].map(|n| n.to_string()));
        cells.push(format!("{:?}", verdict.gaps));
        println!(
            "[{:6.1} s] {name}: {:.1} s; {told}; {} reconnects, {closed} closed/s ({averaged:.0} of 3 s); {} clients: {verdict}",
            self.began.elapsed().as_secs_f64(),
            took.as_secs_f64(),
            numbers[1],
            judged.clients,
        );
        self.table.row(cells);
        if !verdict.spotless() {
            self.broken.push(format!("{name}: {verdict}"));
        }
        if averaged > self.load.closes_per_second as f64 * TOLERANCE {
            self.broken.push(format!("{name}: {averaged:.0} streams closed in a second"));
        }
        Ok(())
    }

    pub(crate) fn show(&self) {
        self.table.show("e2e");
        println!("in all {:.0} s", self.began.elapsed().as_secs_f64());
    }

    pub(crate) fn is_broken(&self) -> bool {
        !self.broken.is_empty()
    }

    pub(crate) fn broken(&self) -> String {
        self.broken.join("\n")
    }
}
