//! The life of a pod.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use events_gateway_cluster::{Cluster, Kubectl};
use events_gateway_harness::http::Request;
use events_gateway_harness::wait;
use serde_json::{Value, json};

use super::gateway::{BOUND, answers, run};
use super::turn::turn;

fn address(of: &Value, port: u16) -> Result<SocketAddr> {
    let text = of.as_str().context("no address")?;
    Ok((text.parse::<IpAddr>().context("an address that is none")?, port).into())
}

#[tokio::test]
async fn a_gateway_becomes_ready_answers_and_ends_in_good_order() -> Result<()> {
    let _turn = turn().await;
    let cluster = Cluster::start().await?;
    lives(&cluster).await.with_context(|| cluster.logs())
}

async fn lives(cluster: &Cluster) -> Result<()> {
    let api = cluster.control_plane.api()?;
    let gateway = run(cluster, &api).await?;
    let live = Request::get("/live");
    answers(address(&gateway.pod["status"]["podIP"], 9090)?, &live).await?;
    answers(address(&gateway.service["spec"]["clusterIP"], 90)?, &live).await?;

    let (path, asked) = (gateway.path(), Instant::now());
    api.delete(&path).await?.success()?;
    let container = "/status/containerStatuses/0/state/terminated";
    let ended = api.until(&path, "its end", BOUND, |pod| pod.pointer(container).is_some()).await?;
    assert!(asked.elapsed() >= Duration::from_secs(2), "it did not wait for preStop");
    let terminated = ended.pointer(container).unwrap_or(&Value::Null);
    assert_eq!((&terminated["exitCode"], &terminated["reason"]), (&json!(0), &json!("Completed")), "{terminated:#}");
    let kubectl = Kubectl::new(&cluster.control_plane.kubeconfig())?;
    let log = kubectl.say(&format!("-n {} logs gateway", gateway.namespace.name())).await?;
    assert!(log.contains("drain"), "{log}");
    // So that the namespace can go.
    api.merge(&path, &json!({ "metadata": { "finalizers": null } })).await?.success().map(drop)
}

#[tokio::test]
async fn the_api_server_answers_at_the_address_that_pods_know_it_by() -> Result<()> {
    let _turn = turn().await;
    let cluster = Cluster::start().await?;
    let api = cluster.control_plane.api()?;
    let service = api.get("/api/v1/namespaces/default/services/kubernetes").await?.success()?.body;
    let address = service["spec"]["clusterIP"].as_str().context("no address")?;
    let connects = || async {
        let mut shell = cluster.node.command(Path::new("/bin/bash"))?;
        shell.args(["-c", &format!("exec 3<>/dev/tcp/{address}/443")]);
        Ok(shell.output()?.status.success().then_some(()))
    };
    wait::until("a connection to the API server", Duration::from_secs(60), connects)
        .await
        .with_context(|| cluster.logs())
}
