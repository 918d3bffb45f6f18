//! `route-test`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use events_gateway_core::Timestamp;
use events_gateway_core::envelope::{explain, explain_command};
use events_gateway_core::record::Record;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{exit, failed, load};
use crate::clock;
use crate::config;
use crate::config::kafka::{Binding, Kind};

/// Largest record file: the largest record that can be configured, in base64.
const MAX_FILE: u64 = 256 << 20;

#[derive(Debug, clap::Args)]
#[command(after_help = r#"The record is a JSON object, all of it optional but topic:
  {"topic": "events", "key": "42", "headers": {"ce_type": "x"}, "value": {"channels": ["user:42"], "data": 1}}
A value that is a JSON string is taken as its text; valueBase64 and keyBase64 hold bytes. timestamp is in ms.

Examples:
  events-gateway route-test --config gateway.yaml --record record.json
  echo '{"topic":"events","value":{"channels":["user:42"],"data":1}}' | events-gateway route-test --config gateway.yaml --record -"#)]
pub(super) struct Options {
    /// The YAML file.
    #[arg(long, short, env = "EVENTS_GATEWAY_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The record; `-` reads it from standard input.
    #[arg(long, value_name = "FILE")]
    record: PathBuf,
    /// The binding that would read it; without it, the one that reads the record's topic.
    #[arg(long)]
    binding: Option<String>,
}

/// A record as a person writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written<'a> {
    topic: String,
    #[serde(default)]
    partition: i32,
    #[serde(default)]
    offset: u64,
    timestamp: Option<u64>,
    key: Option<String>,
    key_base64: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    value_base64: Option<String>,
}

impl Written<'_> {
    fn key(&self) -> Result<Option<Vec<u8>>, String> {
        bytes("key", self.key.clone().map(String::into_bytes), self.key_base64.as_deref())
    }

    fn value(&self) -> Result<Option<Vec<u8>>, String> {
        let value = match self.value.map(RawValue::get) {
            None | Some("null") => None,
            Some(text) => Some(match serde_json::from_str::<String>(text) {
                Ok(text) => text.into_bytes(),
                Err(_) => text.as_bytes().to_vec(),
            }),
        };
        bytes("value", value, self.value_base64.as_deref())
    }
}

fn bytes(name: &str, plain: Option<Vec<u8>>, base64: Option<&str>) -> Result<Option<Vec<u8>>, String> {
    match (plain, base64) {
        (Some(_), Some(_)) => Err(format!("give {name} or {name}Base64, not both")),
        (plain, None) => Ok(plain),
        (None, Some(text)) => STANDARD.decode(text).map(Some).map_err(|error| format!("{name}Base64: {error}")),
    }
}

pub(super) fn test(options: &Options) -> ExitCode {
    let config = match load(&options.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let text = match read(&options.record) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("failed to read the record from {}", options.record.display());
            return failed(&error);
        }
    };
    let written: Written<'_> = match serde_json::from_str(&text) {
        Ok(written) => written,
        Err(error) => return refused(&format!("the record: {error}")),
    };
    let Some(binding) = binding(&config.kafka.bindings, options.binding.as_deref(), &written.topic) else {
        return refused(&format!("no binding reads topic {:?}", written.topic));
    };
    let (key, value) = match (written.key(), written.value()) {
        (Ok(key), Ok(value)) => (key, value),
        (Err(error), _) | (_, Err(error)) => return refused(&error),
    };
    let headers: Vec<(&str, Option<&[u8]>)> =
        written.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))).collect();
    let record = Record {
        topic: &written.topic,
        partition: written.partition,
        offset: written.offset,
        time: written.timestamp.map_or_else(clock::now, Timestamp),
        key: key.as_deref(),
        headers: &headers,
        value: value.as_deref(),
    };
    let decoder = match config::decoder::of(&config, binding.route.as_deref()) {
        Ok(decoder) => decoder,
        Err(error) => return failed(&error),
    };
    let explanation = match binding.kind {
        Kind::Events => explain(&decoder, &record),
        Kind::Commands => explain_command(&decoder, &record),
    };
    println!("binding: {}\n{explanation}", binding.name);
    ExitCode::from(if explanation.outcome.is_ok() { 0 } else { exit::REJECTED })
}

fn binding<'a>(bindings: &'a [Binding], name: Option<&str>, topic: &str) -> Option<&'a Binding> {
    bindings.iter().find(|binding| match name {
        Some(name) => binding.name == name,
        None => binding.topics.iter().any(|bound| bound == topic),
    })
}

fn read(path: &std::path::Path) -> std::io::Result<String> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().take(MAX_FILE).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(MAX_FILE).read_to_string(&mut text)?;
    }
    Ok(text)
}

fn refused(problem: &str) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::from(2)
}
