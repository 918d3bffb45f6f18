//! The servers of one measurement: a Kafka broker and a Redis of its own, and gateways.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use events_gateway_harness::gateway::Ports;
use events_gateway_harness::redis::Server;
use events_gateway_harness::{Gateway, Kafka};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::event;
use crate::producer::{Load, Producer};

/// The topic of all events.
const TOPIC: &str = "load";

/// Partitions of the topic.
pub const PARTITIONS: u32 = 8;

/// How long a gateway may take to end after SIGTERM.
const STOP_BOUND: Duration = Duration::from_secs(60);

/// How long a channel stays owned after its last subscriber has left.
pub const LINGER: Duration = Duration::from_secs(1);

/// Real servers, started for one measurement and gone with it.
#[derive(Debug)]
pub struct Arena {
    runtime: Runtime,
    kafka: Kafka,
    redis: Server,
}

impl Arena {
    /// Starts Kafka and Redis on the part of the machine where this process runs.
    ///
    /// # Errors
    /// When one of them isn't installed or doesn't come up.
    pub fn start() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("failed to start a runtime")?;
        let (kafka, redis) = runtime.block_on(async {
            let kafka = Kafka::start().await?;
            kafka.create_topic(TOPIC, PARTITIONS.cast_signed()).await?;
            anyhow::Ok((kafka, Server::start().await?))
        })?;
        Ok(Self { runtime, kafka, redis })
    }

    /// Starts a replica and waits until it is ready.
    ///
    /// # Errors
    /// When there is no binary, or it doesn't become ready.
    pub fn gateway(&self, name: &str) -> Result<Gateway> {
        self.gateway_with(name, &json!({}))
    }

    /// The same with further sections in its configuration.
    ///
    /// # Errors
    /// As [`Self::gateway`].
    pub fn gateway_with(&self, name: &str, sections: &Value) -> Result<Gateway> {
        let (bootstrap, redis) = (self.kafka.bootstrap(), self.redis.address());
        self.runtime.block_on(Gateway::start(name, |ports| {
            let mut configuration = configuration(name, ports, &bootstrap, redis);
            for (section, content) in sections.as_object().into_iter().flatten() {
                configuration[section] = content.clone();
            }
            configuration.to_string()
        }))
    }

    /// Waits until a replica that was told to stop has ended, and starts it again.
    ///
    /// # Errors
    /// When it doesn't end or doesn't become ready.
    pub fn restart(&self, gateway: &mut Gateway) -> Result<()> {
        self.runtime.block_on(async {
            if gateway.runs() {
                gateway.wait_for_end(STOP_BOUND).await?;
            }
            gateway.resume().await
        })
    }

    /// A producer of `rate` events a second over `channels` channels.
    ///
    /// # Errors
    /// When the client library refuses its configuration.
    pub fn producer(&self, channels: u32, rate: u32) -> Result<Producer> {
        self.load(channels, rate, false)
    }

    /// A producer of events whose channels share one of the gateway's.
    ///
    /// # Errors
    /// When the client library refuses its configuration.
    pub fn shared_producer(&self, channels: u32, rate: u32) -> Result<Producer> {
        self.load(channels, rate, true)
    }

    fn load(&self, channels: u32, rate: u32, is_shared: bool) -> Result<Producer> {
        let load = Load { topic: TOPIC.to_owned(), partitions: PARTITIONS, channels, rate, is_shared };
        Producer::new(&self.kafka.client(), load)
    }

    /// Processor time that Redis has used.
    ///
    /// # Errors
    /// When it doesn't run.
    pub fn redis_cpu(&self) -> Result<Duration> {
        Ok(self.redis.usage().context("Redis doesn't run")?.cpu)
    }

    /// How many events the backlogs of the first `channels` channels hold: their streams' lengths, a public read contract.
    ///
    /// # Errors
    /// When Redis doesn't answer.
    pub fn stored(&self, channels: u32) -> Result<u64> {
        let mut lengths = redis::pipe();
        for channel in 0..channels {
            lengths.cmd("XLEN").arg(format!("egw:{{{}}}:backlog", event::channel_name(channel)));
        }
        self.runtime.block_on(async {
            let mut connection = self.redis.connection().await?;
            let lengths: Vec<u64> = lengths.query_async(&mut connection).await.context("failed to ask for lengths")?;
            Ok(lengths.iter().sum())
        })
    }

    /// Waits until the backlogs of the first `channels` channels hold `events` events.
    ///
    /// # Errors
    /// When they don't within `bound`.
    pub fn wait_until_stored(&self, channels: u32, events: u64, bound: Duration) -> Result<()> {
        let end = std::time::Instant::now() + bound;
        loop {
            let stored = self.stored(channels)?;
            if stored >= events {
                return Ok(());
            }
            ensure!(std::time::Instant::now() < end, "{stored} of {events} events are stored after {bound:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What a gateway used, while it runs.
///
/// # Errors
/// When it doesn't run.
pub fn cpu(gateway: &Gateway) -> Result<Duration> {
    crate::process::cpu(id(gateway)?)
}

/// A gateway's process id.
///
/// # Errors
/// When it doesn't run.
pub fn id(gateway: &Gateway) -> Result<u32> {
    gateway.id().with_context(|| format!("{} doesn't run", gateway.name()))
}

/// A configuration file; JSON is YAML. All that isn't said is the default.
fn configuration(name: &str, ports: Ports, bootstrap: &str, redis: SocketAddr) -> Value {
    json!({
        "listen": {"address": "127.0.0.1", "port": ports.public},
        "admin": {"address": "127.0.0.1", "port": ports.admin},
        "redis": {"nodes": [redis.to_string()]},
        "kafka": {
            "bootstrap": [bootstrap],
            "bindings": [{"name": "load", "topics": [TOPIC], "start": "earliest"}],
        },
        "channels": {"linger": format!("{}s", LINGER.as_secs())},
        "log": {"level": "warn"},
        "replica": {"name": name},
    })
}
