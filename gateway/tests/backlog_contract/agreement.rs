//! Memory and Redis do the same with the same random calls, through restarts and losses.

use std::sync::Arc;

use events_gateway::backlog::{Batch, Breaks, Placed};
use events_gateway_core::source::{Generation, SourceId};
use events_gateway_core::{Channel, Position};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::durable::changed_data_set;
use crate::suite::{batch, channel, from, token};
use crate::world::{Ear, Keep, Limits, Memory, Mortal, Ports, Standalone};

/// One random call.
#[derive(Debug, Clone)]
enum Call {
    Append { channel: usize, partition: i32, generation: u64, breaks: Breaks, events: Vec<(u64, Option<u8>)> },
    Register { channel: usize, breaks: Breaks },
    Keep { channel: usize },
    Read { channel: usize },
    Snapshot,
    Restart(Keep),
    Flush,
}

/// Of up to two groups.
fn breaks(random: &mut StdRng, likely: f64) -> Breaks {
    let mut breaks = Breaks::default();
    for group in ["a", "b"] {
        if random.random_bool(likely) {
            breaks = breaks.raised(group, random.random_range(0..9)).unwrap_or(breaks);
        }
    }
    breaks
}

fn call(random: &mut StdRng) -> Call {
    let channel = random.random_range(0..2);
    match random.random_range(0..100) {
        0..60 => {
            let first = random.random_range(0..40);
            let events = (0..random.random_range(1..8))
                .map(|step| {
                    (
                        first + step * random.random_range(1..3),
                        random.random_bool(0.4).then(|| random.random_range(0..6)),
                    )
                })
                .collect::<Vec<_>>();
            let mut places = events;
            places.sort_by_key(|(place, _)| *place);
            places.dedup_by_key(|(place, _)| *place);
            Call::Append {
                channel,
                partition: random.random_range(0..2),
                generation: random.random_range(1..4),
                breaks: breaks(random, 0.1),
                events: places,
            }
        }
        60..75 => Call::Register { channel, breaks: breaks(random, 0.2) },
        75..80 => Call::Keep { channel },
        80..92 => Call::Read { channel },
        92..95 => Call::Snapshot,
        95 => Call::Flush,
        96 => Call::Restart(Keep::Nothing),
        97 => Call::Restart(Keep::Snapshot),
        _ => Call::Restart(Keep::Everything),
    }
}

/// What can be compared: positions depend on clocks, their order and contiguity within epochs doesn't.
async fn perform(world: &mut dyn Mortal, ports: &Arc<dyn Ports>, channels: &[Channel], call: &Call) -> String {
    match call {
        Call::Append { channel, partition, generation, breaks, events } => {
            let source = SourceId::new("b", "t", *partition);
            let events = events
                .iter()
                .map(|(place, once)| Placed { once: once.map(|id| id.to_string()), ..from(&source, *place) })
                .collect();
            let data_set = ports.data_set().await.unwrap();
            let given = Batch {
                source,
                generation: Generation(*generation),
                breaks: breaks.clone(),
                ..batch(&channels[*channel], &data_set, events)
            };
            let appended = ports.append(given).await.unwrap();
            format!("{} stored, {} repeats", appended.stored, appended.repeats)
        }
        Call::Register { channel, breaks } => {
            let standing = ports.register(&channels[*channel], &token("r", 1), breaks).await.unwrap();
            shape(standing.epochs.as_slice())
        }
        Call::Keep { channel } => format!("{:?}", ports.keep(&channels[*channel]).await),
        Call::Read { channel } => {
            let page = ports.read(&channels[*channel], Position(0), 10_000).await.unwrap();
            let epochs = page.standing.epochs.as_slice();
            let place = |position: &Position| {
                epochs.iter().position(|epoch| epoch.start <= *position && *position <= epoch.end)
            };
            let entries: Vec<_> =
                page.entries.iter().map(|(position, event)| (place(position), event.origin.place)).collect();
            format!("{} {entries:?}", shape(epochs))
        }
        Call::Snapshot => {
            world.snapshot();
            String::new()
        }
        Call::Flush => {
            world.flush();
            String::new()
        }
        Call::Restart(keep) => {
            let before = ports.data_set().await.unwrap();
            world.restart(*keep);
            changed_data_set(ports, &before).await;
            String::new()
        }
    }
}

fn shape(epochs: &[events_gateway_core::Epoch]) -> String {
    let each: Vec<_> = epochs.iter().map(|epoch| (epoch.end.0 + 1 - epoch.start.0, epoch.torn)).collect();
    format!("{each:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_redis_do_the_same() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut memory, mut redis) = (Memory::start(), Standalone::start());
    let clients =
        [&memory as &dyn Mortal, &redis].map(|world| world.connect(Limits::default(), Arc::new(Ear::default())));
    let channels = [channel("agree:0"), channel("agree:1")];
    memory.snapshot();
    redis.snapshot();
    let mut history = Vec::new();
    for _ in 0..400 {
        let call = call(&mut random);
        let expected = perform(&mut redis, &clients[1], &channels, &call).await;
        let found = perform(&mut memory, &clients[0], &channels, &call).await;
        history.push(format!("{call:?} -> {expected}"));
        let recent = || history[history.len().saturating_sub(12)..].join("\n");
        assert_eq!(found, expected, "memory, then redis; SEED={seed}, the last calls:\n{}", recent());
    }
}
