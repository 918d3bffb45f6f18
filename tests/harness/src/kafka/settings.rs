//! How a test broker is configured.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use rand::RngCore as _;

use crate::certificates::Certificates;
use crate::port;

/// User names and passwords of the secured listeners.
pub const USERS: [(&str, &str); 2] = [("alice", "alice-secret"), ("bob", "bob-secret")];

/// A listener with encryption or authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listener {
    /// TLS, no authentication.
    Tls,
    /// SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER with unsecured tokens) without encryption.
    Sasl,
    /// The same SASL over TLS.
    SaslTls,
}

impl Listener {
    const ALL: [Self; 3] = [Self::Tls, Self::Sasl, Self::SaslTls];

    fn name(self) -> &'static str {
        match self {
            Self::Tls => "TLS",
            Self::Sasl => "SASL",
            Self::SaslTls => "SASLTLS",
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Self::Tls => "SSL",
            Self::Sasl => "SASL_PLAINTEXT",
            Self::SaslTls => "SASL_SSL",
        }
    }
}

/// What a suite may want of its broker.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Also open the listeners of [`Listener`], with [`USERS`].
    pub secured: bool,
    /// Also listen on this address of this machine, for clients in another network namespace, without encryption.
    pub outside: Option<Ipv4Addr>,
    /// Also listen on the first port of this machine, and send clients of it to the second: what can be cut in between.
    pub linked: Option<(u16, u16)>,
    /// Check access-control lists. Everybody may do what no list forbids; `User:ANONYMOUS` may do everything.
    pub access_control: bool,
    /// Further broker properties; they win over the ones below.
    pub properties: BTreeMap<String, String>,
}

impl Settings {
    /// The properties file.
    pub(super) fn render(&self, ports: &Ports, data: &Path, certificates: Option<&Certificates>) -> String {
        let mut properties: BTreeMap<String, String> =
            FIXED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut set = |name: &str, value: String| properties.insert(name.to_owned(), value);

        let mut listeners = format!("PLAIN://127.0.0.1:{}", ports.plain);
        let mut protocols = "PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
        if let Some(address) = ports.outside {
            let _ = write!(listeners, ",OUTSIDE://{address}");
            protocols += ",OUTSIDE:PLAINTEXT";
        }
        let mut advertised = listeners.clone();
        if let Some((port, link)) = self.linked {
            let _ = write!(listeners, ",LINKED://127.0.0.1:{port}");
            let _ = write!(advertised, ",LINKED://127.0.0.1:{link}");
            protocols += ",LINKED:PLAINTEXT";
        }
        for (listener, port) in &ports.secured {
            let (name, protocol) = (listener.name(), listener.protocol());
            let _ = write!(listeners, ",{name}://localhost:{port}");
            let _ = write!(advertised, ",{name}://localhost:{port}");
            let _ = write!(protocols, ",{name}:{protocol}");
            if *listener != Listener::Tls {
                for (mechanism, login) in logins() {
                    let prefix = format!("listener.name.{}.{mechanism}", name.to_lowercase());
                    set(&format!("{prefix}.sasl.jaas.config"), login);
                }
            }
        }
        set("advertised.listeners", advertised);
        set("listeners", format!("{listeners},CONTROLLER://127.0.0.1:{}", ports.controller));
        set("listener.security.protocol.map", protocols);
        set("controller.quorum.voters", format!("1@127.0.0.1:{}", ports.controller));
        set("log.dirs", data.display().to_string());
        if let Some(certificates) = certificates {
            set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER".to_owned());
            set("ssl.keystore.type", "PEM".to_owned());
            set("ssl.keystore.location", certificates.server_key_and_certificate().display().to_string());
            set("ssl.truststore.type", "PEM".to_owned());
            set("ssl.truststore.location", certificates.authority().display().to_string());
        }
        if self.access_control {
            set("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned());
            set("allow.everyone.if.no.acl.found", "true".to_owned());
            set("super.users", "User:ANONYMOUS".to_owned());
        }
        properties.extend(self.properties.clone());
        properties.iter().fold(String::new(), |mut text, (name, value)| {
            let _ = writeln!(text, "{name}={value}");
            text
        })
    }

    pub(super) fn scram_users(&self) -> Vec<String> {
        if !self.secured {
            return Vec::new();
        }
        let mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
        let users = USERS.iter().flat_map(|user| mechanisms.map(|mechanism| (mechanism, *user)));
        users.map(|(mechanism, (name, password))| format!("{mechanism}=[name={name},password={password}]")).collect()
    }
}

/// What every test broker has: one replica of everything, groups that form at once, members that may be missed soon.
const FIXED: &[(&str, &str)] = &[
    ("auto.create.topics.enable", "false"),
    ("controller.listener.names", "CONTROLLER"),
    ("group.consumer.heartbeat.interval.ms", "500"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    ("group.consumer.min.session.timeout.ms", "1000"),
    ("group.consumer.session.timeout.ms", "6000"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
    ("inter.broker.listener.name", "PLAIN"),
    // A deleted topic's files go at once: its name can be given again.
    ("log.segment.delete.delay.ms", "0"),
    ("message.max.bytes", "4194304"),
    ("node.id", "1"),
    ("num.io.threads", "4"),
    ("num.network.threads", "2"),
    ("offsets.topic.num.partitions", "4"),
    ("offsets.topic.replication.factor", "1"),
    ("process.roles", "broker,controller"),
    ("replica.fetch.max.bytes", "4194304"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("share.coordinator.state.topic.num.partitions", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.state.log.num.partitions", "2"),
    ("transaction.state.log.replication.factor", "1"),
];

/// JAAS logins by mechanism, as the broker's properties name them.
fn logins() -> [(&'static str, String); 4] {
    let users: String = USERS.iter().map(|(name, password)| format!(" user_{name}=\"{password}\"")).collect();
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;".to_owned();
    let oauth = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";";
    [
        ("plain", format!("org.apache.kafka.common.security.plain.PlainLoginModule required{users};")),
        ("scram-sha-256", scram.clone()),
        ("scram-sha-512", scram),
        ("oauthbearer", oauth.to_owned()),
    ]
}

/// The ports of one broker.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) plain: u16,
    pub(super) outside: Option<SocketAddrV4>,
    pub(super) secured: BTreeMap<Listener, u16>,
    controller: u16,
}

impl Ports {
    pub(super) fn free(settings: &Settings) -> Self {
        let secured = if settings.secured { Listener::ALL.as_slice() } else { &[] };
        Self {
            plain: port::free(),
            outside: settings.outside.map(|address| SocketAddrV4::new(address, port::free())),
            secured: secured.iter().map(|listener| (*listener, port::free())).collect(),
            controller: port::free(),
        }
    }
}

/// A new cluster id: 16 random bytes in URL-safe base64, which must not begin with a dash.
pub(super) fn cluster_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = rand::rng();
    // 22 letters carry 132 bits; the last one may only carry the two that are left of 128.
    let letters = (0..21).map(|index| {
        let choices = if index == 0 { 62 } else { 64 };
        ALPHABET[random.next_u32() as usize % choices] as char
    });
    letters.chain(['A']).collect()
}
