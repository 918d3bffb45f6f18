//! `events-gateway-operator`: runs gateways on Kubernetes.

mod admin;
mod cli;
mod client;
mod context;
mod controller;
mod failures;
mod image_updates;
mod kafka;
mod kinds;
mod leader;
mod metrics;
mod notices;
mod reset;
mod settings;
mod status_patch;
mod watches;
mod words;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
