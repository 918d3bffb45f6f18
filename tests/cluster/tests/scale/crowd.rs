//! Many gateways.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use events_gateway_cluster::gateways::{self, VERSION};
use events_gateway_cluster::operator::Settings;
use events_gateway_cluster::{ControlPlane, Namespace, Operator, SimulatedNodes, definitions};
use events_gateway_harness::process::Usage;
use events_gateway_harness::{port, wait};
use serde_json::json;

use super::replicas;

const BOUND: Duration = Duration::from_secs(600);
/// Pods of each gateway.
const REPLICAS: usize = 10;
/// Gateways in CI.
const FEW: usize = 20;

fn count() -> usize {
    std::env::var("EVENTS_GATEWAY_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(FEW)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_gateways_are_seen_to_soon_and_cost_little_when_nothing_happens() -> Result<()> {
    let count = count();
    // How long an operator is watched that has nothing to do: shorter where only its writes are of interest.
    let idle = Duration::from_secs(if count > FEW { 120 } else { 20 });
    let control_plane = ControlPlane::with_controllers().await?;
    let api = control_plane.api()?;
    definitions::install_ours(&api).await?;
    let nodes = (count * REPLICAS).div_ceil(100) + 1;
    let _nodes = SimulatedNodes::start(&control_plane, nodes, 110).await?;
    let admin = port::free();
    let _replicas = replicas::answer(admin).await?;
    let namespace = Namespace::create(&api, "crowd").await?;
    let operator =
        Operator::start(&control_plane.kubeconfig(), &Settings { leader_election: true, ..Settings::default() })
            .await?;

    let began = Instant::now();
    let collection = namespace.path(VERSION, "eventsgateways");
    for number in 0..count {
        let sections = json!({
            "replicas": REPLICAS,
            "admin": { "port": admin },
            // Nobody listens there: each look ends at once.
            "kafka": { "bootstrap": ["127.0.0.1:1"], "bindings": [{ "name": "events", "topics": ["events"] }] },
            "topics": { "mode": "Ignore" },
            "rollout": { "minReadySeconds": 0 },
        });
        let gateway = gateways::gateway(&format!("gateway-{number}"), &sections);
        api.create(&collection, &gateway).await?.success()?;
    }
    let ready = || async {
        let ready = operator.metric("events_gateway_operator_resources", &["true"]).await?;
        Ok((ready as usize >= count).then_some(()))
    };
    wait::until("all being ready", BOUND, ready).await.with_context(|| operator.log())?;
    println!("{count} gateways with {} pods ready after {:.1} s", count * REPLICAS, began.elapsed().as_secs_f64());
    // First answers, first looks, first numbers.
    tokio::time::sleep(Duration::from_secs(75)).await;

    let writes = || async { operator.metric("events_gateway_operator_writes_total", &[]).await };
    let (before, usage) = (writes().await?, Usage::of(operator.id()).context("no usage")?);
    tokio::time::sleep(idle).await;
    let (after, now) = (writes().await?, Usage::of(operator.id()).context("no usage")?);
    let share = (now.cpu - usage.cpu).as_secs_f64() / idle.as_secs_f64();
    let memory = now.resident as f64 / f64::from(1 << 20);
    println!("idle: {:.2} % of a core, {memory:.0} MiB, {} writes in {idle:?}", share * 100.0, after - before);
    ensure!(after - before < 1.0, "it wrote though nothing changed: {}", operator.log());

    // Changes, one after another: until the ConfigMap has them.
    let mut took: Vec<Duration> = Vec::new();
    for number in 0..count.min(200) {
        let (name, level) = (format!("gateway-{number}"), "debug");
        let path = format!("{collection}/{name}");
        let began = Instant::now();
        api.merge(&path, &json!({ "spec": { "log": { "level": level } } })).await?.success()?;
        let config = format!("{}/{name}-config", namespace.path("v1", "configmaps"));
        loop {
            let object = api.get(&config).await?.success()?.body;
            if object["data"]["config.yaml"].as_str().is_some_and(|text| text.contains(level)) {
                break;
            }
            ensure!(began.elapsed() < Duration::from_secs(30), "{name} wasn't seen to: {}", operator.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        took.push(began.elapsed());
    }
    took.sort();
    let at = |part: usize| took[(took.len() * part / 100).min(took.len() - 1)];
    println!("a change is in the ConfigMap after: p50 {:?}, p99 {:?}", at(50), at(99));
    ensure!(at(99) < Duration::from_secs(5), "{:?}", at(99));
    Ok(())
}
