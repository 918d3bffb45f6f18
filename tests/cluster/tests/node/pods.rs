//! The life of a pod.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use events_gateway_cluster::{Api, Cluster, Image, Kubectl, Namespace, condition};
use events_gateway_harness::{gateway, http, wait};
use serde_json::{Value, json};

use super::gateway::{IMAGE, Servers, pod, service};
use super::turn::turn;

const BOUND: Duration = Duration::from_secs(90);

fn address(of: &Value, port: u16) -> Result<SocketAddr> {
    let text = of.as_str().context("no address")?;
    Ok((text.parse::<IpAddr>().context("an address that is none")?, port).into())
}

/// Waits for a status of 200.
async fn answers(address: SocketAddr) -> Result<()> {
    wait::until(&format!("an answer of {address}"), BOUND, || async move {
        Ok(http::get(address, "/live").await.is_ok_and(|answer| answer.status() == 200).then_some(()))
    })
    .await
}

async fn until(api: &Api, path: &str, what: &str, held: impl Fn(&Value) -> bool) -> Result<Value> {
    wait::until(what, BOUND, || async {
        let object = api.get(path).await?.success()?.body;
        Ok(held(&object).then_some(object))
    })
    .await
}

#[tokio::test]
async fn a_gateway_becomes_ready_answers_and_ends_in_good_order() -> Result<()> {
    let _turn = turn().await;
    let cluster = Cluster::start().await?;
    lives(&cluster).await.with_context(|| cluster.logs())
}

async fn lives(cluster: &Cluster) -> Result<()> {
    let api = cluster.control_plane.api()?;
    let kubectl = Kubectl::new(&cluster.control_plane.kubeconfig())?;
    let servers = Servers::start(cluster).await?;
    cluster.node.import(&Image::of(IMAGE, &gateway::binary()?).await?).await?;
    let namespace = Namespace::restricted(&api, "gateway").await?;
    let (pods, name) = (namespace.path("v1", "pods"), namespace.name());
    let path = format!("{pods}/gateway");
    api.create(&namespace.path("v1", "configmaps"), &servers.config()).await?.success()?;
    let service = api.create(&namespace.path("v1", "services"), &service()).await?.success()?.body;
    let created = api.create(&pods, &pod()).await?.success()?;
    assert!(created.warnings.is_empty(), "{:?}", created.warnings);

    let ready = until(&api, &path, "a ready pod", |pod| condition::is_true(pod, "Ready")).await;
    let ready = match ready {
        Ok(pod) => pod,
        Err(error) => return Err(error.context(kubectl.say(&format!("-n {name} describe pod gateway")).await?)),
    };
    answers(address(&ready["status"]["podIP"], 9090)?).await?;
    answers(address(&service["spec"]["clusterIP"], 90)?).await?;

    let asked = Instant::now();
    api.delete(&path).await?.success()?;
    let ended =
        until(&api, &path, "its end", |pod| pod["status"]["containerStatuses"][0]["state"]["terminated"].is_object())
            .await?;
    assert!(asked.elapsed() >= Duration::from_secs(2), "it did not wait for preStop");
    let terminated = &ended["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&terminated["exitCode"], &terminated["reason"]), (&json!(0), &json!("Completed")), "{terminated:#}");
    let log = kubectl.say(&format!("-n {name} logs gateway")).await?;
    assert!(log.contains("drain"), "{log}");
    api.merge(&path, &json!({ "metadata": { "finalizers": null } })).await?.success()?;
    Ok(())
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
    wait::until("a connection to the API server", BOUND, connects).await.with_context(|| cluster.logs())
}
