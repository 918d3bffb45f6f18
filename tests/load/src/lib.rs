//! Load tests: a swarm of cheap clients, a yardstick to compare with, and scenarios that give figures with targets.
//!
//! Nothing of the gateway's own code is used: the clients read what any client would read.

#[cfg(feature = "gateway")]
pub mod arena;
pub mod arguments;
pub mod event;
pub mod figure;
pub mod histogram;
pub mod machine;
pub mod process;
#[cfg(feature = "gateway")]
pub mod producer;
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
    let Some(command) = arguments.command else {
        return measure(arguments.run);
    };
    match command {
        Command::Check { effort } => check(effort.into()),
        Command::Report { results, into } => {
            let report = Report::load(&results)?;
            print!("{}", report.table());
            into.map_or(Ok(()), |document| report.fill(&document).context("failed to fill the document"))
        }
        Command::Yardstick { channels, rate } => yardstick::run(channels, rate),
    }
}

#[cfg(feature = "gateway")]
fn measure(arguments: arguments::RunArguments) -> Result<()> {
    let arguments::RunArguments { scenarios, results, effort } = arguments;
    scenario::run::run(&scenarios, effort.into(), &results)
}

#[cfg(not(feature = "gateway"))]
fn measure(_: arguments::RunArguments) -> Result<()> {
    anyhow::bail!("built without the feature `gateway`: only check and report can be run")
}

/// The yardstick alone, with the clients that the gateway gets.
fn check(effort: scenario::Effort) -> Result<()> {
    machine::raise_descriptors()?;
    machine::run_on(Part::Rest)?;
    let mut figures = fan_out::yardstick(fan_out::ONE_CHANNEL, effort)?;
    figures.extend(fan_out::yardstick(fan_out::MANY_CHANNELS, effort)?);
    let (date, machine) = (report::today(), machine::description());
    let report = Report { date, machine, command: "load check".to_owned(), figures, failures: Vec::new() };
    print!("{}", report.table());
    Ok(())
}
