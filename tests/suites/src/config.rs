//! Configuration files of the gateways under test.

use std::net::SocketAddr;

use events_gateway_harness::gateway::Ports;
use serde_json::{Value, json};

/// The admin listener's secret in every suite.
pub const ADMIN_TOKEN: &str = "a secret of the suites";

/// The Redis that gateways are told of.
#[derive(Debug, Clone)]
pub enum Redis {
    /// One server.
    Standalone(SocketAddr),
    /// By Sentinels.
    Sentinel {
        /// Theirs.
        addresses: Vec<SocketAddr>,
        /// The name by which they know the primary.
        primary: String,
    },
    /// A Cluster.
    Cluster(Vec<SocketAddr>),
}

/// What a suite's gateways have in common.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port` of the broker.
    pub kafka: String,
    /// The Redis.
    pub redis: Redis,
    /// Topics of events; the group's id is that of the suite.
    pub topics: Vec<String>,
    /// What `publish` says beside its topic, the first one of events; null: nothing can be published.
    pub publish: Value,
    /// Topic of commands, if any.
    pub commands: Option<String>,
    /// Topic of dead letters, if any.
    pub dead_letters: Option<String>,
    /// Prefix of consumer groups and of Redis keys: suites don't meet.
    pub suite: String,
    /// Laid over what [`Config::render`] writes: objects are merged, all else is replaced.
    pub overlay: Value,
}

impl Config {
    /// The consumer group of the events.
    #[must_use]
    pub fn group(&self) -> String {
        format!("{}-events", self.suite)
    }

    /// The file of one gateway. It is JSON, which is YAML.
    ///
    /// Times are short where a test would wait for them; a stream's age isn't, so that only faults end streams.
    #[must_use]
    pub fn render(&self, name: &str, ports: Ports) -> String {
        let mut bindings = vec![json!({
            "name": "events", "topics": self.topics, "groupId": self.group(), "start": "earliest",
        })];
        if let Some(commands) = &self.commands {
            let group = format!("{}-commands", self.suite);
            let topics = [commands];
            bindings.push(json!({
                "name": "commands", "topics": topics, "groupId": group, "kind": "commands", "start": "earliest",
            }));
        }
        let mut config = json!({
            "listen": { "address": "127.0.0.1", "port": ports.public, "cors": { "origins": ["*"] }, "headTimeout": "3s" },
            "admin": { "address": "127.0.0.1", "port": ports.admin, "token": { "value": ADMIN_TOKEN } },
            "redis": self.redis(),
            "kafka": {
                "bootstrap": [self.kafka], "sessionTimeout": "6s", "bindings": bindings,
                "retryMax": "1s",
            },
            "streams": {
                "heartbeat": "2s", "peerTimeout": "4s", "retry": "200ms", "retryJitter": "300ms", "maxAge": "12h",
            },
            "drain": { "timeout": "15s", "settle": "500ms", "reconnectSpread": "500ms" },
            "replica": { "name": name, "lease": "6s", "verify": "3s" },
            "log": { "format": "text", "level": "info" },
        });
        if let Some(topic) = &self.dead_letters {
            config["kafka"]["deadLetters"] = json!({ "topic": topic });
        }
        if !self.publish.is_null() {
            config["publish"] = json!({ "topic": self.topics[0] });
            lay_over(&mut config["publish"], &self.publish);
        }
        lay_over(&mut config, &self.overlay);
        serde_json::to_string_pretty(&config).expect("a JSON value can always be written")
    }

    fn redis(&self) -> Value {
        let text = |addresses: &[SocketAddr]| addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>();
        let prefix = format!("{}:", self.suite);
        match &self.redis {
            Redis::Standalone(address) => {
                json!({ "mode": "standalone", "nodes": text(&[*address]), "prefix": prefix })
            }
            Redis::Sentinel { addresses, primary } => {
                let sentinel = json!({ "master": primary });
                json!({ "mode": "sentinel", "nodes": text(addresses), "sentinel": sentinel, "prefix": prefix })
            }
            Redis::Cluster(addresses) => json!({ "mode": "cluster", "nodes": text(addresses), "prefix": prefix }),
        }
    }
}

fn lay_over(base: &mut Value, overlay: &Value) {
    match (base, overlay) {
        (_, Value::Null) => {}
        (Value::Object(base), Value::Object(overlay)) => {
            for (key, value) in overlay {
                lay_over(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, overlay) => *base = overlay.clone(),
    }
}
