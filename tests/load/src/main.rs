//! `load`: see the library's documentation and docs/benchmarks.md.

use clap::Parser as _;
use events_gateway_load::arguments::Arguments;

fn main() -> anyhow::Result<()> {
    events_gateway_load::run(Arguments::parse())
}
