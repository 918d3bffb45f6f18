//! `events-gateway`: see `events-gateway --help`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    events_gateway::cli::main()
}
