//! `load`: see the library's documentation and docs/benchmarks.md.

use std::process::ExitCode;

use clap::Parser as _;
use events_gateway_load::arguments::Arguments;

fn main() -> ExitCode {
    match events_gateway_load::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
