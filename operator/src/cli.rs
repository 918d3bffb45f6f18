//! The command line.

mod crd;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs gateways on Kubernetes from `EventsGateway` resources.
#[derive(Debug, Parser)]
#[command(name = "events-gateway-operator", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the CustomResourceDefinitions, or writes them into files.
    #[command(after_help = crd::EXAMPLES)]
    Crd(crd::Options),
}

/// Reads the arguments and does what they say.
pub(crate) fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Crd(options) => crd::crd(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
