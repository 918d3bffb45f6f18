//! `events-gateway-operator`: runs gateways on Kubernetes.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
