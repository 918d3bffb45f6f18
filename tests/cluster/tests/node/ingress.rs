//! A gateway behind a real ingress controller.

use anyhow::{Context as _, Result};
use events_gateway_cluster::{Cluster, Kubectl, Traefik};
use events_gateway_harness::http::{Request, Stream};
use events_gateway_harness::wait;
use serde_json::{Value, json};

use super::gateway::{BOUND, run};
use super::turn::turn;

fn ingress() -> Value {
    let backend = json!({ "service": { "name": "gateway", "port": { "name": "http" } } });
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": { "name": "gateway" },
        "spec": {
            "ingressClassName": "traefik",
            "rules": [{
                "host": "ingress.example.com",
                "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] },
            }],
        },
    })
}

fn route() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": { "name": "gateway" },
        "spec": {
            "parentRefs": [{ "name": "edge", "namespace": "default" }],
            "hostnames": ["route.example.com"],
            "rules": [{ "backendRefs": [{ "name": "gateway", "port": 80 }], "timeouts": { "request": "0s" } }],
        },
    })
}

#[tokio::test]
async fn streams_pass_through_an_ingress_and_through_a_route() -> Result<()> {
    let _turn = turn().await;
    let cluster = Cluster::start().await?;
    pass(&cluster).await.with_context(|| cluster.logs())
}

async fn pass(cluster: &Cluster) -> Result<()> {
    let api = cluster.control_plane.api()?;
    let gateway = run(cluster, &api).await?;
    let traefik = Traefik::start(&cluster.control_plane).await?;
    let kubectl = Kubectl::new(&cluster.control_plane.kubeconfig())?;
    kubectl.apply("default", &traefik.gateway("edge").to_string()).await?;
    for object in [ingress(), route()] {
        kubectl.apply(gateway.namespace.name(), &object.to_string()).await?;
    }
    for host in ["ingress.example.com", "route.example.com"] {
        let events = Request::get("/api/v1/events?channels=orders").header("Host", host);
        let opened = || async {
            let stream = Stream::open(traefik.address(), &events).await.ok();
            Ok(stream.filter(|stream| stream.head().status == 200))
        };
        let opening = wait::until(&format!("a stream of {host}"), BOUND, opened).await;
        let mut stream = opening.with_context(|| traefik.log())?;
        let mut text = String::new();
        while !text.contains("event: gateway.open") {
            let part = stream.part().await?.with_context(|| format!("{host}: the stream ended after {text:?}"))?;
            text += &String::from_utf8_lossy(&part);
        }
    }
    Ok(())
}
