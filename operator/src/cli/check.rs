//! `check`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use events_gateway_operator_core::{schema, validate};
use events_gateway_resources::EventsGateway;
use serde_json::Value;

use super::file::{FileError, name, objects, surroundings};

pub(super) const EXAMPLES: &str = "Examples:
  events-gateway-operator check gateway.yaml           without a cluster; exits with 1 when something is wrong
  events-gateway-operator check samples/*.yaml         files without an EventsGateway are passed over
  helm template … | events-gateway-operator check -";

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// YAML with EventsGateway resources; - reads standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn check(options: &Options) -> Result<()> {
    let (mut wrong, mut found) = (0, 0);
    for file in &options.files {
        let objects = match objects(file) {
            Ok(objects) => objects,
            Err(error @ FileError::Empty { .. }) if options.files.len() > 1 => {
                println!("{error}");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for object in objects {
            found += 1;
            let (problems, name) = (problems(&object), name(&object));
            if problems.is_empty() {
                println!("{}: EventsGateway {name}: nothing is wrong", file.display());
            }
            wrong += problems.len();
            problems.iter().for_each(|problem| println!("{}: EventsGateway {name}: {problem}", file.display()));
        }
    }
    match (found, wrong) {
        (0, _) => bail!("no EventsGateway in these files"),
        (_, 0) => Ok(()),
        (_, 1) => bail!("one thing is wrong"),
        (_, wrong) => bail!("{wrong} things are wrong"),
    }
}

/// First what an API server refuses, then what the operator does.
fn problems(object: &Value) -> Vec<String> {
    let refused = schema::check(object);
    if !refused.is_empty() {
        return refused;
    }
    match serde_json::from_value::<EventsGateway>(object.clone()) {
        Err(error) => vec![error.to_string()],
        Ok(gateway) => match validate(&gateway, &surroundings("image")) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.into_iter().map(|problem| problem.text).collect(),
        },
    }
}
