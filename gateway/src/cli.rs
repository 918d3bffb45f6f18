//! The command line.

mod check_config;
mod dead_letters;
mod dev;
mod generate;
mod route_test;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{Config, Problems};

/// What went wrong, as the exit code tells. 0 is success; clap's own usage errors are 2.
pub mod exit {
    /// It failed while it ran: a port is taken, a task died, Kafka refused.
    pub const FAILED: u8 = 1;
    /// The configuration has problems; all of them were printed.
    pub const CONFIGURATION: u8 = 3;
    /// `route-test`: the record would go to the dead letters.
    pub const REJECTED: u8 = 4;
    /// A second signal ended it before the drain was over.
    pub const ABORTED: u8 = crate::replica::drain::ABORTED;
}

/// Events from Kafka, through Redis, to the browsers they are for.
#[derive(Debug, Parser)]
#[command(
    name = "events-gateway",
    version,
    after_help = "\
Exit codes: 0 done, 1 failed while running, 2 wrong usage, 3 wrong configuration, 4 record rejected (route-test), \
70 aborted by a second signal.

Examples:
  events-gateway dev
  events-gateway check-config --config gateway.yaml
  events-gateway run --config gateway.yaml
  EVENTS_GATEWAY__REDIS__PASSWORD__FILE=/run/secrets/redis events-gateway run --config gateway.yaml"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a replica until SIGTERM or SIGINT drains it; a second signal aborts.
    Run(ConfigFile),
    /// Runs everything in one process, on this machine only, with a page to watch events and a Kafka to produce to.
    Dev(dev::Options),
    /// Checks a configuration and prints every problem at once, each with its place in the file.
    CheckConfig(check_config::Options),
    /// Shows where a record would go, and why.
    RouteTest(route_test::Options),
    /// Lists what could not be delivered, or sends it on its way again.
    DeadLetters(dead_letters::Options),
    /// Writes the generated documents: the configuration's reference and its JSON schema, metrics, OpenAPI of both listeners.
    Generate(generate::Options),
    /// Prints completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The YAML file. Variables `EVENTS_GATEWAY__SECTION__KEY` override its values.
    #[arg(long, short, env = "EVENTS_GATEWAY_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(file) => run::run(&file.config),
        Command::Dev(options) => dev::dev(&options),
        Command::CheckConfig(options) => check_config::check(&options),
        Command::RouteTest(options) => route_test::test(&options),
        Command::DeadLetters(options) => dead_letters::dead_letters(&options),
        Command::Generate(options) => generate::generate(&options),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "events-gateway", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

/// Loads a configuration for a command, with every rule.
fn load(path: &std::path::Path) -> Result<Config, ExitCode> {
    crate::config::load(path, &crate::config::environment()).map_err(|problems| tell(&path.display(), &problems))
}

/// Prints problems, one a line.
fn tell(file: &impl std::fmt::Display, problems: &Problems) -> ExitCode {
    eprintln!("{file} has problems:\n{problems}");
    ExitCode::from(exit::CONFIGURATION)
}

/// Prints an error with what caused it.
fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    let causes = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    let mut texts: Vec<String> = causes.collect();
    texts.dedup();
    eprintln!("events-gateway: {}", texts.join(": "));
    ExitCode::from(exit::FAILED)
}
