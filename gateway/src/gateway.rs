//! The composition root: puts a replica together from its configuration, runs it, and ends it.

pub mod channels;
pub mod consumers;
mod edges;
mod files;
pub mod kafka;
pub mod redis;
mod revocations;
mod status;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::backlog::memory::Store;
use crate::backlog::{Backlog, Confirmations, Directory, KnownBreaks, Quotas, Secrets, Tickets, Watermarks, memory};
use crate::clock;
use crate::config::redis::Mode;
use crate::config::{Config, Problems};
use crate::http::listener::Listening;
use crate::hub::{Hub, HubListener, secret};
use crate::metrics::{Metrics, sources};
use crate::replica::drain::{Drain, Ending};
use crate::replica::lease::{self, Keeper};
use crate::replica::ready::{self, Inputs};
use crate::replica::{self, Replica, peers, registry};
use crate::task::{self, Death, Deaths, Tasks};
use consumers::Consumers;

/// Why a replica can't start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The configuration, or a file or secret that it names, isn't right.
    #[error("the configuration has problems:\n{0}")]
    Config(Problems),
    /// Redis can't be configured so.
    #[error("failed to set up Redis")]
    Redis(#[from] crate::backlog::redis::OptionsError),
    /// A Kafka client can't be made.
    #[error("failed to set up Kafka")]
    Kafka(#[from] kafka::KafkaError),
    /// A socket can't be listened on.
    #[error("failed to listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate can't be used.
    #[error("failed to set up TLS")]
    Tls(#[from] crate::http::tls::TlsError),
    /// CORS can't be set up so.
    #[error("failed to set up CORS")]
    Cors(#[from] crate::http::cors::CorsError),
    /// Signals can't be received.
    #[error("failed to receive signals")]
    Signals(#[from] io::Error),
    /// A task ended that never should.
    #[error("the process can't go on: {0}")]
    Died(#[from] Death),
}

/// The shared state behind the ports, and what is called back.
#[derive(Clone)]
pub struct Ports {
    /// Channels.
    pub backlog: Arc<dyn Backlog>,
    /// What each primary remembers.
    pub watermarks: Arc<dyn Watermarks>,
    /// Replicas and groups.
    pub directory: Arc<dyn Directory>,
    /// What opens a stream once.
    pub tickets: Arc<dyn Tickets>,
    /// What replicas seal cursors with.
    pub secrets: Arc<dyn Secrets>,
    /// Who has applied which revocations.
    pub confirmations: Arc<dyn Confirmations>,
    /// How much each subject holds.
    pub quotas: Arc<dyn Quotas>,
}

impl Ports {
    fn of<T: Backlog + Watermarks + Directory + Tickets + Secrets + Confirmations + Quotas>(shared: Arc<T>) -> Self {
        Self {
            backlog: shared.clone(),
            watermarks: shared.clone(),
            directory: shared.clone(),
            tickets: shared.clone(),
            secrets: shared.clone(),
            confirmations: shared.clone(),
            quotas: shared,
        }
    }
}

use crate::http::public::Extra;

/// Makes what `dev` adds to the public listener, once the admin listener's address is known.
pub type MakeExtra = Box<dyn FnOnce(SocketAddr) -> Extra + Send>;

/// A replica that runs.
pub struct Gateway {
    /// Where streams are served.
    pub public: SocketAddr,
    /// Where operators look.
    pub admin: SocketAddr,
    replica: Arc<Replica>,
    keeper: Arc<Keeper>,
    drain: Arc<Drain>,
    servers: Vec<actix_web::dev::ServerHandle>,
    signals: BoxStream<'static, ()>,
    deaths: Deaths,
    /// Keeps the spawner: without it, no death could be told.
    _tasks: Tasks,
}

impl Gateway {
    /// Starts every part. What can't be reached yet (Redis, Kafka) is waited for in the background, by those who need it.
    ///
    /// Signals are received from the first line on: one that comes while it starts drains it as soon as it runs.
    pub async fn start(config: &Config, extra: Option<MakeExtra>) -> Result<Self, GatewayError> {
        let signals = signals()?.boxed();
        let (tasks, deaths) = task::tasks();
        let started = clock::now();
        let replica = Replica::new(config.limits.streams.get());
        let listener = Arc::new(HubListener::default());
        let ports = ports(config, &listener)?;
        let hub = Hub::new(ports.backlog.clone(), channels::hub_options(config), &replica.id());
        listener.connect(hub.clone());
        tasks.spawn("verify", Arc::clone(&hub).verify().boxed());
        if config.access.is_some() {
            tasks.spawn("secret", secret::share(ports.secrets.clone(), hub.clone()));
        }
        tasks.spawn("rename", replica::rename(replica.clone(), hub.clone()));

        let metrics = Arc::new(Metrics::default());
        metrics.add(sources::build());
        metrics.add(sources::hub(hub.clone()));
        metrics.add(crate::metrics::process::source());

        let public_socket = edges::bind(config.listen.address, &edges::public_connections(config))?;
        let admin_socket = edges::bind(config.admin.address, &edges::admin_connections(config))?;
        let admin_address = edges::address(&admin_socket, config.admin.address)?;
        let public_address = edges::address(&public_socket, config.listen.address)?;

        let groups: Vec<String> = config.kafka.bindings.iter().map(|binding| binding.group_id.clone()).collect();
        let options = lease::Options {
            ttl: config.replica.lease,
            pod: config.replica.name.clone(),
            address: config
                .replica
                .address
                .as_ref()
                .map_or_else(|| public_address.to_string(), |address| format!("{}:{}", address.host, address.port)),
            started,
            groups: groups.clone(),
        };
        let keeper = Arc::new(Keeper::new(replica.clone(), ports.directory.clone(), options));
        tasks.spawn("lease", Arc::clone(&keeper).run());
        tasks.spawn("registry", registry::record(replica.clone(), ports.directory.clone(), config.replica.lease * 3));
        let (others_reach, others) = watch::channel(None);
        tasks.spawn("peers", peers::watch(replica.clone(), keeper.clone(), admin_address.port(), others_reach));

        let breaks = Arc::new(KnownBreaks::default());
        let consumers = Consumers::new(config, &ports, &keeper, &breaks)?;
        for binding in &config.kafka.bindings {
            let monitored = consumers.clone();
            let name = binding.name.clone();
            metrics.add(sources::consumer(binding.name.clone(), move || monitored.consumed(&name)));
        }
        let tearing = consumers::groups_of_events(config);
        tasks.spawn("breaks", consumers::breaks(keeper.clone(), tearing, breaks, hub.clone()));

        let hand_over = consumers.clone();
        let drain = Drain::new(
            replica.clone(),
            ports.directory.clone(),
            Arc::new(move |over| hand_over.clone().hand_over(over).boxed()),
            channels::drain_options(config),
        );
        let ready = ready_when(config, &replica, &keeper, others);
        let is_ready = ready.clone();
        metrics.add(sources::replica(replica.clone(), &keeper, Arc::new(move || is_ready().is_ok())));

        let revoking = revocations::revoking(config, &replica, &ports, &tasks)?;
        let known = revoking.as_ref().map(|revoking| revoking.revocations.clone());
        let edge = edges::edge(config, hub.clone(), replica.clone(), &keeper, &ports, known, &tasks)?;
        metrics.add(sources::edge(edge.clone()));
        let extra = extra.map(|make| make(admin_address));
        let public = edges::public(config, edge, public_socket, extra, &tasks)?;
        let kafka_status = consumers.clone();
        let pod = config.replica.name.clone();
        let status = status::teller(pod, replica.clone(), hub, &keeper, drain.clone(), consumers.clone());
        let admin = edges::admin(
            config,
            crate::http::admin::Sources {
                replica: replica.clone(),
                ready,
                reach: keeper.reach(),
                metrics,
                directory: ports.directory.clone(),
                backlog: ports.backlog.clone(),
                status,
                kafka: Arc::new(move || kafka_status.status()),
                groups,
                drain: drain.clone(),
                revoking,
                token: edges::token(config)?,
            },
            admin_socket,
        )?;
        tasks.spawn("drain", drain.clone().follow());
        consumers.start();
        let mut servers = Vec::new();
        for (name, Listening { handle, server, .. }) in [("public", public), ("admin", admin)] {
            servers.push(handle);
            // It is stopped when nobody watches for deaths any more: ending before is one.
            tasks.spawn(name, async move {
                if let Err(error) = server.await {
                    tracing::error!(%error, "failed to serve");
                }
            });
        }
        tracing::info!(replica = &*replica.id(), public = %public_address, admin = %admin_address, "serving");
        Ok(Self {
            public: public_address,
            admin: admin_address,
            replica,
            keeper,
            drain,
            servers,
            signals,
            deaths,
            _tasks: tasks,
        })
    }

    /// Runs until a signal (SIGTERM, SIGINT) asks it to drain and that has ended, a second one aborts it, or a task dies.
    pub async fn run(mut self) -> Result<Ending, GatewayError> {
        let ending = tokio::select! {
            ending = self.drain.on_signals(self.signals) => ending,
            death = self.deaths.first() => return Err(death.into()),
        };
        tracing::info!(?ending, "ending");
        if let Ending::Drained(_) = ending {
            self.keeper.release().await;
            for server in self.servers {
                // Streams are closed; what is left are connections without a request, or probes.
                let _ = tokio::time::timeout(Duration::from_secs(2), server.stop(false)).await;
            }
        }
        Ok(ending)
    }

    /// The replica's id.
    #[must_use]
    pub fn replica(&self) -> Arc<str> {
        self.replica.id()
    }
}

fn ports(config: &Config, listener: &Arc<HubListener>) -> Result<Ports, GatewayError> {
    Ok(match &config.redis.mode {
        Mode::Memory => Ports::of(Arc::new(Store::default().connect(
            memory::Options {
                retained_events: config.channels.retention_events.get(),
                retained_age: config.channels.retention_age,
                ownership: config.replica.verify * 3,
            },
            listener.clone(),
        ))),
        _ => Ports::of(Arc::new(redis::connect(config, listener.clone())?)),
    })
}

fn ready_when(
    config: &Config,
    replica: &Arc<Replica>,
    keeper: &Arc<Keeper>,
    others: watch::Receiver<Option<bool>>,
) -> crate::http::admin::Ready {
    let (replica, reach, patience) = (replica.clone(), keeper.reach(), config.replica.redis_patience);
    Arc::new(move || {
        let inputs = Inputs {
            // The admin listener answers last of all that starts.
            started: true,
            state: replica.state(),
            reach: *reach.borrow(),
            others_reach: *others.borrow(),
            patience,
        };
        ready::decide(&inputs, tokio::time::Instant::now())
    })
}

fn signals() -> Result<impl Stream<Item = ()>, io::Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(futures_util::stream::poll_fn(move |cx| {
        if terminate.poll_recv(cx).is_ready() || interrupt.poll_recv(cx).is_ready() {
            return std::task::Poll::Ready(Some(()));
        }
        std::task::Poll::Pending
    }))
}
