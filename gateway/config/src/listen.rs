//! The two listeners.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use events_gateway_crds as raw;
use ipnet::IpNet;

use super::overrides::Environment;
use super::problem::{Place, Problems};
use super::secret::Secret;
use super::text;

/// The public listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Listen {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// Begins with `/`, doesn't end with it.
    pub path_prefix: String,
    /// Most connections at a time.
    pub max_connections: NonZeroUsize,
    /// Threads that serve; `None`: one a core.
    pub workers: Option<NonZeroUsize>,
    /// How long a connection without a request is kept.
    pub keep_alive: Duration,
    /// How long a request's head may take.
    pub head_timeout: Duration,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// TLS instead of plain HTTP.
    pub tls: Option<ServerTls>,
    /// Cross-origin requests.
    pub cors: Cors,
}

/// PEM files of a listener's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Certificate and chain.
    pub cert_file: PathBuf,
    /// Private key.
    pub key_file: PathBuf,
}

/// Cross-origin requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Who may read.
    pub origins: Origins,
    /// Whether requests may carry cookies; never with [`Origins::Any`].
    pub credentials: bool,
    /// How long a preflight's answer may be remembered.
    pub max_age: Duration,
}

/// Pages of which origins may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Every page.
    Any,
    /// These, compared byte for byte with the `Origin` header; may be empty. Small letters, no default port, no path.
    Listed(Vec<String>),
}

/// The admin listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Admin {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// The bearer token; `None`: only health and metrics exist.
    pub token: Option<Secret>,
}

/// Fewest bytes of the admin token: what is shorter can be guessed.
pub const MIN_TOKEN_BYTES: usize = 16;

impl Listen {
    pub(super) fn prove(raw: &raw::listen::Listen, place: &Place, problems: &mut Problems) -> Option<Self> {
        let address = socket(&raw.address, raw.port, place, problems);
        let max_connections = text::count(raw.max_connections, place.key("maxConnections"), problems);
        let workers = match raw.workers {
            Some(number) => text::count(number, place.key("workers"), problems).map(Some),
            None => Some(None),
        };
        let at = place.key("trustedProxies");
        let networks = raw.trusted_proxies.iter().enumerate();
        let trusted_proxies: Vec<Option<IpNet>> =
            networks.map(|(index, network)| problems.take(at.index(index), network.parse())).collect();
        let cors = Cors::prove(&raw.cors, &place.key("cors"), problems);
        Some(Self {
            address: address?,
            path_prefix: raw.path_prefix.0.clone(),
            max_connections: max_connections?,
            workers: workers?,
            keep_alive: raw.keep_alive.get(),
            head_timeout: raw.head_timeout.get(),
            trusted_proxies: trusted_proxies.into_iter().collect::<Option<_>>()?,
            tls: raw.tls.as_ref().map(|tls| ServerTls {
                cert_file: PathBuf::from(&*tls.cert_file),
                key_file: PathBuf::from(&*tls.key_file),
            }),
            cors: cors?,
        })
    }
}

impl Cors {
    fn prove(raw: &raw::listen::Cors, place: &Place, problems: &mut Problems) -> Option<Self> {
        let origins = &place.key("origins");
        let any = raw.origins.iter().any(|origin| &**origin == "*");
        if any && raw.credentials {
            problems
                .add(place.key("credentials"), "must be false while origins has *: any page could act for the user");
        }
        if any && raw.origins.len() > 1 {
            problems.add(origins.clone(), "* stands for every origin: nothing can stand beside it");
        }
        text::distinct(
            raw.origins.iter().enumerate().map(|(index, origin)| (origins.index(index), &**origin)),
            "the origin",
            problems,
        );
        let mut proven = Some(Vec::new());
        for (index, text) in raw.origins.iter().enumerate().filter(|(_, text)| &***text != "*") {
            match problems.take(origins.index(index), origin(text)) {
                Some(origin) => proven.iter_mut().for_each(|proven| proven.push(origin.clone())),
                None => proven = None,
            }
        }
        let listed = proven?;
        let origins = if any { Origins::Any } else { Origins::Listed(listed) };
        Some(Self { origins, credentials: raw.credentials, max_age: raw.max_age.get() })
    }
}

/// An origin as browsers write it (RFC 6454, section 6.2): anything else would never be equal to one.
fn origin(text: &str) -> Result<String, String> {
    let (scheme, authority) = text.split_once("://").ok_or("expected an origin such as https://app.example.org")?;
    let default = if scheme == "https" { ":443" } else { ":80" };
    let written = authority.strip_suffix(default).unwrap_or(authority).to_ascii_lowercase();
    let written = format!("{scheme}://{written}");
    if written == text { Ok(written) } else { Err(format!("browsers write this origin as {written}")) }
}

impl Admin {
    pub(super) fn prove(
        raw: &raw::admin::Admin,
        public: &raw::listen::Listen,
        environment: &Environment,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        let address = socket(&raw.address, raw.port, place, problems);
        let token = Secret::prove_option(raw.token.as_ref(), environment, &place.key("token"), problems);
        if raw.port != 0 && raw.port == public.port {
            problems.add(place.key("port"), "is the public listener's port: the admin listener needs one of its own");
        }
        if let Some(Some(Secret::Inline(text))) = &token
            && text.expose().len() < MIN_TOKEN_BYTES
        {
            problems.add(place.key("token"), format!("needs at least {MIN_TOKEN_BYTES} bytes"));
        }
        Some(Self { address: address?, token: token? })
    }
}

fn socket(address: &str, port: i32, place: &Place, problems: &mut Problems) -> Option<SocketAddr> {
    let address = address.parse::<IpAddr>().map_err(|_| "expected an IP address such as 0.0.0.0 or ::");
    let address = problems.take(place.key("address"), address);
    let port = text::port(port, place.key("port"), problems);
    Some(SocketAddr::new(address?, port?))
}
