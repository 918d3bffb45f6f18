//! Gateways of one Kafka cluster: what an operator that looks at their groups holds open and keeps in memory.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use events_gateway_harness::Kafka;
use serde_json::json;

use super::crowd::Crowd;

/// Gateways.
const COUNT: usize = 20;
/// How long the operator is watched.
const LASTING: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_of_one_cluster_share_a_few_connections_to_its_brokers() -> Result<()> {
    let kafka = Kafka::start().await?;
    kafka.create_topic("events", 12).await?;
    let sections = json!({
        "kafka": { "bootstrap": [kafka.bootstrap()], "bindings": [{ "name": "events", "topics": ["events"] }] },
        "consumption": { "sessionTimeout": "60s" },
    });
    let crowd = Crowd::gather(COUNT, true, &sections).await?;
    let idle = crowd.idle(LASTING).await?;
    let port = kafka.bootstrap().rsplit(':').next().and_then(|port| port.parse().ok()).context("no port")?;
    let connections = connections(crowd.operator.id(), port)?;
    println!("{COUNT} gateways of one broker: {connections} connections; idle: {idle} in {LASTING:?}");
    ensure!((1..=2).contains(&connections), "{connections} connections");
    ensure!(idle.writes < 1.0, "it wrote though nothing changed: {}", crowd.operator.log());
    let errors = crowd.operator.metric("events_gateway_operator_errors_total", &[]).await?;
    ensure!(errors < 1.0, "{errors} errors: {}", crowd.operator.log());
    Ok(())
}

/// The connections to a port of this machine that a process holds.
fn connections(process: u32, port: u16) -> Result<usize> {
    let table = std::fs::read_to_string("/proc/net/tcp").context("no table of connections")?;
    let remote = format!("0100007F:{port:04X}");
    let open = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (words.get(2) == Some(&remote.as_str()) && words.get(3) == Some(&"01")).then(|| words.get(9).copied())?
    });
    let held: BTreeSet<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .context("no such process")?
        .filter_map(|entry| Some(std::fs::read_link(entry.ok()?.path()).ok()?.to_str()?.to_owned()))
        .collect();
    Ok(open.filter(|inode| held.contains(&format!("socket:[{inode}]"))).count())
}
