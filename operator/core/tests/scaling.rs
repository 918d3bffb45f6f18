//! Scaling on a small cluster: a Deployment and its ReplicaSets with Kubernetes' own order of victims, pods that come up,
//! drain and die, rollouts, and an operator that crashes between any two steps and sees pods late. Planted mistakes show
//! that the checker sees.

mod scaling {
    pub(crate) mod cluster;
    pub(crate) mod operator;
    pub(crate) mod pod;
    pub(crate) mod world;
}

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use scaling::world::{Op, Plant, World};

fn op() -> impl Strategy<Value = Op> {
    let pod = || 0usize..8;
    prop_oneof![
        10 => (0usize..9, any::<bool>()).prop_map(|(steps, late)| Op::Operate { steps, late }),
        6 => Just(Op::Deployments),
        6 => Just(Op::ReplicaSets),
        6 => Just(Op::Kubelets),
        8 => (1i64..8).prop_map(Op::Pass),
        2 => (60i64..200).prop_map(Op::Pass),
        3 => (0u32..7).prop_map(Op::Want),
        4 => (pod(), 0u64..300).prop_map(|(pod, clients)| Op::Connect { pod, clients }),
        1 => pod().prop_map(Op::Delete),
        1 => pod().prop_map(Op::Evict),
        1 => pod().prop_map(Op::Crash),
        1 => pod().prop_map(Op::CutOff),
        1 => pod().prop_map(Op::Silence),
        1 => Just(Op::ChangeTemplate),
        1 => Just(Op::RestartRollout),
        1 => Just(Op::Break),
    ]
}

fn at_once() -> impl Strategy<Value = Option<u32>> {
    prop::option::of(1u32..4)
}

fn run(ops: &[Op], at_once: Option<u32>, plant: Plant) -> Result<(), String> {
    let mut world = World::new(4, at_once, plant);
    for op in ops {
        world.apply(op)?;
    }
    world.settle()
}

/// The same schedules at each run; with `PROPTEST_CASES` as many others.
fn config() -> Config {
    let config = Config { failure_persistence: None, ..Config::default() };
    match std::env::var("PROPTEST_CASES") {
        Ok(_) => config,
        Err(_) => Config { cases: 4_000, rng_seed: RngSeed::Fixed(1), ..config },
    }
}

/// What happens to an operator, but to nobody else.
fn calm_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0usize..9, any::<bool>()).prop_map(|(steps, late)| Op::Operate { steps, late }),
        3 => Just(Op::Deployments),
        3 => Just(Op::ReplicaSets),
        3 => Just(Op::Kubelets),
        4 => (1i64..8).prop_map(Op::Pass),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_wanted_is_reached_and_nobody_goes_undrained(
        ops in prop::collection::vec(op(), 1..120),
        at_once in at_once(),
    ) {
        run(&ops, at_once, Plant::None).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn in_calm_weather_the_emptiest_go_and_nobody_else_is_disturbed(
        clients in prop::collection::vec(0u64..300, 1..8),
        wanted in 0u32..8,
        at_once in at_once(),
        ops in prop::collection::vec(calm_op(), 1..80),
    ) {
        let mut world = World::new(u32::try_from(clients.len()).unwrap(), at_once, Plant::None);
        for (pod, clients) in clients.iter().enumerate() {
            world.apply(&Op::Connect { pod, clients: *clients }).map_err(TestCaseError::fail)?;
        }
        world.apply(&Op::Want(wanted)).map_err(TestCaseError::fail)?;
        for op in &ops {
            world.apply(op).map_err(TestCaseError::fail)?;
        }
        world.settle().map_err(TestCaseError::fail)?;
        let mut expected: Vec<u64> = clients.clone();
        expected.sort_unstable();
        expected.truncate(clients.len().saturating_sub(wanted as usize));
        let mut victims = world.victims().to_vec();
        victims.sort_unstable();
        prop_assert_eq!(victims, expected, "clients of the marked, of {:?}", clients);
    }
}

/// Tries until it is: what chance seldom finds takes long, and is not missed.
fn is_caught(plant: Plant) -> bool {
    let config = Config { cases: 100_000, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    TestRunner::new(config)
        .run(&(prop::collection::vec(op(), 1..120), at_once()), |(ops, at_once)| {
            run(&ops, at_once, plant).map_err(TestCaseError::fail)
        })
        .is_err()
}

#[test]
fn lowering_before_the_drain_is_caught() {
    assert!(is_caught(Plant::LowerBeforeDrained));
}

#[test]
fn a_forgotten_mark_is_caught() {
    assert!(is_caught(Plant::MarkForgotten));
}

#[test]
fn a_forgotten_drain_is_caught() {
    assert!(is_caught(Plant::DrainForgotten));
}

#[test]
fn an_order_of_kubernetes_that_is_ignored_is_caught() {
    assert!(is_caught(Plant::OrderIgnored));
}

#[test]
fn a_rollout_that_is_ignored_is_caught() {
    assert!(is_caught(Plant::RolloutIgnored));
}

#[test]
fn a_template_that_is_not_held_is_caught() {
    assert!(is_caught(Plant::TemplateNotHeld));
}

#[test]
fn counting_those_that_went_by_themselves_is_caught() {
    assert!(is_caught(Plant::LostCounted));
}

#[test]
fn draining_more_at_once_than_may_is_caught() {
    assert!(is_caught(Plant::AtOnceIgnored));
}

#[test]
fn marking_at_every_look_is_caught() {
    assert!(is_caught(Plant::MarkedAgain));
}
