//! The configuration: from a file and the environment to proven values, or to everything that is wrong, at once.
//!
//! Steps: read and parse the file (`document`), put the environment's overrides in (`overrides`), compare with the schema
//! (`structure`), then prove each section: rules that join fields, addresses, patterns, templates. Secrets and certificates are
//! looked at only by [`load`], so that a file can be checked where they aren't.

mod access;
pub mod aliases;
pub mod channels;
pub mod decoder;
pub mod dev;
pub mod document;
pub mod effective;
mod files;
pub mod forward_auth;
pub mod identity;
pub mod kafka;
pub mod listen;
pub mod overrides;
pub mod problem;
pub mod publish;
pub mod rate;
pub mod redis;
pub mod reference;
pub mod replica;
pub mod revocation;
pub mod routes;
pub mod secret;
pub mod streams;
mod structure;
mod suggest;
pub mod text;
mod views;

use std::path::Path;
use std::sync::Arc;

use events_gateway_crds as raw;
use serde_json::Value;

pub use aliases::Alias;
pub use channels::Channels;
pub use events_gateway_core::access::Rules;
pub use events_gateway_core::filter::NamedFilter;
pub use events_gateway_core::pattern::ChannelPattern;
pub use events_gateway_core::view::View;
pub use identity::Identity;
pub use kafka::Kafka;
pub use listen::{Admin, Listen};
pub use overrides::Environment;
pub use problem::{Place, Problem, Problems};
pub use publish::Publish;
pub use raw::log::{Log, LogFormat, LogLevel};
pub use redis::Redis;
pub use replica::Replica;
pub use routes::Route;
pub use secret::Secret;
pub use streams::{Drain, Limits, Streams};

/// Proven configuration: every value is in bounds, every name resolves, nothing contradicts anything else.
#[derive(Debug, Clone)]
pub struct Config {
    /// The public listener.
    pub listen: Listen,
    /// The admin listener.
    pub admin: Admin,
    /// Where events are kept.
    pub redis: Redis,
    /// Where events come from.
    pub kafka: Kafka,
    /// By name, as in the file; at the same index.
    pub routes: Vec<Route>,
    /// Publishing over HTTP.
    pub publish: Option<Publish>,
    /// Who clients are.
    pub identity: Option<Identity>,
    /// Who may do what; absent: everybody everything.
    pub access: Option<Rules>,
    /// By name, as in the file; at the same index.
    pub views: Vec<Arc<View>>,
    /// Filters by name.
    pub filters: Vec<NamedFilter>,
    /// Paths of existing frontends.
    pub aliases: Vec<Alias>,
    /// What holds for channels.
    pub channels: Channels,
    /// What holds for each stream.
    pub streams: Streams,
    /// How a replica hands over.
    pub drain: Drain,
    /// Bounds of the replica.
    pub limits: Limits,
    /// Logging.
    pub log: Log,
    /// Who this replica is.
    pub replica: Replica,
    raw: Box<raw::Gateway>,
}

/// The environment of this process.
#[must_use]
pub fn environment() -> Environment {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into(), value.to_string_lossy().into())).collect()
}

/// What `run` uses: reads the file, applies the environment, proves everything, and makes sure that every secret and
/// certificate can be read.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, Problems> {
    let config = check(path, environment)?;
    let unreadable = files::unreadable(&config);
    if unreadable.is_empty() { Ok(config) } else { Err(unreadable) }
}

/// What `check-config` uses: as [`load`], but secrets and certificates needn't be there.
pub fn check(path: &Path, environment: &Environment) -> Result<Config, Problems> {
    let text = document::read(path).map_err(|error| whole(&error))?;
    parse(&text, environment)
}

/// As [`check`], from text. Reads no file.
pub fn parse(text: &str, environment: &Environment) -> Result<Config, Problems> {
    let mut document = document::parse(text).map_err(|error| whole(&error))?;
    let schema = raw::schema::gateway();
    let mut problems = Problems::default();
    structure::drop_absent(&mut document, schema);
    let origins = overrides::apply(&mut document, schema, environment, &mut problems);
    structure::check(&mut document, &mut problems);
    let config = read_raw(document, &mut problems).and_then(|raw| {
        let config = Config::prove(raw, environment, &mut problems)?;
        decoder::prove(&config, &mut problems);
        Some(config)
    });
    problems.reword(|problem| {
        if let Some(variable) = origins.of(&problem.place) {
            problem.problem.push_str(&format!(" (set by {variable})"));
        }
    });
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

fn whole(error: &document::DocumentError) -> Problems {
    let mut problems = Problems::default();
    problems.add(Place::root(), error);
    problems
}

/// Reads the checked document into the raw types. Can fail only where a problem is known already; should the schema and the
/// types ever disagree, the disagreement is told as a problem of the whole file.
fn read_raw(document: Value, problems: &mut Problems) -> Option<raw::Gateway> {
    match serde_json::from_value(document) {
        Ok(raw) => Some(raw),
        Err(error) => {
            if problems.is_empty() {
                problems.add(Place::root(), error);
            }
            None
        }
    }
}

impl Config {
    /// Proves what was read. `None` only with at least one problem noted; there may be problems with `Some`, too.
    fn prove(raw: raw::Gateway, environment: &Environment, problems: &mut Problems) -> Option<Self> {
        let root = Place::root();
        let listen = Listen::prove(&raw.listen, &root.key("listen"), problems);
        let admin = Admin::prove(&raw.admin, &raw.listen, environment, &root.key("admin"), problems);
        let redis = Redis::prove(&raw.redis, environment, &root.key("redis"), problems);
        let routes = routes::prove(&raw.routes, &root.key("routes"), problems);
        let kafka = Kafka::prove(&raw.kafka, &raw.routes, environment, &root.key("kafka"), problems);
        let publish = match &raw.publish {
            None => Some(None),
            Some(publish) => Publish::prove(publish, &raw.kafka, &root.key("publish"), problems).map(Some),
        };
        let identity = match &raw.identity {
            None => Some(None),
            Some(identity) => {
                Identity::prove(identity, &raw.kafka, environment, &root.key("identity"), problems).map(Some)
            }
        };
        let access = match &raw.access {
            Some(access) => {
                access::prove(access, raw.identity.as_ref(), &raw.views, &root.key("access"), problems).map(Some)
            }
            // Nothing is granted.
            None => Some(raw.identity.as_ref().map(|_| Rules::default())),
        };
        let views = views::prove(&raw.views, &root.key("views"), problems);
        let filters = views::prove_filters(&raw.filters, &root.key("filters"), problems);
        let aliases = aliases::prove(&raw, &root.key("aliases"), problems);
        let channels = Channels::prove(&raw.channels, &raw.streams, &root.key("channels"), problems);
        let streams = Streams::prove(&raw.streams, &raw.kafka, &root.key("streams"), problems);
        let drain = Drain::prove(&raw.drain, &root.key("drain"), problems);
        let limits = Limits::prove(&raw.limits, &raw.listen, &root.key("limits"), problems);
        let replica = Replica::prove(&raw.replica, &raw.listen, environment, &root.key("replica"), problems);
        Some(Self {
            listen: listen?,
            admin: admin?,
            redis: redis?,
            kafka: kafka?,
            routes: routes?,
            publish: publish?,
            identity: identity?,
            access: access?,
            views: views?,
            filters: filters?,
            aliases: aliases?,
            channels: channels?,
            streams: streams?,
            drain: drain?,
            limits: limits?,
            log: raw.log.clone(),
            replica: replica?,
            raw: Box::new(raw),
        })
    }

    /// The route of a name.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.name == name)
    }
}

#[cfg(test)]
mod tests;
