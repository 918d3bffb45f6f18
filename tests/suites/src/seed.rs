//! Randomness that can be repeated.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// Repeats a run.
const SEED: &str = "EVENTS_GATEWAY_SEED";

/// The seed that is asked for, or a new one; printed, so that a failure can be repeated.
#[must_use]
pub fn printed() -> StdRng {
    StdRng::seed_from_u64(printed_or(rand::random()))
}

/// The seed that is asked for, or this one; printed, so that a failure can be repeated.
#[must_use]
pub fn printed_or(otherwise: u64) -> u64 {
    let asked = std::env::var(SEED).ok().filter(|text| !text.is_empty());
    let seed = match asked {
        Some(text) => text.parse().unwrap_or_else(|error| panic!("{SEED}={text}: {error}")),
        None => otherwise,
    };
    println!("seed: {SEED}={seed}");
    seed
}
