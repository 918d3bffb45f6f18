//! Randomness that can be repeated.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// Repeats a run.
const SEED: &str = "EVENTS_GATEWAY_SEED";

/// The seed that is asked for, or a new one; printed, so that a failure can be repeated.
#[must_use]
pub fn printed() -> StdRng {
    let asked = std::env::var(SEED).ok().filter(|text| !text.is_empty());
    let seed = match asked {
        Some(text) => text.parse().unwrap_or_else(|error| panic!("{SEED}={text}: {error}")),
        None => rand::random(),
    };
    println!("seed: {SEED}={seed}");
    StdRng::seed_from_u64(seed)
}
