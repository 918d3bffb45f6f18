//! The two listeners, as the configuration says.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;

use actix_web::web;
use events_gateway_core::cursor::ChannelSet;
use events_gateway_identity::Expectations;

use super::files::secret;
use super::{GatewayError, Ports};
use crate::config::identity::Keys;
use crate::config::listen::Origins;
use crate::config::{self, Config, Place, Problems, Publish};
use crate::http::access::Policy;
use crate::http::admin::token::Token;
use crate::http::admission::Admission;
use crate::http::client_address::TrustedProxies;
use crate::http::cors::Cors;
use crate::http::credentials::{Credentials, Forwarded, TICKET};
use crate::http::door::Door;
use crate::http::events::{Edge, ProblemCounts};
use crate::http::listener::{self, Connections, Listening};
use crate::http::public::Extra;
use crate::http::publish::Publishing;
use crate::http::query::Rules;
use crate::http::refusal::Refusals;
use crate::http::screen::Hosts;
use crate::http::stats::Stats;
use crate::http::tls::Certificate;
use crate::http::websocket::{self, Sockets};
use crate::http::{admin, open_on, public};
use crate::hub::Hub;
use crate::identity::Identities;
use crate::identity::forward_auth::{self, ForwardAuth};
use crate::identity::issuer::{Issuer, Published, Source};
use crate::identity::recheck::recheck;
use crate::identity::tickets::Tickets;
use crate::publish::counters::Counters;
use crate::publish::{self, Publisher};
use crate::rate::Rates;
use crate::replica::Replica;
use crate::replica::lease::Keeper;
use crate::replica::pulse::Pulse;
use crate::replica::soft_limit::SoftLimit;
use crate::replica::subjects::{self, Subjects};
use crate::replica::tally::Tally;
use crate::revocation::Revocations;
use crate::task::Tasks;

pub(super) fn public_connections(config: &Config) -> Connections {
    let defaults = Connections::default();
    let workers = config.listen.workers.map_or(defaults.workers, std::num::NonZero::get);
    Connections {
        workers,
        most_per_worker: config.listen.max_connections.get().div_ceil(workers),
        door: Arc::default(),
        head_timeout: config.listen.head_timeout,
        keep_alive: config.listen.keep_alive,
        peer_timeout: config.streams.peer_timeout,
        most_unsent: config.streams.max_unsent_bytes.get(),
    }
}

pub(super) fn admin_connections(config: &Config) -> Connections {
    Connections { peer_timeout: config.streams.peer_timeout, ..admin::Options::default().connections }
}

pub(super) fn bind(address: SocketAddr, connections: &Connections) -> Result<TcpListener, GatewayError> {
    listener::bind(address, connections).map_err(|source| GatewayError::Listen { address, source })
}

pub(super) fn address(socket: &TcpListener, wanted: SocketAddr) -> Result<SocketAddr, GatewayError> {
    socket.local_addr().map_err(|source| GatewayError::Listen { address: wanted, source })
}

/// What the subscribe endpoint works with.
pub(super) fn edge(
    config: &Config,
    hub: Arc<Hub>,
    replica: Arc<Replica>,
    keeper: &Keeper,
    ports: &Ports,
    revocations: Option<Arc<Revocations>>,
    tasks: &Tasks,
) -> Result<web::Data<Edge>, GatewayError> {
    let published = Arc::new(Counters::default());
    let pulse = Pulse::new(hub.clone(), published.clone());
    tasks.spawn("pulse", pulse.clone().beat(replica.clone()));
    let cors = &config.listen.cors;
    let origins = match &cors.origins {
        Origins::Any => vec!["*".to_owned()],
        Origins::Listed(origins) => origins.clone(),
    };
    let credentials = config.identity.as_ref().map(|identity| {
        let identities = Arc::new(identities(identity, tasks).with_revocations(revocations));
        let connections = replica.connections().clone();
        let reconnect = super::revocations::reconnect(config);
        tasks.spawn("recheck", recheck(identities.clone(), connections, identity.recheck, reconnect));
        let forwarded = identity.forward_auth.as_ref().map(forwarded);
        if let Some(Forwarded { service, .. }) = &forwarded {
            let again =
                forward_auth::recheck::recheck(service.clone(), identities.clone(), identity.recheck, reconnect);
            tasks.spawn("recheck-sessions", again);
        }
        Credentials {
            identities,
            forwarded,
            tickets: Tickets::new(ports.tickets.clone(), identity.ticket_lifetime),
            cookie: identity.cookie.clone(),
            parameter: identity.query_parameter.clone(),
            origins: origins.clone(),
        }
    });
    let soft_limit = |most: NonZeroUsize| SoftLimit::new(most.get(), replica.clone(), keeper.reach(), keeper.leases());
    let trusted_proxies = TrustedProxies(config.listen.trusted_proxies.clone());
    let limits = &config.limits;
    Ok(web::Data::new(Edge {
        stats: Stats::new(hub.clone(), pulse, keeper.leases()),
        open: open_on(hub),
        soft_limit: config.limits.soft_streams.map(soft_limit),
        admission: admission(config, &replica, keeper, ports, tasks),
        door: Door::new(limits.address_connections, trusted_proxies.clone()),
        replica,
        rules: Rules {
            // The configuration bounds their number; none at all means that a request has to name its channels.
            default_channels: ChannelSet::new(config.channels.defaults.iter().cloned()).ok(),
            max_channels: config.streams.max_channels.get(),
            filters: config.filters.clone(),
            credentials: config.identity.iter().flat_map(parameters).collect(),
        },
        aliases: config.aliases.clone(),
        sockets: sockets(config),
        credentials,
        trusted_proxies,
        policy: Policy {
            serve_all: config.channels.all,
            rules: config.access.clone().map(Arc::new),
            views: config.views.clone(),
        },
        publishing: config.publish.as_ref().map(|publish| publishing(config, publish, published)).transpose()?,
        cors: Cors::new(origins, cors.credentials, cors.max_age)?,
        refusals: Refusals::new(config.limits.held_refusals),
        problems: ProblemCounts::default(),
    }))
}

fn sockets(config: &Config) -> Sockets {
    let options = super::channels::hub_options(config);
    Sockets::new(websocket::Options {
        heartbeat: options.heartbeat,
        expiring: options.expiring,
        retry: (options.retry, options.retry_jitter),
        max_age: options.max_age.map(|age| (age, options.max_age_jitter)),
    })
}

/// The bounds of streams by who opens them and where.
fn admission(config: &Config, replica: &Arc<Replica>, keeper: &Keeper, ports: &Ports, tasks: &Tasks) -> Admission {
    let limits = &config.limits;
    let subjects = limits.subject_streams.filter(|_| config.identity.is_some()).map(|most| {
        let options =
            subjects::Options { most: most.get(), lease: config.replica.lease, longest: config.streams.max_age };
        let subjects = Subjects::new(options, ports.quotas.clone(), replica.clone(), keeper.reach(), keeper.leases());
        tasks.spawn("subjects", subjects.clone().keep());
        subjects
    });
    Admission {
        rate: limits.stream_rate.map(Rates::new),
        address_rate: limits.address_stream_rate.map(Rates::new),
        addresses: limits.address_streams.map(|most| Tally::new(most.get())),
        subjects,
    }
}

/// Parameters of the query that say who asks.
fn parameters(identity: &config::Identity) -> impl Iterator<Item = String> {
    identity.query_parameter.clone().into_iter().chain([TICKET.to_owned()])
}

/// The issuers, each keeping its keys.
fn identities(identity: &config::Identity, tasks: &Tasks) -> Identities {
    let issuers = identity.issuers.iter().map(|issuer| {
        let expectations = Expectations {
            issuer: issuer.issuer.clone(),
            audiences: issuer.audiences.clone(),
            algorithms: issuer.algorithms.clone(),
            leeway: issuer.leeway.as_secs(),
        };
        let source = match issuer.keys.clone() {
            Keys::Url { url, ca_file } => Source::Url(Published { url, ca_file }),
            Keys::File(path) => Source::File(path),
            Keys::Secret(secret) => Source::Secret(secret),
        };
        let issuer = Arc::new(Issuer::new(expectations, source));
        tasks.spawn("issuer", issuer.clone().keep());
        issuer
    });
    Identities::new(issuers.collect())
}

fn forwarded(asked: &config::forward_auth::ForwardAuth) -> Forwarded {
    let options = forward_auth::Options {
        url: asked.url.clone(),
        ca_file: asked.ca_file.clone(),
        issuer: asked.issuer.clone(),
        timeout: asked.timeout,
        cache: asked.cache,
        lifetime: asked.lifetime,
    };
    Forwarded { service: ForwardAuth::new(options), headers: asked.headers.clone(), cookies: asked.cookies.clone() }
}

fn publishing(config: &Config, publish: &Publish, counters: Arc<Counters>) -> Result<Publishing, GatewayError> {
    let options = publish::Options {
        topic: publish.topic.clone(),
        max_record_bytes: config.kafka.max_record_bytes.get(),
        max_channels: publish.max_channels.get(),
        max_pending_bytes: publish.max_pending_bytes.get(),
        timeout: publish.timeout,
        address_rate: publish.address_rate,
        publisher_rate: publish.publisher_rate,
        counters,
    };
    let publisher = Publisher::new(super::kafka::client(config)?, options).map_err(super::kafka::KafkaError::from)?;
    Ok(Publishing { publisher, max_body_bytes: publish.max_body_bytes.get(), max_events: publish.max_events.get() })
}

pub(super) fn public(
    config: &Config,
    edge: web::Data<Edge>,
    socket: TcpListener,
    extra: Option<Extra>,
    tasks: &Tasks,
) -> Result<Listening, GatewayError> {
    let tls = match &config.listen.tls {
        None => None,
        Some(tls) => {
            let certificate = Certificate::load(&tls.cert_file, &tls.key_file)?;
            tasks.spawn("certificate", certificate.clone().watch());
            Some(certificate.server_config()?)
        }
    };
    let options = public::Options {
        path_prefix: config.listen.path_prefix.clone(),
        connections: Connections { door: edge.door.clone(), ..public_connections(config) },
        hosts: hosts(extra.is_some()),
        tls,
        extra,
    };
    public::listen(options, edge, socket)
        .map_err(|source| GatewayError::Listen { address: config.listen.address, source })
}

pub(super) fn admin(config: &Config, sources: admin::Sources, socket: TcpListener) -> Result<Listening, GatewayError> {
    let options = admin::Options { connections: admin_connections(config), hosts: Hosts::default() };
    admin::listen(options, web::Data::new(sources), socket)
        .map_err(|source| GatewayError::Listen { address: config.admin.address, source })
}

/// `dev` serves this machine only: a page of the web must not reach it by a name that it made point here.
fn hosts(is_dev: bool) -> Hosts {
    if is_dev { Hosts::loopback() } else { Hosts::default() }
}

pub(super) fn token(config: &Config) -> Result<Option<Token>, GatewayError> {
    let Some(configured) = &config.admin.token else { return Ok(None) };
    Token::new(&secret("admin.token", configured)?).map(Some).map_err(|error| {
        let mut problems = Problems::default();
        problems.add(Place::root().key("admin").key("token"), error);
        GatewayError::Config(problems)
    })
}
