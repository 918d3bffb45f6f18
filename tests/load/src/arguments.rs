//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::scenario::Effort;

/// Measures Events Gateway beside a server that does the least any server must do.
#[derive(Debug, Parser)]
#[command(name = "load", args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// What to do instead of measuring the gateway.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to measure.
    #[command(flatten)]
    pub run: RunArguments,
}

/// What to measure of the gateway, and where the results go.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// What to measure; everything by default. May be given several times.
    #[cfg(feature = "gateway")]
    #[arg(long = "scenario", value_enum)]
    pub scenarios: Vec<crate::scenario::run::Scenario>,
    /// Where results.json and results.md go.
    #[arg(long, default_value = "target/bench")]
    pub results: PathBuf,
    /// How long and how often.
    #[command(flatten)]
    pub effort: EffortArguments,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measures the yardstick alone: how much the least costs on this machine. Needs nothing else.
    Check {
        /// How long and how often.
        #[command(flatten)]
        effort: EffortArguments,
    },
    /// Renders results, and puts them into a document.
    Report {
        /// The results of a run.
        #[arg(long)]
        results: PathBuf,
        /// The document with the markers between which the table goes.
        #[arg(long)]
        into: Option<PathBuf>,
    },
    /// Is the yardstick: serves on a free port, obeys `start` and `stop` on standard input.
    #[command(hide = true)]
    Yardstick {
        /// How many channels.
        #[arg(long)]
        channels: u32,
        /// How many events a second over all channels.
        #[arg(long)]
        rate: u32,
    },
}

/// How long and how often to measure.
#[derive(Debug, Clone, Copy, Args)]
pub struct EffortArguments {
    /// Turns of each server in comparisons, and repetitions elsewhere.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// How many seconds each turn measures.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
}

impl From<EffortArguments> for Effort {
    fn from(arguments: EffortArguments) -> Self {
        Self { rounds: arguments.rounds, window: Duration::from_secs(arguments.seconds) }
    }
}
