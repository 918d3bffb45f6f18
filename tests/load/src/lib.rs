//! Load tests: a swarm of cheap clients, a yardstick to compare with, and scenarios that give figures with targets.
//!
//! Nothing of the gateway's own code is used: the clients read what any client would read.

pub mod arguments;
pub mod event;
pub mod figure;
pub mod histogram;
pub mod machine;
pub mod process;
pub mod publisher;
pub mod report;
pub mod scenario;
pub mod swarm;
pub mod yardstick;

use anyhow::{Context as _, Result};

use arguments::{Arguments, Command};
use machine::Part;
use report::Report;
use scenario::fan_out;

/// Does what the command line says.
///
/// # Errors
/// When it can't be done to its end. A target that isn't reached is a result, not an error.
pub fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Check { effort } => {
            machine::raise_descriptors()?;
            machine::run_on(Part::Rest)?;
            let mut figures = fan_out::yardstick(fan_out::ONE_CHANNEL, effort.into())?;
            figures.extend(fan_out::yardstick(fan_out::MANY_CHANNELS, effort.into())?);
            let (date, machine) = (report::today(), machine::description());
            let report = Report {
                date,
                machine,
                command: "load check".to_owned(),
                figures,
                failures: Vec::new(),
            };
            print!("{}", report.table());
            Ok(())
        }
        Command::Report { results, into } => {
            let report = Report::load(&results)?;
            print!("{}", report.table());
            into.map_or(Ok(()), |document| {
                report.fill(&document).context("failed to fill the document")
            })
        }
        Command::Yardstick { channels, rate } => yardstick::run(channels, rate),
    }
}
