//! Mistakes that a gateway could make, done to it from outside.

use std::time::Duration;

use anyhow::{Result, ensure};
use events_gateway_harness::kafka::admin::Record;
use events_gateway_harness::redis::Server;
use events_gateway_harness::{Gateway, wait};
use futures_util::future::try_join_all;
use serde_json::json;
use tokio::time::sleep;

use super::acts::{revive_and_replay, stop_all, stop_and_choose_offsets};
use super::scene::Scene;
use crate::platform::Backing;
use crate::traffic::{id_of, identified};

/// How long gateways have to append or commit what was produced.
const BOUND: Duration = Duration::from_secs(30);
/// How long events flow that some clients don't hear of.
const UNHEARD: Duration = Duration::from_millis(500);
/// Of each channel, how many ids of events to come are taken for sent already.
const FORESEEN: u64 = 5;

/// Records come while no gateway runs, and are committed and marked as gateways do with what they have appended.
///
/// # Errors
/// When the broker refuses, Redis is away, or a gateway doesn't end or come back.
pub async fn commit_what_nobody_read(scene: &mut Scene<'_>) -> Result<()> {
    scene.rest().await?;
    stop_all(scene).await?;
    scene.flow()?;
    sleep(UNHEARD).await;
    scene.hush().await?;
    let (group, topic) = (scene.platform.config.group(), scene.platform.topic().to_owned());
    let mut ends = Vec::new();
    for partition in 0..scene.platform.partitions {
        ends.push((partition, scene.platform.kafka.watermarks(&topic, partition).await?.1));
    }
    // Offsets beyond the watermark, or set by hand, would be noticed.
    let server = scene.platform.server()?;
    for (key, fields) in marks(server).await? {
        for field in fields.iter().step_by(2) {
            for (_, end) in ends.iter().filter(|(partition, _)| field.ends_with(&format!("/{partition}"))) {
                let () = server.command(&["HSET", &key, field, &end.to_string()]).await?;
            }
        }
    }
    scene.platform.kafka.forge_offsets(&group, &topic, &ends).await?;
    scene.platform.revive().await?;
    scene.flow()
}

/// Redis goes back to a snapshot older than what is committed, and still has the newest watermark, so that nobody notices.
/// What came after the snapshot is lost to clients who were away meanwhile.
///
/// # Errors
/// When Redis doesn't come back, or nothing is committed in time.
pub async fn set_redis_back_unnoticed(scene: &mut Scene<'_>) -> Result<()> {
    scene.rest().await?;
    let snapshot = scene.platform.server()?.snapshot()?;
    scene.entrance()?.cut();
    scene.flow()?;
    sleep(UNHEARD).await;
    scene.hush().await?;
    wait_until_committed(scene).await?;
    scene.platform.gateways.iter_mut().for_each(Gateway::freeze);
    let server = scene.platform.server()?;
    let marks = marks(server).await?;
    server.restart_from(&snapshot).await?;
    for (key, fields) in &marks {
        let mut command = vec!["HSET", key];
        command.extend(fields.iter().map(String::as_str));
        let () = server.command(&command).await?;
    }
    scene.platform.gateways.iter_mut().for_each(Gateway::thaw);
    scene.entrance()?.mend();
    scene.flow()
}

/// Clients are away while events are appended that Redis then forgets; their cursors count as the proven end of the epoch
/// before.
///
/// # Errors
/// When Redis is away, or nothing is appended in time.
pub async fn accept_stale_cursors(scene: &mut Scene<'_>) -> Result<()> {
    scene.rest().await?;
    let cursors = heads(scene).await?;
    let before = scene.ledger();
    scene.entrance()?.cut();
    scene.flow()?;
    sleep(UNHEARD).await;
    scene.hush().await?;
    let ledger = scene.ledger();
    let expected: Vec<u64> = scene
        .channels()
        .iter()
        .zip(&cursors)
        .map(|(channel, cursor)| cursor + ledger.produced(channel) - before.produced(channel))
        .collect();
    let appended = || async { Ok((heads(scene).await? == expected).then_some(())) };
    wait::until("the events in Redis", BOUND, appended).await?;
    // In one script, so that nobody sees half of it.
    let forget = "for i = 2, #ARGV, 2 do
        local key = ARGV[1] .. '{' .. ARGV[i] .. '}'
        local past, epoch, last, torn = unpack(redis.call('HMGET', key .. ':meta', 'past', 'epoch', 'last', 'torn'))
        past = past and past .. ';' or ''
        local start = last + 2 ^ 20
        redis.call('HSET', key .. ':meta', 'past', past .. epoch .. ',' .. ARGV[i + 1] .. ',' .. torn,
          'epoch', string.format('%.0f', start), 'last', string.format('%.0f', start - 1), 'torn', '')
        redis.call('DEL', key .. ':backlog')
      end
      return {}";
    let mut arguments = Vec::new();
    for (channel, cursor) in scene.channels().iter().zip(&cursors) {
        arguments.extend([channel.clone(), cursor.to_string()]);
    }
    evaluate(scene, forget, &arguments).await?;
    scene.entrance()?.mend();
    scene.flow()
}

/// When all is read, the gateways are stopped, the group's offsets set back in the generation in which they had been
/// committed, and the gateways started: what is read again counts as repeated.
///
/// # Errors
/// When the broker refuses, or a gateway doesn't end or come back.
pub async fn reset_offsets_in_their_generation(scene: &mut Scene<'_>) -> Result<()> {
    let offsets = stop_and_choose_offsets(scene).await?;
    let (group, topic) = (scene.platform.config.group(), scene.platform.topic().to_owned());
    scene.platform.kafka.forge_offsets(&group, &topic, &offsets).await?;
    revive_and_replay(scene).await
}

/// The ids of events to come are among those that each channel remembers, as if another source had sent the same ones.
///
/// # Errors
/// When the broker refuses or Redis is away, or nothing is appended in time.
pub async fn remember_ids_of_another_source(scene: &mut Scene<'_>) -> Result<()> {
    scene.rest().await?;
    // Ids are remembered hashed: the gateways are to do that, in the meta of a channel that nobody reads.
    let producer = scene.platform.kafka.producer()?;
    let (ledger, topic) = (scene.ledger(), scene.platform.topic());
    let mut sent = Vec::new();
    for channel in scene.channels() {
        let last = ledger.produced(channel);
        for sequence in last + 1..=last + FORESEEN {
            let id = id_of(channel, sequence);
            let envelope = json!({ "type": "foreseen", "channels": [twin(channel)], "data": sequence, "id": id });
            sent.push(producer.enqueue(topic, &Record::json(channel, &envelope))?);
        }
    }
    let expected = sent.len() as u64;
    try_join_all(sent).await?;
    let copy = "local marks = 0
      for i = 2, #ARGV, 2 do
        local fields = redis.call('HGETALL', ARGV[1] .. '{' .. ARGV[i + 1] .. '}:meta')
        for j = 1, #fields, 2 do
          if string.find(fields[j], '^[ir]:') or fields[j] == 'ids' then
            redis.call('HSET', ARGV[1] .. '{' .. ARGV[i] .. '}:meta', fields[j], fields[j + 1])
          end
          if string.find(fields[j], '^i:') then
            marks = marks + 1
          end
        end
      end
      return { marks }";
    let mut arguments = Vec::new();
    for channel in scene.channels() {
        arguments.extend([channel.clone(), twin(channel)]);
    }
    let copied = || async { Ok((evaluate(scene, copy, &arguments).await? == [expected]).then_some(())) };
    wait::until("the ids in Redis", BOUND, copied).await?;
    scene.flow_of(identified)
}

fn twin(channel: &str) -> String {
    format!("{channel}:twin")
}

/// Waits until the group has committed all that was produced.
async fn wait_until_committed(scene: &Scene<'_>) -> Result<()> {
    let (kafka, partitions) = (&scene.platform.kafka, scene.platform.partitions);
    let (group, topic) = (scene.platform.config.group(), scene.platform.topic());
    let mut ends = Vec::new();
    for partition in 0..partitions {
        ends.push(Some(kafka.watermarks(topic, partition).await?.1));
    }
    let committed = || async { Ok((kafka.committed(&group, topic, partitions).await? == ends).then_some(())) };
    wait::until("the commit", BOUND, committed).await
}

/// The watermarks of all groups: key, and fields with their values.
async fn marks(server: &Server) -> Result<Vec<(String, Vec<String>)>> {
    let keys: Vec<String> = server.command(&["KEYS", "*:watermark:*"]).await?;
    let mut marks = Vec::new();
    for key in keys {
        let fields = server.command(&["HGETALL", &key]).await?;
        marks.push((key, fields));
    }
    ensure!(!marks.is_empty(), "no group has a watermark");
    Ok(marks)
}

/// The last position of each channel, in their order.
async fn heads(scene: &Scene<'_>) -> Result<Vec<u64>> {
    let read = "local heads = {}
      for i = 2, #ARGV do
        heads[i - 1] = redis.call('HGET', ARGV[1] .. '{' .. ARGV[i] .. '}:meta', 'last')
      end
      return heads";
    evaluate(scene, read, scene.channels()).await
}

/// Runs a script whose first argument is the prefix of all keys.
async fn evaluate(scene: &Scene<'_>, script: &str, arguments: &[String]) -> Result<Vec<u64>> {
    let Backing::Standalone(server) = &scene.platform.redis else {
        anyhow::bail!("this platform's Redis isn't one server");
    };
    let prefix = format!("{}:", scene.platform.config.suite);
    let mut command = vec!["EVAL", script, "0", &prefix];
    command.extend(arguments.iter().map(String::as_str));
    server.command(&command).await
}
