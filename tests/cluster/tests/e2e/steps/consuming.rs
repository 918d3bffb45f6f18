//! Records that come again because somebody wants it, and a topic that begins anew. What is announced then is checked here and
//! taken out of what the clients saw, so that every other step is judged as strictly as ever.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use events_gateway_cluster::{condition, gateways};
use events_gateway_harness::kafka::admin::Place;
use events_gateway_harness::ledger::Observed;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::e2e::lab::{BOUND, PARTITIONS};
use crate::e2e::manifest::{NAME, TOPIC};
use crate::e2e::readers::Tail;
use crate::e2e::scene::Scene;

/// How much comes again: what was produced in this time, and until the replicas have left the group.
const AGAIN: Duration = Duration::from_secs(3);

/// Every client gets what the plan says once more, each channel's records in order, and then goes on where it was.
pub(crate) async fn reset(scene: &mut Scene) -> Result<String> {
    let since = Timestamp::now().to_string();
    tokio::time::sleep(AGAIN).await;
    let marks = scene.readers()?.marks();
    let path = scene.lab.home.path(gateways::VERSION, "eventsgatewayoffsetresets");
    let spec = json!({ "gateway": NAME, "to": { "position": "Time", "time": since } });
    scene.lab.api.create(&path, &gateways::reset("again", &spec)).await?.success()?;
    let ended =
        |reset: &Value| ["True", "False"].map(Value::from).contains(&condition::of(reset, "Complete")["status"]);
    let reset = scene.lab.api.until(&format!("{path}/again"), "the end of the reset", BOUND, ended).await?;
    ensure!(condition::is_true(&reset, "Complete"), "{:#}", reset["status"]);
    scene.rest(BOUND).await?;

    let plan = plan(&reset)?;
    let announced: i64 = plan.values().map(|(from, to)| from - to).sum();
    ensure!(announced > 0 && reset["status"]["records"] == announced, "{announced}: {:#}", reset["status"]);
    let places = scene.produced.places.clone();
    let (mut clients, mut again) = (0, 0);
    scene.readers()?.each_since(&marks, |tail| {
        for (channel, had) in tail.channels.clone() {
            let places = places.get(&channel).map(Vec::as_slice).unwrap_or_default();
            let (expected, repeated) = expected(places, had, &plan)?;
            let sequences = tail.sequences(&channel);
            ensure!(sequences == expected, "{}, {channel}: {sequences:?}, not {expected:?}", tail.name);
            again += repeated;
            tail.forget_repeats(&channel, had);
        }
        clients += 1;
        Ok(())
    })?;
    ensure!(again > 0, "nothing came again");
    scene.flow()?;
    Ok(format!("{announced} records announced; {clients} clients got theirs once more, {again} deliveries"))
}

/// Of each partition the offset before the reset, and the one that was set.
fn plan(reset: &Value) -> Result<BTreeMap<i32, (i64, i64)>> {
    let partitions = reset["status"]["partitions"].as_array().context("no plan")?.iter();
    partitions
        .map(|one| {
            ensure!(one["done"] == true, "not done: {one}");
            let number = |field: &str| one[field].as_i64().with_context(|| format!("no {field}: {one}"));
            Ok((i32::try_from(number("partition")?)?, (number("from")?, number("to")?)))
        })
        .collect()
}

/// What comes to somebody who `had` so many records of a channel: the rest of what was read before, what is read again, and all
/// that follows. And how many come again.
fn expected(places: &[Place], had: u64, plan: &BTreeMap<i32, (i64, i64)>) -> Result<(Vec<u64>, usize)> {
    let Some(first) = places.first() else { return Ok((Vec::new(), 0)) };
    let (from, to) = *plan.get(&first.partition).context("a partition that isn't in the plan")?;
    let before = |offset: i64| places.iter().take_while(|place| place.offset < offset).count() as u64;
    let (all, read, begin) = (places.len() as u64, before(from), before(to));
    let again = begin + 1..=read;
    let repeated = again.clone().count();
    Ok(((had + 1..=read).chain(again).chain(read + 1..=all).collect(), repeated))
}

/// When all is read, the topic is deleted and made again. What the old one still held nobody can know, so each channel is told
/// of a gap; nothing is lost.
pub(crate) async fn recreate_the_topic(scene: &mut Scene) -> Result<String> {
    scene.rest(BOUND).await?;
    let marks = scene.readers()?.marks();
    scene.lab.servers.kafka.delete_topic(TOPIC).await?;
    scene.lab.servers.kafka.create_topic(TOPIC, PARTITIONS).await?;
    scene.flow()?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    scene.rest(BOUND).await?;
    let lag = scene.lag;
    let ledger = scene.produced.ledger.clone();
    let mut gaps = 0;
    scene.readers()?.each_since(&marks, |tail| {
        for (channel, had) in tail.channels.clone() {
            let (sequences, told) = (tail.sequences(&channel), tail.gaps(&channel));
            let expected: Vec<u64> = (had + 1..=ledger.produced(&channel)).collect();
            ensure!(sequences == expected, "{}, {channel}: {sequences:?}, not {expected:?}", tail.name);
            ensure!(!told.is_empty() && told.iter().all(|reason| reason == "source"), "{}: {told:?}", tail.name);
            gaps += told.len();
        }
        tail.observed.retain(|seen| !matches!(seen, Observed::Gap { .. }));
        Ok(())
    })?;
    scene.flow()?;
    let each = gaps as f64 / (2 * scene.load.clients) as f64;
    Ok(format!("all delivered {:.1} s after the last record; {each:.1} gaps told per channel", lag.as_secs_f64()))
}

impl Tail {
    /// The numbers of a channel's events, in the order in which they came.
    fn sequences(&self, channel: &str) -> Vec<u64> {
        let of = |seen: &Observed| match seen {
            Observed::Event { channel: other, sequence } if other == channel => Some(*sequence),
            _ => None,
        };
        self.observed.iter().filter_map(of).collect()
    }

    /// Why each gap of a channel was told.
    fn gaps(&self, channel: &str) -> Vec<String> {
        let of = |seen: &Observed| match seen {
            Observed::Gap { channel: other, reason, .. } if other == channel => Some(reason.clone()),
            _ => None,
        };
        self.observed.iter().filter_map(of).collect()
    }

    /// Keeps of a channel's events only those that carry it on.
    fn forget_repeats(&mut self, channel: &str, had: u64) {
        let mut last = had;
        self.observed.retain(|seen| match seen {
            Observed::Event { channel: other, sequence } if other == channel => {
                let is_next = *sequence == last + 1;
                last += u64::from(is_next);
                is_next
            }
            _ => true,
        });
    }
}
