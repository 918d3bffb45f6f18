//! `check`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use events_gateway_operator_core::validate;

use super::file::{gateways, surroundings};

pub(super) const EXAMPLES: &str = "Examples:
  events-gateway-operator check gateway.yaml           without a cluster; exits with 1 when something is wrong
  helm template … | events-gateway-operator check -";

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// YAML with EventsGateway resources; - reads standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn check(options: &Options) -> Result<()> {
    let mut wrong = 0;
    for file in &options.files {
        for gateway in gateways(file)? {
            let name = gateway.metadata.name.clone().unwrap_or_default();
            match validate(&gateway, &surroundings("image")) {
                Ok(_) => println!("{}: EventsGateway {name}: nothing is wrong", file.display()),
                Err(problems) => {
                    wrong += problems.len();
                    let lines = problems.iter();
                    lines.for_each(|problem| println!("{}: EventsGateway {name}: {}", file.display(), problem.text));
                }
            }
        }
    }
    match wrong {
        0 => Ok(()),
        1 => bail!("one thing is wrong"),
        wrong => bail!("{wrong} things are wrong"),
    }
}
