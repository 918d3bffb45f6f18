//! All measurements of the gateway, one after the other.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use super::{Effort, beside, fan_out, filters, identity, idle, ingest, latency, outage, progress, resume};
use crate::figure::{Figure, Target};
use crate::machine;
use crate::report::{self, Report};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Processor time per delivery beside bare epoll: 5,000 clients of one channel.
    OneChannel,
    /// Processor time per delivery beside bare epoll: 9,900 clients of 990 channels.
    ManyChannels,
    /// What filters and views cost.
    Filters,
    /// What it costs to know who clients are.
    Identity,
    /// Kafka to socket over two replicas and Redis.
    Latency,
    /// Memory of idle connections.
    Idle,
    /// Waiting records that one replica works off.
    Ingest,
    /// Clients that come back all at once.
    Resume,
    /// Partitions of a replica that is killed or told to stop.
    Outage,
}

impl Scenario {
    fn measure(self, effort: Effort) -> Result<Vec<Figure>> {
        match self {
            Self::OneChannel => beside::beside(fan_out::ONE_CHANNEL, Some(Target::AtMost(1.6)), effort),
            Self::ManyChannels => beside::beside(fan_out::MANY_CHANNELS, None, effort),
            Self::Filters => {
                let mut figures = filters::filters(filters::Case::Everybody, effort)?;
                figures.extend(filters::filters(filters::Case::Few, effort)?);
                Ok(figures)
            }
            Self::Identity => identity::identity(effort),
            Self::Latency => latency::latency(effort),
            Self::Idle => idle::idle(effort),
            Self::Ingest => ingest::ingest(effort),
            Self::Resume => {
                let mut figures = resume::resume(1, effort)?;
                figures.extend(resume::resume(50, effort)?);
                Ok(figures)
            }
            Self::Outage => outage::outage(effort),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Measures `chosen`, or everything when nothing is chosen; prints the table and writes `results.json` and `results.md` into
/// `directory`.
///
/// # Errors
/// When a scenario could not be measured to its end; all others are, and the table names it. A target that isn't reached
/// is no error.
pub fn run(chosen: &[Scenario], effort: Effort, directory: &Path) -> Result<()> {
    machine::raise_descriptors()?;
    std::fs::create_dir_all(directory).with_context(|| format!("failed to create {}", directory.display()))?;
    let chosen = if chosen.is_empty() { Scenario::value_variants() } else { chosen };
    let mut report = Report {
        date: report::today(),
        machine: machine::description(),
        command: command(std::env::args().skip(1)),
        figures: Vec::new(),
        failures: Vec::new(),
    };
    for scenario in chosen {
        progress(&format!("{} begins", scenario.name()));
        match scenario.measure(effort) {
            Ok(figures) => report.figures.extend(figures),
            Err(error) => {
                progress(&format!("{} failed: {error:#}", scenario.name()));
                let reason = format!("{error:#}");
                let line = reason.lines().next().unwrap_or_default();
                report.failures.push(format!("{}: {line}", scenario.name()));
            }
        }
        // After each, so that an aborted run leaves what it has measured.
        report.save(&directory.join("results.json"))?;
    }
    let table = report.table();
    std::fs::write(directory.join("results.md"), &table).context("failed to write the table")?;
    print!("{table}");
    anyhow::ensure!(report.failures.is_empty(), "{} scenarios could not be measured", report.failures.len());
    Ok(())
}

/// The command that repeats this run.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let arguments = arguments.collect::<Vec<_>>().join(" ");
    match arguments.as_str() {
        "" => "make bench".to_owned(),
        chosen => format!("make bench BENCH=\"{chosen}\""),
    }
}
