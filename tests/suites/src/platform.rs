//! A broker, a Redis of some kind, gateways, and a load balancer before them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use events_gateway_harness::redis::{Cluster, Sentinel, Server, sentinel};
use events_gateway_harness::{Gateway, Kafka, Link, LoadBalancer};
use futures_util::future::try_join_all;
use serde_json::Value;

use crate::config::{Config, Redis};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Which Redis a suite wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One server.
    Standalone,
    /// A primary and a replica under three Sentinels.
    Sentinel,
    /// Three primaries.
    Cluster,
}

/// The Redis of a platform.
#[derive(Debug)]
pub enum Backing {
    /// One server.
    Standalone(Server),
    /// A primary and a replica under three Sentinels.
    Sentinel(Sentinel),
    /// Three primaries.
    Cluster(Cluster),
}

/// What a suite may want.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many gateways.
    pub replicas: usize,
    /// Which Redis.
    pub redis: Kind,
    /// How many topics of events, named `SUITE-events-0` and so on.
    pub topics: usize,
    /// Partitions of each topic.
    pub partitions: i32,
    /// Whether the last replica reaches Kafka through a link of its own.
    pub kafka_link: bool,
    /// See [`Config::publish`].
    pub publish: Value,
    /// Laid over every gateway's configuration.
    pub overlay: Value,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            replicas: 3,
            redis: Kind::Standalone,
            topics: 1,
            partitions: 6,
            kafka_link: false,
            publish: Value::Null,
            overlay: Value::Null,
        }
    }
}

/// All of it. Fields are dropped in this order: gateways before what they need.
#[derive(Debug)]
pub struct Platform {
    /// The replicas.
    pub gateways: Vec<Gateway>,
    /// HAProxy before all replicas.
    pub balancer: LoadBalancer,
    /// Between each replica and a standalone Redis; empty with another.
    pub links: Vec<Link>,
    /// Between the last replica and Kafka, if that was planned.
    pub kafka_link: Option<Link>,
    /// The Redis.
    pub redis: Backing,
    /// The broker.
    pub kafka: Kafka,
    /// What the gateways have in common.
    pub config: Config,
    /// How many partitions each topic has.
    pub partitions: i32,
}

impl Platform {
    /// Starts everything and waits until every gateway is ready.
    ///
    /// # Errors
    /// When something doesn't come up; the message shows its log.
    pub async fn start(suite: &str, plan: &Plan) -> Result<Self> {
        let suite = format!("{suite}{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (kafka, kafka_link) = if plan.kafka_link {
            let (kafka, link) = Kafka::linked().await?;
            (kafka, Some(link))
        } else {
            (Kafka::start().await?, None)
        };
        let topics: Vec<String> = (0..plan.topics).map(|index| format!("{suite}-events-{index}")).collect();
        for topic in &topics {
            kafka.create_topic(topic, plan.partitions).await?;
        }
        let (commands, dead_letters) = (format!("{suite}-commands"), format!("{suite}-dead-letters"));
        kafka.create_topic(&commands, 1).await?;
        kafka.create_topic(&dead_letters, 1).await?;

        let redis = match plan.redis {
            Kind::Standalone => Backing::Standalone(Server::start().await?),
            Kind::Sentinel => Backing::Sentinel(Sentinel::start().await?),
            Kind::Cluster => Backing::Cluster(Cluster::start().await?),
        };
        let config = Config {
            kafka: kafka.bootstrap(),
            redis: redis.config(),
            topics,
            publish: plan.publish.clone(),
            commands: Some(commands),
            dead_letters: Some(dead_letters),
            suite,
            overlay: plan.overlay.clone(),
        };
        let mut links = Vec::new();
        if let Backing::Standalone(server) = &redis {
            for _ in 0..plan.replicas {
                links.push(Link::to(server.address()).await?);
            }
        }
        let starts = (0..plan.replicas).map(|index| {
            let name = format!("replica-{index}");
            let mut own = config.clone();
            if let Some(link) = links.get(index) {
                own.redis = Redis::Standalone(link.address());
            }
            if let Some(link) = kafka_link.as_ref().filter(|_| index + 1 == plan.replicas) {
                own.kafka = link.address().to_string();
            }
            async move { Gateway::start(&name, |ports| own.render(&name, ports)).await }
        });
        let gateways = try_join_all(starts).await?;
        let backends: Vec<_> = gateways.iter().map(Gateway::backend).collect();
        let balancer = LoadBalancer::haproxy(&backends).await?;
        wait_for_balancer(balancer.address()).await?;
        let partitions = plan.partitions;
        Ok(Self { gateways, balancer, links, kafka_link, redis, kafka, config, partitions })
    }

    /// The first topic of events.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.config.topics[0]
    }

    /// Public addresses of all replicas.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.gateways.iter().map(Gateway::public).collect()
    }

    /// The one Redis server.
    ///
    /// # Errors
    /// When the platform has another kind.
    pub fn server(&mut self) -> Result<&mut Server> {
        match &mut self.redis {
            Backing::Standalone(server) => Ok(server),
            _ => anyhow::bail!("this platform's Redis isn't one server"),
        }
    }

    /// Starts every gateway that doesn't run, and waits until all are ready.
    ///
    /// # Errors
    /// When one doesn't come up.
    pub async fn revive(&mut self) -> Result<()> {
        for gateway in &mut self.gateways {
            if !gateway.runs() {
                gateway.resume().await?;
            }
            gateway.wait_until_ready().await?;
        }
        wait_for_balancer(self.balancer.address()).await.context("the balancer finds nobody")
    }
}

impl Backing {
    fn config(&self) -> Redis {
        match self {
            Self::Standalone(server) => Redis::Standalone(server.address()),
            Self::Sentinel(sentinel) => {
                Redis::Sentinel { addresses: sentinel.addresses(), primary: sentinel::PRIMARY.to_owned() }
            }
            Self::Cluster(cluster) => Redis::Cluster(cluster.addresses()),
        }
    }
}

/// The path of a subscription.
#[must_use]
pub fn events_of(channels: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = channels.iter().map(AsRef::as_ref).collect();
    format!("/api/v1/events?channels={}", names.join(","))
}

/// Until its first health check HAProxy answers 503, which ends an EventSource for good.
async fn wait_for_balancer(address: SocketAddr) -> Result<()> {
    events_gateway_harness::wait::until("the balancer", std::time::Duration::from_secs(30), || async {
        let answer = events_gateway_harness::http::get(address, "/").await?;
        Ok((answer.status() != 503).then_some(()))
    })
    .await
}
