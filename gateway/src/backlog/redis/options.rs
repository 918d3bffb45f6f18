//! How to reach Redis, and how much to keep there.

use std::fmt;
use std::time::Duration;

/// Everything the Redis backlog needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which servers, arranged how.
    pub mode: Mode,
    /// Of the data servers.
    pub credentials: Credentials,
    /// TLS to the data servers and sentinels; `None`: plain TCP.
    pub tls: Option<Tls>,
    /// Beginning of every key and shard channel, such as `egw:`. At most 64 bytes of `A-Z a-z 0-9 _ . : -`.
    pub prefix: String,
    /// About how many events a channel's backlog keeps; Redis trims whole nodes of its stream, so there may be some more.
    pub retained_events: u64,
    /// How long a channel's backlog keeps an event, counted from the event's own time.
    pub retained_age: Duration,
    /// When an ownership that isn't verified lapses. The default is three times the interval of verify.
    pub ownership: Duration,
    /// Bound on opening a connection, handshake included.
    pub connect_timeout: Duration,
    /// Bound on every call, redirects and waiting for a connection included.
    pub call_timeout: Duration,
    /// How often each connection is asked whether it still lives; a connection whose answer takes as long again is
    /// replaced.
    pub ping_interval: Duration,
    /// How often Sentinel or Cluster is asked who the primaries are (also at once after any sign of change).
    pub topology_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Standalone { address: Address { host: "127.0.0.1".into(), port: 6379 } },
            credentials: Credentials::default(),
            tls: None,
            prefix: "egw:".into(),
            retained_events: 10_000,
            retained_age: Duration::from_secs(4 * 3600),
            ownership: Duration::from_secs(45),
            connect_timeout: Duration::from_secs(3),
            call_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(3),
            topology_interval: Duration::from_secs(2),
        }
    }
}

impl Options {
    /// Says what is wrong with the options, if anything is.
    pub fn validate(&self) -> Result<(), OptionsError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        if self.prefix.len() > 64 || !self.prefix.bytes().all(plain) {
            return Err(OptionsError::Prefix(self.prefix.clone()));
        }
        let nodes = match &self.mode {
            Mode::Standalone { .. } => 1,
            Mode::Sentinel { sentinels, .. } => sentinels.len(),
            Mode::Cluster { nodes } => nodes.len(),
        };
        if nodes == 0 {
            return Err(OptionsError::NoNodes);
        }
        if self.retained_events == 0 || self.retained_age.is_zero() {
            return Err(OptionsError::NothingRetained);
        }
        Ok(())
    }

    /// When the keys of a channel that nobody touches disappear: max(7 days, retention).
    pub(super) fn expiry(&self) -> Duration {
        self.retained_age.max(Duration::from_secs(7 * 24 * 3600))
    }
}

/// Why options can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The prefix holds a byte that could change what a key means, such as a brace, or is too long.
    #[error("the key prefix {0:?} must have at most 64 bytes of A-Z a-z 0-9 _ . : -")]
    Prefix(String),
    /// No server is named.
    #[error("at least one node must be named")]
    NoNodes,
    /// Neither count nor age may be zero.
    #[error("retention by count and by age must both be above zero")]
    NothingRetained,
    /// Not `host:port`.
    #[error("{0:?} is not an address of the form host:port")]
    Address(String),
    /// A certificate or key can't be used.
    #[error("failed to use the TLS material: {0}")]
    Tls(String),
}

/// How the Redis servers are arranged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// One primary at a fixed address.
    Standalone {
        /// Its address.
        address: Address,
    },
    /// A primary that sentinels name and replace.
    Sentinel {
        /// The sentinels, asked in turn.
        sentinels: Vec<Address>,
        /// The name under which they watch the primary.
        service: String,
        /// Of the sentinels themselves.
        credentials: Credentials,
    },
    /// Redis Cluster.
    Cluster {
        /// Some of its nodes; the others are learnt.
        nodes: Vec<Address>,
    },
}

/// Where a server listens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl std::str::FromStr for Address {
    type Err = OptionsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || OptionsError::Address(text.into());
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(refused());
        }
        Ok(Self { host: host.into(), port: port.parse().map_err(|_| refused())? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who we are to a server. Both absent: the server's `default` user without a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// ACL user.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "(hidden)");
        f.debug_struct("Credentials").field("username", &self.username).field("password", &password).finish()
    }
}

/// TLS material, in PEM.
#[derive(Clone, Default)]
pub struct Tls {
    /// Certificates of the authorities to trust; `None`: the system's.
    pub authorities: Option<Vec<u8>>,
    /// Our certificate chain and key, where servers demand one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("authorities", &self.authorities.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for good in ["localhost:1", "[::1]:6379", "10.0.0.1:65535"] {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        for bad in ["", "localhost", ":1", "localhost:", "localhost:65536", "[]:1"] {
            assert_eq!(bad.parse::<Address>(), Err(OptionsError::Address(bad.into())));
        }
    }

    #[test]
    fn a_prefix_can_not_change_the_hash_tag() {
        let with = |prefix: &str| Options { prefix: prefix.into(), ..Options::default() }.validate();
        assert_eq!(with("team-1.egw:"), Ok(()));
        assert_eq!(with("{x}"), Err(OptionsError::Prefix("{x}".into())));
    }
}
