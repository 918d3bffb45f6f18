//! `generate`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::failed;
use crate::config::{effective, reference};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where they are written.
    #[arg(long, default_value = "docs", value_name = "DIRECTORY")]
    into: PathBuf,
}

pub(super) fn generate(options: &Options) -> ExitCode {
    let documents = [
        ("configuration.md", reference::page()),
        ("configuration.schema.json", effective::json_schema()),
        ("metrics.md", crate::metrics::table::reference()),
        ("openapi.json", crate::http::public::description::reference()),
        ("openapi-admin.json", crate::http::admin::description::reference()),
    ];
    for (name, text) in documents {
        let path = options.into.join(name);
        if let Err(error) = std::fs::write(&path, text) {
            eprintln!("failed to write {}", path.display());
            return failed(&error);
        }
        println!("{}", path.display());
    }
    ExitCode::SUCCESS
}
