//! Redis.

use std::path::PathBuf;
use std::time::Duration;

use events_gateway_crds as raw;
use raw::redis::RedisMode;

use super::overrides::Environment;
use super::problem::{Place, Problems};
use super::secret::Secret;
use super::text::{self, HostPort};

/// Where events are kept and announced.
#[derive(Debug, Clone, PartialEq)]
pub struct Redis {
    /// How Redis is run, and where.
    pub mode: Mode,
    /// The ACL user.
    pub username: Option<Secret>,
    /// Its password.
    pub password: Option<Secret>,
    /// TLS instead of plain TCP, also with sentinels.
    pub tls: Option<ClientTls>,
    /// What keys and shard channels begin with; holds no brace.
    pub prefix: String,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub command_timeout: Duration,
}

/// How Redis is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// One server.
    Standalone {
        /// Its address.
        node: HostPort,
    },
    /// A primary that sentinels watch.
    Sentinel {
        /// The sentinels, at least one.
        nodes: Vec<HostPort>,
        /// The primary's name.
        master: String,
        /// The sentinels' own user.
        username: Option<Secret>,
        /// The sentinels' own password.
        password: Option<Secret>,
    },
    /// Redis Cluster.
    Cluster {
        /// Some nodes, at least one.
        nodes: Vec<HostPort>,
    },
    /// This process's memory.
    Memory,
}

/// How a server's certificate is checked, and which is shown to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientTls {
    /// Authorities to trust; `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// The gateway's own certificate.
    pub identity: Option<Identity>,
}

/// The gateway's own certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Certificate and chain.
    pub cert_file: PathBuf,
    /// Private key.
    pub key_file: PathBuf,
}

impl ClientTls {
    pub(super) fn prove(raw: &raw::redis::ClientTls, place: &Place, problems: &mut Problems) -> Option<Self> {
        let identity = match (&raw.cert_file, &raw.key_file) {
            (Some(cert), Some(key)) => {
                Some(Identity { cert_file: PathBuf::from(&**cert), key_file: PathBuf::from(&**key) })
            }
            (None, None) => None,
            (Some(_), None) => {
                problems.add(place.key("keyFile"), "is required beside certFile");
                return None;
            }
            (None, Some(_)) => {
                problems.add(place.key("certFile"), "is required beside keyFile");
                return None;
            }
        };
        Some(Self { ca_file: raw.ca_file.as_ref().map(|path| PathBuf::from(&**path)), identity })
    }

    /// Absent stays absent; the outer `None` says that something is wrong.
    pub(super) fn prove_option(
        raw: Option<&raw::redis::ClientTls>,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Option<Self>> {
        raw.map_or(Some(None), |raw| Self::prove(raw, place, problems).map(Some))
    }
}

impl Redis {
    pub(super) fn prove(
        raw: &raw::redis::Redis,
        environment: &Environment,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mode = mode(raw, environment, place, problems);
        let username = Secret::prove_option(raw.username.as_ref(), environment, &place.key("username"), problems);
        let password = Secret::prove_option(raw.password.as_ref(), environment, &place.key("password"), problems);
        let tls = ClientTls::prove_option(raw.tls.as_ref(), &place.key("tls"), problems);
        if raw.username.is_some() && raw.password.is_none() {
            problems.add(place.key("password"), "is required beside username");
        }
        Some(Self {
            mode: mode?,
            username: username?,
            password: password?,
            tls: tls?,
            prefix: raw.prefix.0.clone(),
            connect_timeout: raw.connect_timeout.get(),
            command_timeout: raw.command_timeout.get(),
        })
    }
}

fn mode(raw: &raw::redis::Redis, environment: &Environment, place: &Place, problems: &mut Problems) -> Option<Mode> {
    let at = &place.key("nodes");
    let nodes = text::hosts(&raw.nodes, at, problems);
    text::distinct(
        raw.nodes.iter().enumerate().map(|(index, node)| (at.index(index), &**node)),
        "the address",
        problems,
    );
    if raw.nodes.is_empty() && raw.mode != RedisMode::Memory {
        problems.add(at.clone(), "is required: where Redis, or its sentinels, are reached");
    }
    if raw.sentinel.is_some() && raw.mode != RedisMode::Sentinel {
        problems.add(place.key("sentinel"), "goes only with mode sentinel");
    }
    match raw.mode {
        RedisMode::Memory => Some(Mode::Memory),
        RedisMode::Cluster => nodes.map(|nodes| Mode::Cluster { nodes }),
        RedisMode::Standalone => {
            if raw.nodes.len() > 1 {
                problems.add(at.clone(), "takes one address with mode standalone");
            }
            nodes?.into_iter().next().map(|node| Mode::Standalone { node })
        }
        RedisMode::Sentinel => {
            let at = &place.key("sentinel");
            let Some(sentinel) = &raw.sentinel else {
                problems.add(at.key("master"), "is required with mode sentinel");
                return None;
            };
            let username = Secret::prove_option(sentinel.username.as_ref(), environment, &at.key("username"), problems);
            let password = Secret::prove_option(sentinel.password.as_ref(), environment, &at.key("password"), problems);
            if sentinel.username.is_some() && sentinel.password.is_none() {
                problems.add(at.key("password"), "is required beside username");
            }
            let master = sentinel.master.0.clone();
            Some(Mode::Sentinel { nodes: nodes?, master, username: username?, password: password? })
        }
    }
}
