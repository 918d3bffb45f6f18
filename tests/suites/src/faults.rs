//! Faults, each a named function, and what must hold of each.

pub mod acts;
pub mod plants;
pub mod scene;

use std::time::Duration;

use anyhow::Result;
use events_gateway_harness::ledger::Verdict;
use futures_util::future::LocalBoxFuture;

use crate::platform::Kind;
use scene::Scene;

/// What a fault may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Nothing: no loss, no repeat, no disorder, no gap.
    Nothing,
    /// Gaps that are told, and repeats after those that say so.
    Told,
    /// Gaps of this reason and nothing else: every event arrives, once. What Kafka may have lost was never produced.
    Alarm(&'static str),
    /// The records that were asked for again, again, exactly; else nothing.
    Replay,
}

/// What goes wrong.
#[derive(Clone, Copy)]
pub struct Fault {
    /// In words.
    pub name: &'static str,
    /// On which Redis.
    pub redis: Kind,
    /// What it may cost.
    pub promise: Promise,
    /// Does it, and undoes it.
    pub act: for<'a> fn(&'a mut Scene<'_>) -> LocalBoxFuture<'a, Result<()>>,
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

/// How much flows while things go wrong.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Clients, and as many channels; each client reads two.
    pub clients: usize,
    /// Records a second.
    pub rate: u32,
    /// How long all is well before the fault, and after it.
    pub calm: Duration,
    /// How long data lies in a snapshot before Redis goes back to it.
    pub age: Duration,
    /// How long clients have to receive what was produced before the checker calls it lost.
    pub patience: Duration,
}

impl Load {
    /// The short run that every change passes.
    #[must_use]
    pub fn short() -> Self {
        Self {
            clients: 100,
            rate: rate(),
            calm: Duration::from_millis(1_500),
            age: Duration::from_secs(3),
            patience: Duration::from_secs(60),
        }
    }

    /// The long run: the same load, older snapshots.
    #[must_use]
    pub fn long() -> Self {
        Self { calm: Duration::from_secs(10), age: Duration::from_secs(120), ..Self::short() }
    }
}

/// 1,000 records a second, unless the environment asks for another load.
fn rate() -> u32 {
    let asked = std::env::var("EVENTS_GATEWAY_RATE").ok();
    asked.map_or(1_000, |text| text.parse().unwrap_or_else(|error| panic!("EVENTS_GATEWAY_RATE={text}: {error}")))
}

/// What came of one fault.
#[derive(Debug)]
pub struct Outcome {
    /// Events produced.
    pub produced: u64,
    /// What the clients saw.
    pub verdict: Verdict,
    /// Whether every client had the last event of its channels in time: gaps excuse what is lost, not that nothing flows.
    pub healed: bool,
    /// Client and channel whose replay wasn't exact.
    pub wrong_replay: Option<String>,
    /// How long it all took.
    pub took: Duration,
}

impl Outcome {
    /// Whether the promise was kept.
    #[must_use]
    pub fn keeps(&self, promise: Promise) -> bool {
        let kept = match promise {
            Promise::Nothing => self.verdict.spotless(),
            Promise::Told => self.verdict.kept(),
            Promise::Alarm(reason) => {
                let Verdict { excused_losses, excused_repeats, ref gaps, .. } = self.verdict;
                self.verdict.kept() && excused_losses + excused_repeats == 0 && gaps.keys().all(|told| told == reason)
            }
            Promise::Replay => {
                let Verdict { lost, reordered, misdelivered, .. } = self.verdict;
                lost + reordered + misdelivered == 0 && self.wrong_replay.is_none()
            }
        };
        kept && self.healed
    }

    /// Whether the checker says so of it.
    #[must_use]
    pub fn shows(&self, sign: Sign) -> bool {
        match sign {
            Sign::Loss => self.verdict.lost > 0,
            Sign::WrongReplay => self.wrong_replay.is_some(),
        }
    }
}

macro_rules! fault {
    ($redis:ident, $promise:expr, $act:ident, $name:literal) => {
        fault!($redis, $promise, acts::$act, $name)
    };
    ($redis:ident, $promise:expr, $place:ident :: $act:ident, $name:literal) => {
        Fault { name: $name, redis: Kind::$redis, promise: $promise, act: |scene| Box::pin($place::$act(scene)) }
    };
}

/// All of them.
pub const FAULTS: &[Fault] = &[
    fault!(Standalone, Promise::Nothing, kill_a_replica, "replica killed and restarted"),
    fault!(Standalone, Promise::Nothing, stop_a_replica, "replica told to stop and restarted"),
    fault!(Standalone, Promise::Nothing, freeze_a_replica, "replica frozen for 20 s"),
    fault!(Standalone, Promise::Nothing, cut_a_replica_off, "replica cut off from Redis"),
    fault!(Standalone, Promise::Nothing, silence_a_link, "replica's link to Redis silent"),
    fault!(Standalone, Promise::Nothing, restart_redis_with_data, "Redis killed and restarted with its data"),
    fault!(Standalone, Promise::Nothing, freeze_redis, "Redis frozen for 5 s"),
    fault!(Standalone, Promise::Told, restart_redis_without_data, "Redis restarted without its data"),
    fault!(Standalone, Promise::Told, flush_redis, "Redis flushed"),
    fault!(Standalone, Promise::Told, flush_idle_redis, "Redis flushed while nothing flows"),
    fault!(Standalone, Promise::Told, set_idle_redis_back, "Redis set back to a snapshot while nothing flows"),
    fault!(Standalone, Promise::Nothing, restart_kafka, "Kafka restarted"),
    fault!(Standalone, Promise::Nothing, kill_kafka, "Kafka killed and restarted"),
    fault!(Standalone, Promise::Alarm("source"), create_the_topic_again, "topic deleted and created again"),
    fault!(Standalone, Promise::Replay, reset_offsets, "group's offsets set back by hand"),
    fault!(Standalone, Promise::Nothing, lose_announcements, "announcements lost as traffic ends"),
    fault!(Sentinel, Promise::Told, fail_over, "Redis failed over, tail lost"),
    fault!(Sentinel, Promise::Told, split_redis, "Redis failed over, the old primary alive"),
    fault!(Sentinel, Promise::Nothing, kill_a_replica, "replica killed and restarted (Sentinel)"),
    fault!(Cluster, Promise::Nothing, move_slots, "Cluster slots moved"),
    fault!(Cluster, Promise::Nothing, restart_a_primary, "a Cluster's primary killed and restarted with its data"),
    fault!(Cluster, Promise::Told, empty_a_primary, "a Cluster's primary flushed"),
];

/// A mistake that a gateway could make.
#[derive(Debug, Clone, Copy)]
pub struct Mistake {
    /// How it is made.
    pub fault: Fault,
    /// How it shows.
    pub shows: Sign,
}

/// What the checker says of a broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Events are lost and no gap told.
    Loss,
    /// What was asked for again doesn't come.
    WrongReplay,
}

macro_rules! mistake {
    ($promise:expr, $place:ident :: $act:ident, $shows:ident, $name:literal) => {
        Mistake { fault: fault!(Standalone, $promise, $place::$act, $name), shows: Sign::$shows }
    };
}

/// Mistakes done to gateways from outside, which the checker must see. The first needs gateways that don't verify.
pub const PLANTED: &[Mistake] = &[
    mistake!(Promise::Nothing, acts::lose_announcements, Loss, "announcements lost, verify off"),
    mistake!(Promise::Nothing, plants::commit_what_nobody_read, Loss, "committed before it was appended"),
    mistake!(Promise::Told, plants::set_redis_back_unnoticed, Loss, "watermark off"),
    mistake!(Promise::Told, plants::accept_stale_cursors, Loss, "stale cursors accepted"),
    mistake!(Promise::Replay, plants::reset_offsets_in_their_generation, WrongReplay, "generation ignored"),
    mistake!(Promise::Nothing, plants::remember_ids_of_another_source, Loss, "ids compared across sources"),
];

/// Lets one fault happen under load and judges.
///
/// # Errors
/// When the fault could not be done or undone, or traffic could not be produced: the run says nothing then.
pub async fn happen(fault: &Fault, scene: &mut Scene<'_>) -> Result<Outcome> {
    let began = std::time::Instant::now();
    scene.begin().await?;
    (fault.act)(scene).await?;
    let healed = scene.end().await?;
    let ledger = scene.ledger();
    Ok(Outcome {
        produced: ledger.total(),
        verdict: scene.readers()?.judge(&ledger)?,
        healed,
        wrong_replay: if fault.promise == Promise::Replay { scene.wrong_replay()? } else { None },
        took: began.elapsed(),
    })
}
