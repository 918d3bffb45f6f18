//! `render`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use events_gateway_operator_core::{Kind, build, validate};
use serde_json::json;

use super::file::{gateways, surroundings};

pub(super) const EXAMPLES: &str = "Examples:
  events-gateway-operator render gateway.yaml
  events-gateway-operator render gateway.yaml | kubectl diff -f -      what a change would do
  helm template … | events-gateway-operator render -";

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// YAML with EventsGateway resources; - reads standard input.
    file: PathBuf,
    /// The image of gateways that name none.
    #[arg(long, env = "EVENTS_GATEWAY_OPERATOR_GATEWAY_IMAGE", default_value = "events-gateway:latest")]
    gateway_image: String,
}

pub(super) fn render(options: &Options) -> Result<()> {
    let mut documents = Vec::new();
    for gateway in gateways(&options.file)? {
        let name = gateway.metadata.name.clone().unwrap_or_default();
        let validated = match validate(&gateway, &surroundings(&options.gateway_image)) {
            Ok(validated) => validated,
            Err(problems) => {
                problems.iter().for_each(|problem| eprintln!("{name}: {}", problem.text));
                bail!("EventsGateway {name} can't be built");
            }
        };
        for ((kind, _), mut object) in build(&validated) {
            if kind == Kind::Deployment {
                object["spec"]["replicas"] = json!(events_gateway_operator_core::status::wanted(&gateway));
            }
            documents.push(serde_saphyr::to_string(&object)?);
        }
    }
    std::io::stdout().write_all(documents.join("---\n").as_bytes())?;
    Ok(())
}
