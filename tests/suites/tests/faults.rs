//! While a hundred clients read a hundred channels, servers and gateways are killed, frozen, emptied and cut off.
//!
//! In every run: nothing lost without a gap told, nothing out of order, nothing repeated without a gap that says so; and
//! with Redis's data intact no gap and no repeat at all.

use std::time::{Duration, Instant};

use events_gateway_harness::tools;
use events_gateway_suites::faults::scene::Scene;
use events_gateway_suites::faults::{FAULTS, Fault, Load, Mistake, Outcome, PLANTED, Promise, happen};
use events_gateway_suites::platform::{Kind, Plan, Platform};
use events_gateway_suites::table::Table;
use events_gateway_suites::{seed, turn};
use rand::seq::SliceRandom as _;
use serde_json::json;

/// A break number that a fault had raised reaches every replica with its next lease renewal (2 s here): until then it can
/// still tear channels, those of the next fault too.
const AFTERMATH: Duration = Duration::from_secs(3);

const HEADING: [&str; 12] = [
    "fault",
    "may cost",
    "s",
    "produced",
    "received",
    "reconnects",
    "lost",
    "repeated",
    "disorder",
    "stray",
    "gaps told",
    "result",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_is_kept_on_one_redis_server() {
    suffer(Kind::Standalone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_is_kept_under_sentinels() {
    suffer(Kind::Sentinel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_is_kept_on_a_cluster() {
    suffer(Kind::Cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_planted_from_outside_are_caught() {
    let mistakes: Vec<&Mistake> = PLANTED.iter().filter(|mistake| wanted(&mistake.fault)).collect();
    if mistakes.is_empty() || soak(Kind::Standalone).is_some() {
        return;
    }
    let _turn = turn::share().await;
    let mut random = seed::printed();
    let plan = Plan { overlay: json!({ "replica": { "verify": "5m" } }), ..Plan::default() };
    let load = Load { patience: Duration::from_secs(5), ..Load::short() };
    let mut platform = Platform::start("planted", &plan).await.expect("the platform starts");
    for (number, Mistake { fault, shows }) in mistakes.into_iter().enumerate() {
        let mut scene = Scene::new(&mut platform, &mut random, load, number);
        let outcome = happen(fault, &mut scene).await.expect("the mistake can be made");
        let replay = outcome.wrong_replay.as_deref().unwrap_or_default();
        println!("{} ({:.1} s): {} {replay}", fault.name, outcome.took.as_secs_f64(), outcome.verdict);
        assert!(!outcome.keeps(fault.promise) && outcome.shows(*shows), "{}: the checker saw no {shows:?}", fault.name);
    }
}

/// How long the long run lasts with this kind of Redis, if it is asked for.
fn soak(kind: Kind) -> Option<Duration> {
    let minutes = std::env::var("EVENTS_GATEWAY_SOAK_MINUTES").ok()?;
    let minutes: u64 = minutes.parse().unwrap_or_else(|error| panic!("EVENTS_GATEWAY_SOAK_MINUTES={minutes}: {error}"));
    // Two platforms at a time: one server has most faults, the other kinds come one after the other.
    let share = if kind == Kind::Standalone { 60 } else { 30 };
    Some(Duration::from_secs(minutes * share))
}

/// Only faults whose name contains one of these (separated by commas), if it is set.
fn wanted(fault: &Fault) -> bool {
    let Ok(parts) = std::env::var("EVENTS_GATEWAY_FAULT") else {
        return true;
    };
    parts.split(',').any(|part| fault.name.contains(part))
}

async fn suffer(kind: Kind) {
    // A fault is mostly waited for: a second platform fits beside.
    let _turn = turn::share().await;
    let mut random = seed::printed();
    let mut faults: Vec<&Fault> = FAULTS.iter().filter(|fault| fault.redis == kind && wanted(fault)).collect();
    if faults.is_empty() {
        return;
    }
    let (load, until) = match soak(kind) {
        Some(time) => (Load::long(), Some(Instant::now() + time)),
        None => (Load::short(), None),
    };
    let plan = Plan { redis: kind, ..Plan::default() };
    let mut platform = Platform::start("faults", &plan).await.expect("the platform starts");
    let mut table = Table::new(&HEADING);
    let (mut broken, mut number) = (Vec::new(), 0);
    loop {
        faults.shuffle(&mut random);
        for fault in &faults {
            number += 1;
            let outcome = {
                let mut scene = Scene::new(&mut platform, &mut random, load, number);
                happen(fault, &mut scene).await
            };
            let whole = match outcome {
                Ok(outcome) => {
                    let kept = outcome.keeps(fault.promise);
                    println!(
                        "{}: {}{} {}",
                        fault.name,
                        if kept { "kept" } else { "BROKEN" },
                        if outcome.healed { "" } else { ", nothing flows" },
                        outcome.verdict
                    );
                    table.row(row(fault, &outcome, kept));
                    if outcome.verdict.gaps_told() > 0 {
                        tokio::time::sleep(AFTERMATH).await;
                    }
                    if !kept {
                        let replay = outcome.wrong_replay.unwrap_or_default();
                        broken.push(format!("{}: {} {replay}", fault.name, outcome.verdict));
                    }
                    kept
                }
                Err(error) => {
                    println!("{}: {error:#}", fault.name);
                    broken.push(format!("{}: {error:#}", fault.name));
                    false
                }
            };
            if !whole {
                // The next fault is judged by itself, not by what this one has left behind.
                keep_logs(&platform);
                drop(platform);
                platform = Platform::start("faults", &plan).await.expect("the platform starts again");
            }
        }
        if until.is_none_or(|until| Instant::now() >= until) {
            break;
        }
    }
    table.show(&format!("faults-{kind:?}").to_lowercase());
    assert!(broken.is_empty(), "broken:\n{}", broken.join("\n"));
}

/// Keeps what the gateways said of it, in `target/broken`.
fn keep_logs(platform: &Platform) {
    let directory = tools::checkout().join("target/broken");
    let _ = std::fs::create_dir_all(&directory);
    for gateway in &platform.gateways {
        let file = directory.join(format!("{}-{}.log", platform.config.suite, gateway.name()));
        let _ = std::fs::write(&file, gateway.log());
        println!("its log: {}", file.display());
    }
}

fn row(fault: &Fault, outcome: &Outcome, kept: bool) -> Vec<String> {
    let verdict = &outcome.verdict;
    let cost = match fault.promise {
        Promise::Nothing => "nothing",
        Promise::Told => "what is told",
        Promise::Alarm(_) => "gaps without a loss",
        Promise::Replay => "what was asked for",
    };
    let gaps: Vec<String> = verdict.gaps.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let numbers = [
        outcome.took.as_secs(),
        outcome.produced,
        verdict.received,
        verdict.reconnects,
        verdict.lost,
        verdict.repeated,
        verdict.reordered,
        verdict.misdelivered,
    ];
    let mut cells = vec![fault.name.to_owned(), cost.to_owned()];
    cells.extend(numbers.map(|number| number.to_string()));
    cells.push(if gaps.is_empty() { "0".to_owned() } else { gaps.join(", ") });
    cells.push(if kept { "kept" } else { "BROKEN" }.to_owned());
    cells
}
