//! A hub, its channels' owners and its streams under random schedules: appends, announcements that get lost, replicas cut off
//! from the backlog, a backlog that restarts, is put back or flushed, clients that come, read a little, and come back elsewhere.
//!
//! Schedules follow from a printed seed, time is paused; jitter is left to chance. `SEED=…` repeats a schedule, `CASES=…` runs
//! more of them.

mod hub_simulation {
    pub(crate) mod reader;
    pub(crate) mod world;
}

use hub_simulation::world::{Plant, World};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// What the environment says, or else `default`.
fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// One schedule; the error is what a client saw that it must not see.
fn run(seed: u64, plant: Plant) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut random = StdRng::seed_from_u64(seed);
        let mut world = World::new(plant);
        for _ in 0..random.random_range(20..120) {
            world.step(&mut random).await?;
        }
        world.settle().await
    })
}

#[test]
fn nothing_is_lost_repeated_or_reordered_without_a_gap() {
    let seed = asked("SEED", rand::random());
    println!("SEED={seed}");
    for case in 0..asked("CASES", 300) {
        let seed = seed.wrapping_add(case);
        run(seed, Plant::None).unwrap_or_else(|error| panic!("SEED={seed} CASES=1: {error}"));
    }
}

/// Whether any of so many schedules shows it; they are always the same.
fn is_caught(plant: Plant) -> bool {
    (0..300).any(|seed| run(seed, plant).is_err())
}

#[test]
fn announcements_lost_where_nobody_verifies_are_caught() {
    assert!(is_caught(Plant::VerifyOff));
}

#[test]
fn clients_that_forget_their_cursor_are_caught() {
    assert!(is_caught(Plant::CursorForgotten));
}

#[test]
fn a_consumer_that_does_not_go_back_for_a_lost_tail_is_caught() {
    assert!(is_caught(Plant::WatermarkOff));
}
