//! A gateway as a pod, with the servers that it needs on this machine.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use events_gateway_cluster::{Api, Cluster, Image, Kubectl, Namespace, condition};
use events_gateway_harness::http::{self, Request, Response};
use events_gateway_harness::{Kafka, gateway, kafka, redis, wait};
use serde_json::{Value, json};

/// The image's name.
const IMAGE: &str = "example.com/events-gateway:test";

/// How long anything may take on a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(90);

/// Kafka and Redis, which pods of one node reach.
struct Servers {
    _kafka: Kafka,
    _redis: redis::Server,
    config: Value,
}

impl Servers {
    async fn start(cluster: &Cluster) -> Result<Self> {
        let host = cluster.node.host();
        let kafka = Kafka::with(&kafka::Settings { outside: Some(host), ..kafka::Settings::default() }).await?;
        let open = redis::Settings::default().set("bind", &format!("127.0.0.1 {host}")).set("protected-mode", "no");
        let server = redis::Server::with(&open).await?;
        let config = json!({
            "listen": { "address": "0.0.0.0" },
            "admin": { "address": "0.0.0.0" },
            "kafka": {
                "bootstrap": [kafka.outside()],
                "bindings": [{ "name": "events", "topics": ["events"], "groupId": "node" }],
            },
            "redis": { "nodes": [format!("{host}:{}", server.port())] },
            "drain": { "timeout": "10s" },
        });
        kafka.create_topic("events", 1).await?;
        Ok(Self { _kafka: kafka, _redis: server, config })
    }

    /// The gateway's configuration, as pods mount it.
    fn config(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "config" },
            "data": { "config.yaml": self.config.to_string() },
        })
    }
}

/// A pod of the gateway that the strictest admission takes, with a finalizer, so that its end can be looked at.
fn pod() -> Value {
    let probe = |path: &str| json!({ "httpGet": { "path": path, "port": "admin" }, "periodSeconds": 1 });
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "gateway", "labels": { "app": "gateway" }, "finalizers": ["example.com/looked-at"] },
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 30,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "gateway",
                "image": IMAGE,
                "args": ["run", "--config", "/etc/events-gateway/config.yaml"],
                "ports": [{ "name": "http", "containerPort": 8080 }, { "name": "admin", "containerPort": 9090 }],
                "readinessProbe": probe("/ready"),
                "livenessProbe": probe("/live"),
                "lifecycle": { "preStop": { "sleep": { "seconds": 2 } } },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": { "drop": ["ALL"] },
                },
                "volumeMounts": [{ "name": "config", "mountPath": "/etc/events-gateway" }],
            }],
            "volumes": [{ "name": "config", "configMap": { "name": "config" } }],
        },
    })
}

/// A Service of the pod's listeners.
fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "gateway" },
        "spec": { "selector": { "app": "gateway" }, "ports": [
            { "name": "http", "port": 80, "targetPort": "http" },
            { "name": "admin", "port": 90, "targetPort": "admin" },
        ] },
    })
}

/// A gateway that is ready, in a namespace of its own.
pub(crate) struct Ready {
    pub(crate) namespace: Namespace,
    pub(crate) pod: Value,
    pub(crate) service: Value,
    _servers: Servers,
}

impl Ready {
    /// The path of the pod.
    pub(crate) fn path(&self) -> String {
        self.namespace.path("v1", "pods/gateway")
    }
}

/// Imports the image, starts the servers, and runs the gateway until it is ready.
pub(crate) async fn run(cluster: &Cluster, api: &Api) -> Result<Ready> {
    let servers = Servers::start(cluster).await?;
    cluster.node.import(&Image::of(IMAGE, &gateway::binary()?).await?).await?;
    let namespace = Namespace::restricted(api, "gateway").await?;
    api.create(&namespace.path("v1", "configmaps"), &servers.config()).await?.success()?;
    let service = api.create(&namespace.path("v1", "services"), &service()).await?.success()?.body;
    let created = api.create(&namespace.path("v1", "pods"), &pod()).await?.success()?;
    ensure!(created.warnings.is_empty(), "{:?}", created.warnings);
    let path = namespace.path("v1", "pods/gateway");
    let pod = api.until(&path, "a ready pod", BOUND, |pod| condition::is_true(pod, "Ready")).await;
    match pod {
        Ok(pod) => Ok(Ready { namespace, pod, service, _servers: servers }),
        Err(error) => {
            let kubectl = Kubectl::new(&cluster.control_plane.kubeconfig())?;
            Err(error.context(kubectl.say(&format!("-n {} describe pod gateway", namespace.name())).await?))
        }
    }
}

/// Waits for an answer with the status 200.
pub(crate) async fn answers(address: SocketAddr, request: &Request) -> Result<Response> {
    wait::until(&format!("200 for {} of {address}", request.target), BOUND, || async {
        Ok(http::send(address, request).await.ok().filter(|answer| answer.status() == 200))
    })
    .await
}
