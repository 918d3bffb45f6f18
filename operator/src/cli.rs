//! The command line.

mod check;
mod crd;
mod file;
mod generate;
mod render;
mod run;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::settings::Settings;

/// The program's name.
const NAME: &str = "events-gateway-operator";

/// Runs gateways on Kubernetes from `EventsGateway` resources.
#[derive(Debug, Parser)]
#[command(name = NAME, version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Looks after the gateways of a cluster.
    #[command(after_help = run::EXAMPLES)]
    Run(Box<Settings>),
    /// Says what is wrong with resources in files, without a cluster.
    #[command(after_help = check::EXAMPLES)]
    Check(check::Options),
    /// Prints the objects that would be made of resources in files.
    #[command(after_help = render::EXAMPLES)]
    Render(render::Options),
    /// Looks whether an operator that was installed works: its pods are ready and its definitions are served.
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Options),
    /// Prints the CustomResourceDefinitions, or writes them into files.
    #[command(after_help = crd::EXAMPLES)]
    Crd(crd::Options),
    /// Prints a script that completes this command's arguments.
    #[command(
        after_help = "Example:\n  events-gateway-operator completions bash > /etc/bash_completion.d/events-gateway-operator"
    )]
    Completions {
        /// For which shell.
        shell: Shell,
    },
    /// Writes the documentation that is made from the code; for contributors, in a checkout.
    #[command(hide = true)]
    Generate,
}

/// Reads the arguments and does what they say.
pub(crate) fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(settings) => run::run(*settings),
        Command::Check(options) => check::check(&options),
        Command::Render(options) => render::render(&options),
        Command::Verify(options) => verify::verify(&options),
        Command::Crd(options) => crd::crd(&options).map_err(anyhow::Error::from),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut std::io::stdout());
            Ok(())
        }
        Command::Generate => generate::generate(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
