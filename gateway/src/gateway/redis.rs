//! The Redis client, as the configuration says.

use std::path::Path;
use std::sync::Arc;

use super::GatewayError;
use super::files::{readable, secret};
use crate::backlog::Listener;
use crate::backlog::redis::{Address, Credentials, Mode, Options, RedisBacklog, Tls};
use crate::config::text::HostPort;
use crate::config::{Config, Secret, redis};

/// Begins to connect in the background.
pub(super) fn connect(config: &Config, listener: Arc<dyn Listener>) -> Result<RedisBacklog, GatewayError> {
    let redis = &config.redis;
    let mode = match &redis.mode {
        redis::Mode::Standalone { node } => Mode::Standalone { address: address(node) },
        redis::Mode::Sentinel { nodes, master, username, password } => Mode::Sentinel {
            sentinels: nodes.iter().map(address).collect(),
            service: master.clone(),
            credentials: credentials("redis.sentinel", username.as_ref(), password.as_ref())?,
        },
        redis::Mode::Cluster { nodes } => Mode::Cluster { nodes: nodes.iter().map(address).collect() },
        redis::Mode::Memory => unreachable!("the caller connects to the in-memory backlog itself"),
    };
    let options = Options {
        mode,
        credentials: credentials("redis", redis.username.as_ref(), redis.password.as_ref())?,
        tls: redis.tls.as_ref().map(tls).transpose()?,
        prefix: redis.prefix.clone(),
        retained_events: config.channels.retention_events.get() as u64,
        retained_age: config.channels.retention_age,
        ownership: config.replica.verify * 3,
        connect_timeout: redis.connect_timeout,
        call_timeout: redis.command_timeout,
        ..Options::default()
    };
    Ok(RedisBacklog::start(options, listener)?)
}

fn address(node: &HostPort) -> Address {
    Address { host: node.host.clone(), port: node.port }
}

fn credentials(place: &str, username: Option<&Secret>, password: Option<&Secret>) -> Result<Credentials, GatewayError> {
    let read =
        |name: &str, value: Option<&Secret>| value.map(|value| secret(&format!("{place}.{name}"), value)).transpose();
    Ok(Credentials { username: read("username", username)?, password: read("password", password)? })
}

fn tls(tls: &redis::ClientTls) -> Result<Tls, GatewayError> {
    let read = |place: &str, path: &Path| readable(&format!("redis.tls.{place}"), path);
    Ok(Tls {
        authorities: tls.ca_file.as_deref().map(|path| read("caFile", path)).transpose()?,
        identity: match &tls.identity {
            Some(identity) => Some((read("certFile", &identity.cert_file)?, read("keyFile", &identity.key_file)?)),
            None => None,
        },
    })
}
