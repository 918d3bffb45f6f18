//! `run`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Layer;
use tracing_subscriber::prelude::*;

use crate::admin::{self, Health};
use crate::client::Clients;
use crate::context::Context;
use crate::controller;
use crate::failures::Failures;
use crate::kafka::Kafka;
use crate::kinds::Kinds;
use crate::leader::Leadership;
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::reset;
use crate::settings::{LogFormat, Settings};
use crate::watches::{self, Stores};

pub(super) const EXAMPLES: &str = "Examples:
  events-gateway-operator run --gateway-image registry.example.org/events-gateway:1.0.0
  events-gateway-operator run --namespaces shop,desk --gateway-image …    only these namespaces
  events-gateway-operator run --leader-election false --log-format text   on your own machine, as you";

/// How long passes that are under way may take to finish.
const GRACE: Duration = Duration::from_secs(8);

pub(super) fn run(settings: Settings) -> Result<()> {
    log(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("failed to start")?;
    let result = runtime.block_on(operate(settings));
    runtime.shutdown_background();
    result
}

fn log(settings: &Settings) -> Result<()> {
    let filter = EnvFilter::try_new(&settings.log_level).context("failed to read --log-level")?;
    let layer = match settings.log_format {
        LogFormat::Json => Layer::default().json().flatten_event(true).boxed(),
        LogFormat::Text => Layer::default().boxed(),
    };
    tracing_subscriber::registry().with(filter).with(layer).try_init().context("failed to log")
}

async fn operate(settings: Settings) -> Result<()> {
    // An error says that there is a provider already: the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = Arc::new(Metrics::new().context("failed to register metrics")?);
    let ready = Arc::new(AtomicBool::new(false));
    let health = Health { ready: ready.clone(), metrics: metrics.clone() };
    let server = admin::serve(settings.admin_address, health)
        .with_context(|| format!("failed to listen on {}", settings.admin_address))?;
    let mut admin = tokio::spawn(server);
    let identity = settings.identity.clone().unwrap_or_else(|| format!("{:016x}", rand::random::<u64>()));
    let mut stop = stopped()?;
    let Clients { calls: client, watches: watching } = Clients::find().await?;
    let kinds = Kinds::find(client.clone()).await.context("failed to ask the API server what there is")?;
    tracing::info!(identity, version = env!("CARGO_PKG_VERSION"), namespaces = ?settings.namespaces, "started");

    let leadership =
        Leadership::new(client.clone(), &settings.lease_namespace, settings.lease_name.clone(), identity.clone());
    // Another one leading is no reason not to be ready: this one is, to take over.
    ready.store(true, Ordering::Relaxed);
    let claimed = if settings.leader_election {
        tokio::select! {
            claimed = leadership.acquire() => {
                tracing::info!("leading");
                Some(claimed)
            }
            _ = stop.changed() => return Ok(()),
        }
    } else {
        None
    };
    metrics.leader.set(1);
    let notices = Notices::new(client.clone(), identity);
    let namespaces: Vec<Option<String>> = if settings.namespaces.is_empty() {
        vec![None]
    } else {
        settings.namespaces.iter().cloned().map(Some).collect()
    };
    let watched: Vec<_> =
        namespaces.iter().map(|namespace| watches::watch(&watching, &kinds, namespace.as_deref())).collect();
    let everywhere: Arc<[Stores]> = watched.iter().map(|(stores, ..)| stores.clone()).collect();
    let turns = Arc::new(Semaphore::new(controller::AT_A_TIME));
    let (image_updates, applied) = (Arc::default(), Arc::default());
    let scopes: Vec<_> = watched
        .into_iter()
        .map(|(stores, streams, resets)| {
            let (touch, touched) = mpsc::unbounded_channel();
            let context = Arc::new(Context {
                kafka: Kafka::new(client.clone(), touch),
                client: client.clone(),
                settings: settings.clone(),
                kinds: kinds.clone(),
                metrics: metrics.clone(),
                notices: notices.clone(),
                stores,
                everywhere: Arc::clone(&everywhere),
                turns: Arc::clone(&turns),
                image_updates: Arc::clone(&image_updates),
                applied: Arc::clone(&applied),
                surveys: Default::default(),
                failures: Failures::new(controller::MAX_BACKOFF),
                reset_failures: Failures::new(reset::MAX_BACKOFF),
                told: Default::default(),
            });
            let until = |mut stop: watch::Receiver<bool>| async move {
                let _ = stop.wait_for(|stopped| *stopped).await;
            };
            let resets = reset::run(context.clone(), resets, until(stop.clone()));
            let gateways = controller::run(context, streams, touched, until(stop.clone()));
            tokio::spawn(async { tokio::join!(resets, gateways) })
        })
        .collect();
    let passes = futures_util::future::join_all(scopes);
    let hold = async {
        match claimed {
            Some(claimed) => leadership.hold(claimed).await,
            None => std::future::pending().await,
        }
    };
    let asked = stop.clone();
    let too_long = async {
        let _ = stop.changed().await;
        tracing::info!("stopping");
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        // What isn't ours to write any more must not be written: whoever starts us again starts anew.
        () = hold => bail!("another operator may act now: this one ends"),
        ended = &mut admin => bail!("the admin port ended by itself: {ended:?}"),
        ended = passes => ensure!(*asked.borrow(), "a watch ended by itself: {ended:?}"),
        () = too_long => tracing::warn!("passes are left unfinished: the next operator makes them again"),
    }
    metrics.leader.set(0);
    if settings.leader_election {
        leadership.release().await;
    }
    Ok(())
}

/// Turns true with SIGTERM or SIGINT.
fn stopped() -> Result<watch::Receiver<bool>> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate()).context("failed to listen to SIGTERM")?,
        signal(SignalKind::interrupt()).context("failed to listen to SIGINT")?,
    );
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        sender.send_replace(true);
    });
    Ok(receiver)
}
