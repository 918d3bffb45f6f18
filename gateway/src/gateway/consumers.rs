//! The consumers of every binding: started, watched, handed over and taken up again together.

mod summary;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events_gateway_core::Channel;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, join_all, select_all};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{GatewayError, Ports, kafka};
use crate::backlog::KnownBreaks;
use crate::config::kafka::{Binding, Kind};
use crate::config::{self, Config};
use crate::dead_letters::kafka::KafkaDeadLetters;
use crate::dead_letters::{DeadLetters, Silent};
use crate::hub::Hub;
use crate::ingest::counters::{Consuming, Counter, REASONS, SKIPS};
use crate::ingest::{self, Ingest, Monitor};
use crate::metrics::sources::Consumed;
use crate::replica::lease::Keeper;
use crate::source::kafka::KafkaSource;
use crate::source::kafka::options::Client;

/// Longest wait before a consumer that can't be made is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// All consumers of this replica.
pub struct Consumers {
    config: Config,
    client: Client,
    ports: ingest::Ports,
    kinds: Vec<ingest::Kind>,
    keeper: Arc<Keeper>,
    runtime: Handle,
    running: Mutex<Running>,
    /// Of every consumer that ever ran, so that no count goes back.
    monitors: Mutex<Vec<Monitored>>,
}

#[derive(Clone)]
struct Monitored {
    binding: String,
    monitor: Monitor,
    runs: Arc<AtomicBool>,
}

impl Monitored {
    fn runs(&self) -> bool {
        self.runs.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Running {
    stop: Option<watch::Sender<bool>>,
    tasks: Vec<Consumer>,
    /// Told to stop, and perhaps not done yet: whoever hands over meanwhile waits for them too.
    leaving: Vec<Consumer>,
}

/// A consumer's task, awaited by as many as want to.
type Consumer = Shared<BoxFuture<'static, ()>>;

impl Consumers {
    /// Proves that every client can be made; nothing is consumed before [`Self::start`].
    pub fn new(
        config: &Config,
        ports: &Ports,
        keeper: &Arc<Keeper>,
        breaks: &Arc<KnownBreaks>,
    ) -> Result<Arc<Self>, GatewayError> {
        let client = kafka::client(config)?;
        let dead_letters: Arc<dyn DeadLetters> = match &config.kafka.dead_letters {
            Some(topic) => Arc::new(KafkaDeadLetters::new(&client, topic).map_err(kafka::KafkaError::from)?),
            None => Arc::new(Silent::default()),
        };
        let kinds = config.kafka.bindings.iter().map(|binding| kind(config, binding)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self {
            config: config.clone(),
            client,
            ports: ingest::Ports {
                backlog: ports.backlog.clone(),
                watermarks: ports.watermarks.clone(),
                directory: ports.directory.clone(),
                breaks: breaks.clone(),
                dead_letters,
            },
            kinds,
            keeper: keeper.clone(),
            runtime: Handle::current(),
            running: Mutex::default(),
            monitors: Mutex::default(),
        }))
    }

    /// Takes part in every group, unless it does already.
    pub fn start(self: &Arc<Self>) {
        let mut running = self.running.lock();
        if running.stop.is_some() {
            return;
        }
        let (stop, stopped) = watch::channel(false);
        for index in 0..self.config.kafka.bindings.len() {
            for _ in 0..self.config.kafka.bindings[index].consumers.get() {
                let consumer = self.runtime.spawn(Arc::clone(self).consume(index, stopped.clone()));
                running.tasks.push(consumer.map(|_| ()).boxed().shared());
            }
        }
        running.stop = Some(stop);
    }

    /// Leaves every group at once, with what is in flight finished or given up in bounded time (`true`), or takes part again.
    /// Cancelling it, or calling it a second time meanwhile, changes nothing of what was begun.
    pub async fn hand_over(self: Arc<Self>, over: bool) {
        if !over {
            self.start();
            return;
        }
        let leaving = {
            let running = &mut *self.running.lock();
            if let Some(stop) = running.stop.take() {
                stop.send_replace(true);
            }
            running.leaving.retain(|task| task.peek().is_none());
            running.leaving.append(&mut running.tasks);
            running.leaving.clone()
        };
        join_all(leaving).await;
    }

    async fn consume(self: Arc<Self>, index: usize, mut stopped: watch::Receiver<bool>) {
        let binding = &self.config.kafka.bindings[index];
        // What the group is to do must be known before it is joined: a replica that starts may not end a pause, nor take part
        // for a moment in a group whose offsets are being set.
        let Some(control) = self.keeper.control(&binding.group_id) else { return };
        tokio::select! {
            () = self.keeper.heard(&binding.group_id) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        let source = loop {
            match KafkaSource::new(kafka::source_options(&self.config, self.client.clone(), binding)) {
                Ok(source) => break source,
                Err(error) => {
                    tracing::error!(binding = binding.name, error = &error as &dyn std::error::Error, "no consumer");
                    tokio::select! {
                        () = tokio::time::sleep(RETRY) => {}
                        _ = stopped.wait_for(|stopped| *stopped) => return,
                    }
                }
            }
        };
        let ingest = Ingest::new(source, self.ports.clone(), self.options(index));
        let runs = Arc::new(AtomicBool::new(true));
        let monitored = Monitored { binding: binding.name.clone(), monitor: ingest.monitor(), runs: runs.clone() };
        self.monitors.lock().push(monitored);
        ingest.run(control, stopped).await;
        runs.store(false, Ordering::Relaxed);
    }

    fn options(&self, index: usize) -> ingest::Options {
        let (kafka, binding) = (&self.config.kafka, &self.config.kafka.bindings[index]);
        ingest::Options {
            topics: binding.topics.iter().map(|topic| topic.as_str().into()).collect(),
            start: kafka::start(binding.start),
            max_bytes: kafka.max_pending_bytes.get(),
            backoff: ingest::Backoff { first: kafka.retry_base, most: kafka.retry_max },
            ..ingest::Options::new(&binding.name, &binding.group_id, self.kinds[index].clone())
        }
    }

    fn monitors_of(&self, binding: &str) -> Vec<Monitored> {
        self.monitors.lock().iter().filter(|monitored| monitored.binding == binding).cloned().collect()
    }

    /// What a binding's consumers counted, added up.
    #[must_use]
    pub fn consumed(&self, binding: &str) -> Consumed {
        let monitored = self.monitors_of(binding);
        let monitors: Vec<_> = monitored.iter().map(|monitored| &monitored.monitor).collect();
        let sum = |counter: fn(&ingest::counters::Counters) -> &Counter| {
            monitors.iter().map(|monitor| counter(monitor.counters()).get()).sum()
        };
        let each = |counters: fn(&ingest::counters::Counters) -> &[Counter], index: usize| {
            monitors.iter().map(|monitor| counters(monitor.counters())[index].get()).sum()
        };
        let statuses: Vec<_> = monitors.iter().map(|monitor| monitor.status()).collect();
        // The complaint of one that was stopped stays with it, and is nobody's any more.
        let runs: Vec<_> = monitored.iter().map(Monitored::runs).collect();
        let is_well = |judged: &dyn Fn(bool) -> bool| {
            statuses.iter().zip(&runs).filter(|(_, runs)| judged(**runs)).all(|(status, _)| status.trouble.is_none())
        };
        Consumed {
            records: sum(|counters| &counters.records),
            appends: sum(|counters| &counters.appends),
            appended: sum(|counters| &counters.stored),
            repeats: sum(|counters| &counters.repeats),
            retries: sum(|counters| &counters.retries),
            rewinds: sum(|counters| &counters.rewinds),
            commits: sum(|counters| &counters.commits),
            failures: sum(|counters| &counters.failures),
            commands: sum(|counters| &counters.commands),
            dead_letters: REASONS
                .iter()
                .enumerate()
                .map(|(index, reason)| (reason.as_str(), each(|counters| &counters.dead_letters, index)))
                .collect(),
            dead_letters_lost: sum(|counters| &counters.dead_letters_lost),
            skips: SKIPS
                .iter()
                .enumerate()
                .map(|(index, skip)| (skip.as_str(), each(|counters| &counters.skips, index)))
                .collect(),
            lag: statuses
                .iter()
                .flat_map(|status| &status.partitions)
                .map(|partition| (partition.topic.clone(), partition.partition, partition.lag))
                .collect(),
            is_up: if runs.contains(&true) { is_well(&|runs| runs) } else { !runs.is_empty() && is_well(&|_| true) },
        }
    }

    /// What every binding's consumers do, in short.
    #[must_use]
    pub fn bindings(&self) -> Vec<events_gateway_status::Binding> {
        let of = |binding: &Binding| {
            let monitored = self.monitors_of(&binding.name);
            let running: Vec<_> = monitored
                .iter()
                .filter(|monitored| monitored.runs())
                .map(|monitored| monitored.monitor.status())
                .collect();
            summary::of(&binding.name, &binding.group_id, &running)
        };
        self.config.kafka.bindings.iter().map(of).collect()
    }

    /// Where every consumer stands, for operators.
    #[must_use]
    pub fn status(&self) -> Consuming {
        let running = self.running.lock().stop.is_some();
        let consumers: Vec<_> = self
            .monitors
            .lock()
            .iter()
            .map(|monitored| monitored.monitor.status())
            .filter(|status| running || !status.partitions.is_empty())
            .collect();
        Consuming { running, consumers }
    }
}

fn kind(config: &Config, binding: &Binding) -> Result<ingest::Kind, GatewayError> {
    let decoder = config::decoder::of(config, binding.route.as_deref()).map_err(GatewayError::Config)?;
    Ok(match binding.kind {
        Kind::Events => {
            let public = config.channels.all.then(|| {
                // Where clients have rights, nothing is public that isn't said to be.
                let patterns = match (&config.channels.public, &config.access) {
                    (None, Some(_)) => Some(Vec::new()),
                    (public, _) => public.clone(),
                };
                let is_public = move |channel: &Channel| {
                    patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(channel)))
                };
                Arc::new(is_public) as crate::ingest::address::IsPublic
            });
            ingest::Kind::Events { decode: Arc::new(move |record| decoder.decode(record)), public }
        }
        Kind::Commands => ingest::Kind::Commands { decode: Arc::new(move |record| decoder.command(record)) },
    })
}

/// The groups that read events: what a group of commands skipped tears no channel.
pub(super) fn groups_of_events(config: &Config) -> Vec<String> {
    let events = config.kafka.bindings.iter().filter(|binding| binding.kind == Kind::Events);
    events.map(|binding| binding.group_id.clone()).collect()
}

/// Gathers what the groups' controls say of their break numbers, and tells the hub of each that is new here, for ever.
pub(super) async fn breaks(keeper: Arc<Keeper>, groups: Vec<String>, known: Arc<KnownBreaks>, hub: Arc<Hub>) {
    let mut controls: Vec<_> =
        groups.iter().filter_map(|group| Some((group.as_str(), keeper.control(group)?))).collect();
    let mut changes = known.changes();
    loop {
        for (group, control) in &mut controls {
            known.raise(group, control.borrow_and_update().breaks);
        }
        hub.set_breaks(changes.borrow_and_update().clone());
        let mut waits: Vec<_> = controls.iter_mut().map(|(_, control)| control.changed().boxed()).collect();
        waits.push(changes.changed().boxed());
        // The senders live in the keeper and in what is known, which this task holds.
        let _ = select_all(waits).await;
    }
}
