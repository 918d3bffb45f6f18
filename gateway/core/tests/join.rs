//! The join of replay and live under every interleaving that a proptest comes up with: appends, commits, lost and late
//! announcements, restarts, lost tails, flushes, tears, trimming, clients that come and go. The glue that a real hub puts
//! around the core is here in its simplest form, and some planted mistakes in it show that the checker sees.

mod join {
    pub(crate) mod client;
    pub(crate) mod server;
    pub(crate) mod world;
}

use join::world::{Op, Plant, World};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

fn op() -> impl Strategy<Value = Op> {
    let replica = || 0usize..2;
    let client = || 0usize..4;
    prop_oneof![
        8 => (0usize..2, 1usize..4).prop_map(|(source, count)| Op::Append { source, count }),
        3 => (0usize..2).prop_map(|source| Op::Commit { source }),
        6 => replica().prop_map(Op::Announce),
        2 => replica().prop_map(Op::LoseAnnouncements),
        3 => replica().prop_map(Op::StartRepair),
        3 => replica().prop_map(Op::EndRepair),
        8 => (client(), 1usize..600).prop_map(|(client, budget)| Op::Pull { client, budget }),
        2 => client().prop_map(Op::ReadPage),
        3 => (client(), replica()).prop_map(|(client, replica)| Op::Reconnect { client, replica }),
        1 => Just(Op::Restart),
        1 => (1usize..6).prop_map(Op::LoseTail),
        1 => Just(Op::Flush),
        1 => (0usize..2, 1usize..3).prop_map(|(source, count)| Op::Tear { source, count }),
        1 => (1usize..6).prop_map(Op::Trim),
        1 => replica().prop_map(Op::Reregister),
        1 => replica().prop_map(Op::Forget),
        1 => (0usize..2).prop_map(|source| Op::Reset { source }),
    ]
}

fn run(ops: &[Op], plant: Plant) -> Result<(), String> {
    let mut world = World::new(plant);
    for op in ops {
        world.apply(op)?;
    }
    world.settle()
}

/// More with `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(5_000)
}

proptest! {
    #![proptest_config(Config { cases: cases(), failure_persistence: None, ..Config::default() })]

    #[test]
    fn nothing_is_lost_repeated_or_reordered_without_a_gap(ops in prop::collection::vec(op(), 1..80)) {
        run(&ops, Plant::None).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn lost_announcements_cost_nothing_where_owners_verify(ops in prop::collection::vec(op(), 1..80)) {
        run(&ops, Plant::AnnouncementsLost).map_err(TestCaseError::fail)?;
    }
}

/// Tries until it is: what chance seldom finds takes long, and is not missed.
fn is_caught(plant: Plant) -> bool {
    let config = Config { cases: 200_000, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    TestRunner::new(config)
        .run(&prop::collection::vec(op(), 1..80), |ops| run(&ops, plant).map_err(TestCaseError::fail))
        .is_err()
}

#[test]
fn a_stale_cursor_accepted_is_caught() {
    assert!(is_caught(Plant::StaleCursorAccepted));
}

#[test]
fn verify_off_is_caught() {
    assert!(is_caught(Plant::VerifyOff));
}

#[test]
fn lost_announcements_are_caught_where_nobody_verifies() {
    assert!(is_caught(Plant::AnnouncementsLostVerifyOff));
}

/// Chance finds this one in about 1 of 10,000 schedules, so here is one.
#[test]
fn a_cursor_that_runs_ahead_of_a_lost_tail_is_caught() {
    let pull = Op::Pull { client: 0, budget: 10_000 };
    let ops = [
        Op::Append { source: 0, count: 2 },
        Op::Append { source: 0, count: 2 },
        Op::Announce(0),
        pull.clone(),
        Op::LoseTail(1),
        // The first two are repeats, the third comes again, the fourth not yet.
        Op::Append { source: 0, count: 3 },
        Op::Announce(0),
        Op::StartRepair(0),
        Op::EndRepair(0),
        pull,
        Op::Reconnect { client: 0, replica: 1 },
    ];
    assert_eq!(run(&ops, Plant::None), Ok(()));
    assert!(run(&ops, Plant::CursorIsPosition).is_err_and(|error| error.starts_with("repeated")));
}

#[test]
fn a_generation_ignored_is_caught() {
    assert!(is_caught(Plant::GenerationIgnored));
}

#[test]
fn a_commit_before_the_append_is_caught() {
    assert!(is_caught(Plant::CommitBeforeAppend));
}

#[test]
fn a_watermark_off_is_caught() {
    assert!(is_caught(Plant::WatermarkOff));
}

#[test]
fn ids_compared_across_sources_are_caught() {
    assert!(is_caught(Plant::IdsAcrossSources));
}
