//! What goes wrong, and how it is undone. Traffic flows meanwhile, unless it says otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use events_gateway_harness::redis::{Cluster, Sentinel};
use rand::Rng as _;
use tokio::time::sleep;

use super::scene::Scene;
use crate::platform::Backing;

/// A drained replica ends within this.
const DRAIN: Duration = Duration::from_secs(60);

/// kill -9, a pause, a new life.
///
/// # Errors
/// When it doesn't come back.
pub async fn kill_a_replica(scene: &mut Scene<'_>) -> Result<()> {
    let victim = scene.victim();
    scene.platform.gateways[victim].kill();
    scene.wait(500, 8_000).await;
    scene.platform.gateways[victim].resume().await
}

/// SIGTERM, its end in good order, a new life.
///
/// # Errors
/// When it doesn't end well or doesn't come back.
pub async fn stop_a_replica(scene: &mut Scene<'_>) -> Result<()> {
    let victim = scene.victim();
    let status = scene.platform.gateways[victim].stop(DRAIN).await?;
    ensure!(status.success(), "a drained replica ended with {status}");
    scene.wait(0, 1_000).await;
    scene.platform.gateways[victim].resume().await
}

/// SIGSTOP for 20 s: its lease runs out and its partitions go to others while its sockets stay open.
///
/// # Errors
/// Never.
pub async fn freeze_a_replica(scene: &mut Scene<'_>) -> Result<()> {
    let victim = scene.victim();
    scene.platform.gateways[victim].freeze();
    sleep(Duration::from_secs(20)).await;
    scene.platform.gateways[victim].thaw();
    Ok(())
}

/// Its connections to Redis are reset, and refused for a while.
///
/// # Errors
/// On a platform without links.
pub async fn cut_a_replica_off(scene: &mut Scene<'_>) -> Result<()> {
    let victim = scene.victim();
    scene.platform.links.get(victim).context("no links")?.cut();
    scene.wait(2_000, 9_000).await;
    scene.platform.links[victim].mend();
    Ok(())
}

/// Its packets to Redis are dropped for a while.
///
/// # Errors
/// On a platform without links.
pub async fn silence_a_link(scene: &mut Scene<'_>) -> Result<()> {
    let victim = scene.victim();
    scene.platform.links.get(victim).context("no links")?.silence();
    scene.wait(2_000, 9_000).await;
    scene.platform.links[victim].mend();
    Ok(())
}

/// kill -9; the append-only file has all that was acknowledged.
///
/// # Errors
/// When it doesn't come back.
pub async fn restart_redis_with_data(scene: &mut Scene<'_>) -> Result<()> {
    scene.platform.server()?.kill();
    scene.wait(100, 3_000).await;
    scene.platform.server()?.resume().await
}

/// SIGSTOP for 5 s: commands time out, of which some are done when it goes on.
///
/// # Errors
/// With another Redis than one server.
pub async fn freeze_redis(scene: &mut Scene<'_>) -> Result<()> {
    scene.platform.server()?.freeze();
    sleep(Duration::from_secs(5)).await;
    scene.platform.server()?.thaw();
    Ok(())
}

/// kill -9, and its files are gone.
///
/// # Errors
/// When it doesn't come back.
pub async fn restart_redis_without_data(scene: &mut Scene<'_>) -> Result<()> {
    scene.platform.server()?.restart_empty().await
}

/// FLUSHALL: the identity stays, the data is gone.
///
/// # Errors
/// When Redis is away.
pub async fn flush_redis(scene: &mut Scene<'_>) -> Result<()> {
    scene.platform.server()?.flush().await
}

/// FLUSHALL when no append would notice.
///
/// # Errors
/// When Redis is away.
pub async fn flush_idle_redis(scene: &mut Scene<'_>) -> Result<()> {
    scene.rest().await?;
    scene.platform.server()?.flush().await?;
    scene.wait(0, 6_000).await;
    scene.flow()
}

/// Back to a snapshot that is older than what is committed, when no append would notice.
///
/// # Errors
/// When Redis doesn't come back.
pub async fn set_idle_redis_back(scene: &mut Scene<'_>) -> Result<()> {
    let snapshot = scene.platform.server()?.snapshot()?;
    sleep(scene.load.age).await;
    scene.rest().await?;
    // Longer than it takes until everything is committed: there is nothing left to be read again by itself.
    sleep(Duration::from_secs(8)).await;
    scene.platform.server()?.restart_from(&snapshot).await?;
    scene.wait(0, 6_000).await;
    scene.flow()
}

/// Redis refuses to announce what it stores, until after the last event: no later announcement shows that one is missing.
///
/// # Errors
/// With another Redis than one server.
pub async fn lose_announcements(scene: &mut Scene<'_>) -> Result<()> {
    let server = scene.platform.server()?;
    let () = server.command(&["ACL", "SETUSER", "default", "-spublish"]).await?;
    sleep(Duration::from_secs(1)).await;
    scene.rest().await?;
    scene.platform.server()?.command(&["ACL", "SETUSER", "default", "+spublish"]).await
}

/// Tells all gateways to stop and waits for their ends.
pub(super) async fn stop_all(scene: &mut Scene<'_>) -> Result<()> {
    for gateway in &mut scene.platform.gateways {
        gateway.terminate();
    }
    for gateway in &mut scene.platform.gateways {
        gateway.wait_for_end(DRAIN).await?;
    }
    Ok(())
}

/// SIGTERM, a pause, a new life.
///
/// # Errors
/// When it doesn't come back.
pub async fn restart_kafka(scene: &mut Scene<'_>) -> Result<()> {
    scene.platform.kafka.restart().await
}

/// kill -9, a pause, a new life.
///
/// # Errors
/// When it doesn't come back.
pub async fn kill_kafka(scene: &mut Scene<'_>) -> Result<()> {
    scene.platform.kafka.kill();
    scene.wait(100, 3_000).await;
    scene.platform.kafka.resume().await
}

/// When all is read, the topic is deleted and created again: its offsets start over, and so do the leader epochs that a
/// broker's restart had raised.
///
/// # Errors
/// When the broker refuses.
pub async fn create_the_topic_again(scene: &mut Scene<'_>) -> Result<()> {
    scene.platform.kafka.restart().await?;
    scene.rest().await?;
    let (topic, partitions) = (scene.platform.topic().to_owned(), scene.platform.partitions);
    scene.platform.kafka.delete_topic(&topic).await?;
    scene.wait(0, 3_000).await;
    scene.platform.kafka.create_topic(&topic, partitions).await?;
    scene.flow()
}

/// When all is read, the gateways are stopped, the group's offsets set back by hand, and the gateways started.
///
/// # Errors
/// When the broker refuses, or a gateway doesn't end or come back.
pub async fn reset_offsets(scene: &mut Scene<'_>) -> Result<()> {
    let offsets = stop_and_choose_offsets(scene).await?;
    let (group, topic) = (scene.platform.config.group(), scene.platform.topic().to_owned());
    scene.platform.kafka.reset_offsets(&group, &topic, &offsets).await?;
    revive_and_replay(scene).await
}

/// When all is read, stops the gateways and chooses of each partition the offset from which its records are to come again.
pub(super) async fn stop_and_choose_offsets(scene: &mut Scene<'_>) -> Result<Vec<(i32, i64)>> {
    scene.rest().await?;
    stop_all(scene).await?;
    let topic = scene.platform.topic().to_owned();
    let mut offsets = BTreeMap::new();
    for partition in 0..scene.platform.partitions {
        let (first, end) = scene.platform.kafka.watermarks(&topic, partition).await?;
        offsets.insert(partition, (end - scene.random.random_range(0..=60)).max(first));
    }
    let replayed = scene.expect_replay(&offsets);
    ensure!(replayed > 0, "nothing is to be read again");
    Ok(offsets.into_iter().collect())
}

/// Starts the gateways; what is read again comes before what is new.
pub(super) async fn revive_and_replay(scene: &mut Scene<'_>) -> Result<()> {
    scene.platform.revive().await?;
    scene.rest().await?;
    scene.flow()
}

/// The primary is killed with a tail that its replica lacks; Sentinels promote the replica, the old one follows it.
///
/// # Errors
/// When nobody is promoted.
pub async fn fail_over(scene: &mut Scene<'_>) -> Result<()> {
    let tail = Duration::from_millis(scene.random.random_range(50..=800));
    sentinel(scene)?.fail_over_losing(sleep(tail)).await?;
    scene.wait(500, 3_000).await;
    sentinel(scene)?.revive().await
}

/// The primary is frozen, its replica promoted, and the old one goes on as if nothing had been: whoever still writes to it
/// writes what will be lost.
///
/// # Errors
/// When nobody is promoted, or the old primary doesn't become a replica.
pub async fn split_redis(scene: &mut Scene<'_>) -> Result<()> {
    let pause = Duration::from_millis(scene.random.random_range(0..=2_000));
    sentinel(scene)?.fail_over_frozen(sleep(pause)).await
}

/// The slots of ten channels move to other primaries, each staying half moved for a while.
///
/// # Errors
/// When a server refuses.
pub async fn move_slots(scene: &mut Scene<'_>) -> Result<()> {
    let prefix = format!("{}:", scene.platform.config.suite);
    let channels: Vec<String> = scene.some_channels(10);
    for channel in channels {
        let pause = Duration::from_millis(scene.random.random_range(0..=500));
        let cluster = cluster(scene)?;
        let slot = cluster.slot(&format!("{prefix}{{{channel}}}:meta")).await?;
        let target = (cluster.holder(slot).await? + 1) % cluster.servers().len();
        cluster.move_slot(slot, target, sleep(pause)).await?;
    }
    cluster(scene)?.wait_for_agreement().await
}

/// One primary is killed and comes back with its data; the others' channels flow on.
///
/// # Errors
/// When it doesn't come back.
pub async fn restart_a_primary(scene: &mut Scene<'_>) -> Result<()> {
    let servers = cluster(scene)?.servers().len();
    let victim = scene.random.random_range(0..servers);
    cluster(scene)?.server(victim).kill();
    scene.wait(100, 3_000).await;
    cluster(scene)?.server(victim).resume().await?;
    cluster(scene)?.wait_for_agreement().await
}

/// One primary loses its keys; it keeps its place in the Cluster.
///
/// # Errors
/// When it is away.
pub async fn empty_a_primary(scene: &mut Scene<'_>) -> Result<()> {
    let servers = cluster(scene)?.servers().len();
    let victim = scene.random.random_range(0..servers);
    cluster(scene)?.server(victim).flush().await
}

fn sentinel<'a>(scene: &'a mut Scene<'_>) -> Result<&'a mut Sentinel> {
    match &mut scene.platform.redis {
        Backing::Sentinel(sentinel) => Ok(sentinel),
        _ => anyhow::bail!("this platform has no Sentinels"),
    }
}

fn cluster<'a>(scene: &'a mut Scene<'_>) -> Result<&'a mut Cluster> {
    match &mut scene.platform.redis {
        Backing::Cluster(cluster) => Ok(cluster),
        _ => anyhow::bail!("this platform has no Cluster"),
    }
}
