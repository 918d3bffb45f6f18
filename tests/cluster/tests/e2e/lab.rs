//! The cluster with the operator in it, and the servers that gateways need.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use events_gateway_cluster::control_plane::Settings;
use events_gateway_cluster::helm::{Helm, Release};
use events_gateway_cluster::{Api, Cluster, Image, Kubectl, Namespace, Traefik, operator};
use events_gateway_harness::{Kafka, gateway, http, kafka, metrics, redis, tools};
use serde_json::Value;

use super::manifest::{PASSWORDS, TOPIC, image};

/// How long anything may take on a busy machine.
pub(crate) const BOUND: Duration = Duration::from_secs(120);
/// The chart's release.
const RELEASE: &str = "operator";
/// The operator's image.
const OPERATOR: &str = "example.com/events-gateway-operator";
/// Partitions of the topic.
pub(crate) const PARTITIONS: i32 = 12;

/// Kafka and Redis, which pods of the cluster's node reach.
pub(crate) struct Servers {
    pub(crate) kafka: Kafka,
    redis: redis::Server,
    host: std::net::Ipv4Addr,
}

impl Servers {
    async fn start(cluster: &Cluster) -> Result<Self> {
        let host = cluster.node.host();
        let kafka = Kafka::with(&kafka::Settings { outside: Some(host), ..kafka::Settings::default() }).await?;
        kafka.create_topic(TOPIC, PARTITIONS).await?;
        let [one, two] = PASSWORDS;
        let mut open = redis::Settings::default().set("bind", &format!("127.0.0.1 {host}")).set("protected-mode", "no");
        open.users.push(format!("events on >{one} >{two} ~* &* +@all"));
        Ok(Self { kafka, redis: redis::Server::with(&open).await?, host })
    }

    pub(crate) fn redis_for_pods(&self) -> String {
        format!("{}:{}", self.host, self.redis.port())
    }
}

/// All of it. Fields are dropped in this order.
pub(crate) struct Lab {
    pub(crate) home: Namespace,
    pub(crate) office: Namespace,
    pub(crate) api: Api,
    pub(crate) kubectl: Kubectl,
    pub(crate) traefik: Traefik,
    helm: Helm,
    pub(crate) servers: Servers,
    pub(crate) cluster: Cluster,
}

impl Lab {
    /// A cluster with images, Traefik, Kafka and Redis; without the operator.
    pub(crate) async fn start() -> Result<Self> {
        // Autoscalers look every 15 s unless told otherwise.
        let often = "--horizontal-pod-autoscaler-sync-period=2s".to_owned();
        let cluster = Cluster::with(&Settings { controller_arguments: vec![often], ..Settings::default() }).await?;
        let servers = Servers::start(&cluster).await?;
        let api = cluster.control_plane.api()?;
        for tag in ["one", "two"] {
            cluster.node.import(&Image::of(&image(tag), &gateway::binary()?).await?).await?;
        }
        cluster.node.import(&Image::of(&format!("{OPERATOR}:one"), &operator::binary()?).await?).await?;
        let traefik = Traefik::start(&cluster.control_plane).await?;
        let kubeconfig = cluster.control_plane.kubeconfig();
        let kubectl = Kubectl::new(&kubeconfig)?;
        kubectl.apply("default", &traefik.gateway("edge").to_string()).await?;
        let helm = Helm::new(Release::Four, &kubeconfig)?;
        let office = Namespace::restricted(&api, "operator").await?;
        let home = Namespace::restricted(&api, "events").await?;
        Ok(Self { home, office, api, kubectl, traefik, helm, servers, cluster })
    }

    /// Installs the operator's chart, and waits until its Deployment is available.
    pub(crate) async fn install(&self) -> Result<()> {
        let chart = tools::checkout().join("charts/events-gateway-operator");
        let (chart, office) = (chart.display(), self.office.name());
        self.helm
            .say(&format!(
                "install {RELEASE} {chart} -n {office} --set image.repository={OPERATOR} --set image.tag=one \
                 --set gateway.image.repository=example.com/events-gateway --set gateway.image.tag=one \
                 --set log.format=text"
            ))
            .await?;
        let words = format!("-n {office} wait deployment --all --for=condition=Available --timeout=120s");
        self.kubectl.say(&words).await.map(drop)
    }

    /// Has the chart look whether what it installed works, and gives what that says.
    pub(crate) async fn test(&self) -> Result<String> {
        self.helm.say(&format!("test {RELEASE} -n {} --logs", self.office.name())).await
    }

    /// Uninstalls it, and waits until its pod is gone.
    pub(crate) async fn uninstall(&self) -> Result<()> {
        let office = self.office.name();
        self.helm.say(&format!("uninstall {RELEASE} -n {office} --wait")).await?;
        self.kubectl.say(&format!("-n {office} wait pod --all --for=delete --timeout=120s")).await.map(drop)
    }

    /// The objects of a kind in a namespace.
    pub(crate) async fn list(&self, namespace: &Namespace, group: &str, plural: &str) -> Result<Vec<Value>> {
        let list = self.api.get(&namespace.path(group, plural)).await?.success()?.body;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// The operator's pod that isn't being deleted.
    pub(crate) async fn operator(&self) -> Result<Option<Value>> {
        let pods = self.list(&self.office, "v1", "pods").await?;
        Ok(pods.into_iter().find(|pod| pod["metadata"]["deletionTimestamp"].is_null()))
    }

    /// What the operator's metric says, summed over the series with this label; nothing while it doesn't answer.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> Result<Option<f64>> {
        let Some(pod) = self.operator().await? else { return Ok(None) };
        let Some(address) = address(&pod, 8081) else { return Ok(None) };
        let Ok(answer) = http::get(address, "/metrics").await else { return Ok(None) };
        Ok(Some(metrics::sum(&answer.text(), name, &[label])))
    }

    /// What to show of a failure.
    pub(crate) async fn story(&self) -> String {
        let (office, home) = (self.office.name(), self.home.name());
        let mut story = String::new();
        for words in [
            format!("-n {home} get egw,deploy,pods,ingress,httproute -o wide"),
            format!("-n {home} get egw -o yaml"),
            format!("-n {home} get events --sort-by=.lastTimestamp"),
            format!("-n {office} get pods -o wide"),
            format!("-n {office} logs --tail=60 -l app.kubernetes.io/name=events-gateway-operator"),
            format!("-n {home} logs --tail=15 --prefix -l app.kubernetes.io/name=events-gateway"),
        ] {
            let said = self.kubectl.say(&words).await.unwrap_or_else(|error| format!("{error:#}"));
            story += &format!("\n$ kubectl {words}\n{said}");
        }
        story
    }
}

/// Where a pod's port is, once it has an address.
pub(crate) fn address(pod: &Value, port: u16) -> Option<SocketAddr> {
    Some((pod["status"]["podIP"].as_str()?.parse::<std::net::IpAddr>().ok()?, port).into())
}

/// An object's name.
pub(crate) fn name(object: &Value) -> Result<String> {
    object["metadata"]["name"].as_str().map(str::to_owned).context("no name")
}
