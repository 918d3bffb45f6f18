//! `check-config`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::tell;
use crate::config;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Secrets and certificates needn't be readable here.

Example:
  events-gateway check-config --config gateway.yaml --print")]
pub(super) struct Options {
    /// The YAML file.
    #[arg(long, short, env = "EVENTS_GATEWAY_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Prints the effective configuration, defaults and overrides included, without its secrets.
    #[arg(long)]
    print: bool,
}

pub(super) fn check(options: &Options) -> ExitCode {
    match config::check(&options.config, &config::environment()) {
        Ok(config) => {
            if options.print {
                print!("{}", config.to_yaml());
            } else {
                println!("{} is right", options.config.display());
            }
            ExitCode::SUCCESS
        }
        Err(problems) => tell(&options.config.display(), &problems),
    }
}
