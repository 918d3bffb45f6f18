//! How soon a change is seen to, and what it costs to wait for one.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::crowd::Crowd;

/// Gateways in CI.
const FEW: usize = 20;

fn count() -> usize {
    std::env::var("EVENTS_GATEWAY_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(FEW)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_gateways_are_seen_to_soon_and_cost_little_when_nothing_happens() -> Result<()> {
    let count = count();
    let crowd = Crowd::gather(count, false, &json!({})).await?;
    // Shorter where only the writes are of interest.
    let lasting = Duration::from_secs(if count > FEW { 120 } else { 20 });
    let idle = crowd.idle(lasting).await?;
    println!("idle: {idle} in {lasting:?}");
    ensure!(idle.writes < 1.0, "it wrote though nothing changed: {}", crowd.operator.log());

    // Changes, one after another: until the ConfigMap has them.
    let mut took: Vec<Duration> = Vec::new();
    for number in 0..count.min(200) {
        took.push(change(&crowd, &format!("gateway-{number}"), "debug").await?);
    }
    took.sort();
    let at = |part: usize| took[(took.len() * part / 100).min(took.len() - 1)];
    println!("a change is in the ConfigMap after: p50 {:?}, p99 {:?}", at(50), at(99));
    ensure!(at(99) < Duration::from_secs(5), "{:?}", at(99));
    Ok(())
}

/// Changes a gateway's log level, and tells how long that took to be in its ConfigMap.
async fn change(crowd: &Crowd, name: &str, level: &str) -> Result<Duration> {
    let began = Instant::now();
    let path = format!("{}/{name}", crowd.collection());
    crowd.api.merge(&path, &json!({ "spec": { "log": { "level": level } } })).await?.success()?;
    let config = format!("{}/{name}-config", crowd.namespace.path("v1", "configmaps"));
    loop {
        let object = crowd.api.get(&config).await?.success()?.body;
        if object["data"]["config.yaml"].as_str().is_some_and(|text| text.contains(level)) {
            return Ok(began.elapsed());
        }
        ensure!(began.elapsed() < Duration::from_secs(30), "{name} wasn't seen to: {}", crowd.operator.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
