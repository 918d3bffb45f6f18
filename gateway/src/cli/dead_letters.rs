//! `dead-letters`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use events_gateway_core::Timestamp;

use super::{exit, failed, load};
use crate::clock;
use crate::dead_letters::list::{self, Filter, Found};
use crate::dead_letters::redrive;
use crate::gateway::kafka;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  events-gateway dead-letters --config gateway.yaml list --reason unroutable --since 1h
  events-gateway dead-letters --config gateway.yaml list --json | jq .detail
  events-gateway dead-letters --config gateway.yaml redrive --reason refused
  events-gateway dead-letters --config gateway.yaml redrive --only 0:17")]
pub(super) struct Options {
    /// The YAML file: how Kafka is reached, and which topic holds the dead letters.
    #[arg(long, short, env = "EVENTS_GATEWAY_CONFIG", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Prints dead letters, oldest first in each partition.
    List {
        #[command(flatten)]
        which: Which,
        /// One JSON object a line, with headers and value.
        #[arg(long)]
        json: bool,
    },
    /// Produces dead letters to the topics they came from, addressed only to the channels that they still owe.
    Redrive {
        #[command(flatten)]
        which: Which,
        /// Redrives all that the filters leave, without any filter too.
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Only this reason: undecodable, unroutable, oversized, forbidden-type, expression, refused.
    #[arg(long)]
    reason: Option<String>,
    /// Only those written in the last so long: `15m`, `2h`, `1day`.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
    since: Option<Duration>,
    /// Only these records of the dead-letter topic.
    #[arg(long, value_name = "PARTITION:OFFSET", value_parser = coordinates)]
    only: Vec<(i32, u64)>,
    /// At most so many.
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

impl Which {
    fn is_everything(&self) -> bool {
        self.reason.is_none() && self.since.is_none() && self.only.is_empty() && self.limit.is_none()
    }

    fn filter(&self) -> Filter {
        Filter {
            reason: self.reason.clone(),
            since: self.since.map(|since| Timestamp(clock::now().0.saturating_sub(since.as_millis() as u64))),
            only: self.only.clone(),
            limit: self.limit,
            ..Filter::default()
        }
    }
}

fn coordinates(text: &str) -> Result<(i32, u64), String> {
    let (partition, offset) = text.split_once(':').ok_or("expected PARTITION:OFFSET, such as 0:17")?;
    match (partition.parse(), offset.parse()) {
        (Ok(partition), Ok(offset)) => Ok((partition, offset)),
        _ => Err("expected two numbers, such as 0:17".to_owned()),
    }
}

pub(super) fn dead_letters(options: &Options) -> ExitCode {
    let config = match load(&options.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let Some(topic) = &config.kafka.dead_letters else {
        eprintln!("kafka.deadLetters: no dead-letter topic is configured, so none are kept");
        return ExitCode::from(exit::CONFIGURATION);
    };
    let client = match kafka::client(&config) {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let (which, everything_is_meant) = match &options.verb {
        Verb::List { which, .. } => (which, true),
        Verb::Redrive { which, all } => (which, *all),
    };
    if which.is_everything() && !everything_is_meant {
        eprintln!("say which dead letters to redrive, or --all");
        return ExitCode::from(2);
    }
    let found: Vec<Found> = match list::list(&client, topic, &which.filter()) {
        Ok(found) => found,
        Err(error) => return failed(&error),
    };
    match &options.verb {
        Verb::List { json: true, .. } => print!("{}", list::json_lines(&found)),
        Verb::List { .. } => print!("{}", list::table(&found)),
        Verb::Redrive { .. } => match redrive::redrive(&client, &found) {
            Ok(redriven) => {
                println!("{redriven}");
                if !redriven.failed.is_empty() {
                    return ExitCode::from(exit::FAILED);
                }
            }
            Err(error) => return failed(&error),
        },
    }
    ExitCode::SUCCESS
}
