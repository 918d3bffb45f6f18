//! What the page is told once, and what it asks for again and again.

use serde::Serialize;

use super::Console;
use crate::dev::banner;
use crate::dev::sample::{MAX_PER_SECOND, TYPES};
use crate::http::problem::{Kind, Problem, quote};

/// What stays as long as the process lives.
#[derive(Serialize)]
pub(super) struct Info<'a> {
    version: &'static str,
    kafka: &'a str,
    topic: &'a str,
    events: String,
    metrics: String,
    can_disconnect: bool,
    max_per_second: u32,
    sample_types: [&'static str; TYPES.len()],
    sequence_attribute: &'static str,
    publish: String,
    kcat: String,
}

impl<'a> Info<'a> {
    pub(super) fn of(console: &'a Console) -> Self {
        let (kafka, topic) = (console.publisher.kafka().address(), console.publisher.topic());
        Self {
            version: env!("CARGO_PKG_VERSION"),
            kafka,
            topic,
            events: format!("{}/events", console.path_prefix),
            metrics: format!("{}/metrics", console.admin_url),
            can_disconnect: console.commands.is_some(),
            max_per_second: MAX_PER_SECOND,
            sample_types: TYPES,
            sequence_attribute: crate::dev::SEQUENCE_ATTRIBUTE,
            // The page knows its own origin.
            publish: banner::publish_example("", &console.path_prefix),
            kcat: banner::kcat_example(kafka, topic),
        }
    }
}

/// What changes.
#[derive(Serialize)]
pub(super) struct Status<'a> {
    run: &'a str,
    /// The highest sequence given.
    sent: u64,
    failed: u64,
    per_second: u32,
    /// Types from the asked-for index on, in the order in which they were first seen.
    types: Vec<String>,
}

impl<'a> Status<'a> {
    pub(super) fn of(console: &'a Console, types_from: usize) -> Self {
        Self {
            run: console.publisher.run(),
            sent: console.publisher.numbered(),
            failed: console.publisher.failed(),
            per_second: console.sample.per_second(),
            types: console.types.from(types_from),
        }
    }
}

/// The query's only parameter: how many types the page knows already.
pub(super) fn types_from(query: &str) -> Result<usize, Problem> {
    match query.split_once('=') {
        None if query.is_empty() => Ok(0),
        Some(("types_from", value)) => value
            .parse()
            .map_err(|_| Kind::InvalidParameter.because("types_from is a number of types").about("types_from")),
        _ => {
            let name = query.split('=').next().unwrap_or_default();
            let detail = format!("there is no parameter \"{}\": the parameter is types_from", quote(name));
            Err(Kind::UnknownParameter.because(detail).about(name))
        }
    }
}
