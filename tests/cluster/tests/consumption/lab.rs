//! A node with the gateway's image, Kafka and Redis beside it, and an operator that runs outside of the cluster.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use events_gateway_cluster::gateways::{self, VERSION};
use events_gateway_cluster::operator::Settings;
use events_gateway_cluster::{Api, Cluster, Image, Kubectl, Namespace, Operator, definitions};
use events_gateway_harness::{Kafka, gateway, kafka, redis};
use serde_json::{Value, json};

/// The image's name.
pub(crate) const IMAGE: &str = "example.com/events-gateway:test";
/// How long anything may take.
pub(crate) const BOUND: Duration = Duration::from_secs(120);

pub(crate) struct Lab {
    pub(crate) api: Api,
    pub(crate) kafka: Kafka,
    pub(crate) namespace: Namespace,
    operator: Operator,
    redis: redis::Server,
    cluster: Cluster,
}

impl Lab {
    pub(crate) async fn start() -> Result<Self> {
        let cluster = Cluster::start().await?;
        let api = cluster.control_plane.api()?;
        definitions::install_ours(&api).await?;
        let host = cluster.node.host();
        let kafka = Kafka::with(&kafka::Settings { outside: Some(host), ..kafka::Settings::default() }).await?;
        let open = redis::Settings::default().set("bind", &format!("127.0.0.1 {host}")).set("protected-mode", "no");
        let redis = redis::Server::with(&open).await?;
        cluster.node.import(&Image::of(IMAGE, &gateway::binary()?).await?).await?;
        let operator = Operator::start(&cluster.control_plane.kubeconfig(), &Settings::default()).await?;
        let namespace = Namespace::restricted(&api, "consumption").await?;
        Ok(Self { api, kafka, namespace, operator, redis, cluster })
    }

    /// A gateway of one replica that reads `topic`.
    pub(crate) async fn create(&self, name: &str, topic: &str, more: &Value) -> Result<()> {
        let mut sections = json!({
            "replicas": 1,
            "redis": {
                "nodes": [format!("{}:{}", self.cluster.node.host(), self.redis.port())],
                "prefix": format!("{name}:"),
            },
            "kafka": {
                "bootstrap": [self.kafka.outside()],
                "bindings": [{ "name": "events", "topics": [topic], "groupId": name, "start": "earliest" }],
            },
            "channels": { "retention": { "events": 1000 } },
            "drain": { "timeout": "10s" },
            "rollout": { "minReadySeconds": 0 },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            sections[key] = value.clone();
        }
        let collection = self.namespace.path(VERSION, "eventsgateways");
        self.api.create(&collection, &gateways::gateway(name, &sections)).await?.success()?;
        Ok(())
    }

    pub(crate) fn path(&self, plural: &str, name: &str) -> String {
        format!("{}/{name}", self.namespace.path(VERSION, plural))
    }

    /// Waits until the object is as it should be.
    pub(crate) async fn until(&self, path: &str, what: &str, held: impl Fn(&Value) -> bool) -> Result<Value> {
        self.api.until(path, what, BOUND, held).await.with_context(|| self.operator.log())
    }

    pub(crate) fn kubectl(&self) -> Result<Kubectl> {
        Kubectl::new(&self.cluster.control_plane.kubeconfig())
    }

    /// Where a gateway's clients connect: its Service.
    pub(crate) async fn service(&self, name: &str) -> Result<SocketAddr> {
        let path = format!("{}/{name}", self.namespace.path("v1", "services"));
        let service = self.api.get(&path).await?.success()?.body;
        let address = service["spec"]["clusterIP"].as_str().context("no address")?;
        Ok(SocketAddr::new(address.parse()?, 80))
    }
}
