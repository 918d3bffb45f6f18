//! The loop of one consumer: a single task that owns all state, so nothing is locked. It never waits for one thing alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{FutureExt, future};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

mod follow;

use super::address::address;
use super::counters::{PartitionStatus, Phase, Status};
use super::errand::{ErrandError, Errands, Found, Settled};
use super::partition::{Call, Effect, Partition, Work};
use super::{Kind, Monitor, Options, Ports};
use crate::backlog::{BacklogError, Batch, Control, DataSet, Offsets};
use crate::dead_letters::Buried;
use crate::source::{Chunk, Controls, Signal, Source, SourceError, TopicPartition};

/// Most calls made for one partition before the next has its turn.
const TURN: usize = 16;
/// Most answers taken before the loop looks at anything else.
const ANSWERS: usize = 256;
/// After a position was out of range, where to go on isn't asked for before this: a broker that keeps saying so must not be
/// asked in a tight loop.
const OUT_OF_RANGE_REST: Duration = Duration::from_millis(500);

type Answer = (Call, Result<(), BacklogError>);
/// A buried letter: of which partition, life and sequence number.
type Grave = (TopicPartition, u64, u64, events_gateway_core::envelope::Reason, Buried);

enum Outcome {
    Resolved(Result<Found, ErrandError>),
    Settled { last: bool, result: Result<Settled, ErrandError> },
    Identified(Vec<(Arc<str>, Result<String, SourceError>)>),
}

/// Partitions that are being given up together.
struct Leave {
    partitions: Vec<TopicPartition>,
    deadline: Instant,
    last_commit: LastCommit,
}

/// The last commit of partitions that are being given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastCommit {
    /// Once their calls are answered.
    Due,
    /// Under way.
    Asked,
    /// Tried, needless, or impossible.
    Done,
}

pub(super) struct Run<S> {
    source: S,
    controls: Arc<dyn Controls>,
    ports: Ports,
    options: Options,
    monitor: Monitor,
    errands: Arc<Errands>,
    partitions: BTreeMap<TopicPartition, Partition>,
    /// Partitions that may have calls to make.
    runnable: VecDeque<TopicPartition>,
    calls: FuturesUnordered<BoxFuture<'static, Answer>>,
    retries: BTreeMap<(Instant, u64), Call>,
    burials: FuturesUnordered<BoxFuture<'static, Grave>>,
    errand: Option<BoxFuture<'static, Outcome>>,
    leaving: Vec<Leave>,
    data_set: DataSet,
    marked: Offsets,
    /// The last life given to a partition.
    life: u64,
    /// Numbers retries, so that two never share a key.
    tickets: u64,
    resolve_failures: u32,
    resolve_after: Instant,
    settle_due: bool,
    identify_after: Instant,
    paused: bool,
    /// When a paused group is left at the latest: before, once all that was read is committed. Nothing more is read meanwhile.
    rests_until: Option<Instant>,
    stopping: bool,
    /// What source or backlog complained of last, and when; forgotten once a commit succeeds.
    trouble: Option<String>,
    troubled: Option<Instant>,
    /// Which topics can't be asked for; forgotten once all can.
    topics_trouble: Option<String>,
}

impl<S: Source> Run<S> {
    pub(super) fn new(source: S, ports: Ports, options: Options, monitor: Monitor) -> Self {
        let controls = source.controls();
        let errands = Arc::new(Errands {
            ports: ports.clone(),
            controls: controls.clone(),
            group: options.group.clone(),
            start: options.start,
            clock: options.clock.clone(),
            tears: matches!(options.kind, Kind::Events { .. }),
        });
        let now = Instant::now();
        Self {
            source,
            controls,
            ports,
            monitor,
            errands,
            partitions: BTreeMap::new(),
            runnable: VecDeque::new(),
            calls: FuturesUnordered::new(),
            retries: BTreeMap::new(),
            burials: FuturesUnordered::new(),
            errand: None,
            leaving: Vec::new(),
            data_set: DataSet::default(),
            marked: Offsets::new(),
            life: 0,
            tickets: 0,
            resolve_failures: 0,
            resolve_after: now,
            settle_due: false,
            identify_after: now + options.identify_every,
            paused: false,
            rests_until: None,
            stopping: false,
            trouble: None,
            troubled: None,
            topics_trouble: None,
            options,
        }
    }

    pub(super) async fn run(mut self, mut control: watch::Receiver<Control>, mut stop: watch::Receiver<bool>) {
        self.obey(*control.borrow_and_update(), true);
        let mut tick = interval(self.options.mark_every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut controlled = true;
        loop {
            self.dispatch();
            // In this order: what has nothing to commit is given up at once, not with the next thing that happens.
            self.send_errand();
            self.give_up();
            self.rest();
            if self.stopping && self.leaving.is_empty() {
                break;
            }
            let room = self.has_room();
            let retry_at = self.retries.first_key_value().map(|((at, _), _)| *at);
            let resolve_at = (self.errand.is_none() && self.partitions.values().any(Partition::is_sought))
                .then_some(self.resolve_after);
            let leave_at = self.leaving.iter().map(|leave| leave.deadline).min();
            tokio::select! {
                stopped = stop.wait_for(|stop| *stop), if !self.stopping => {
                    drop(stopped);
                    self.stop();
                }
                changed = control.changed(), if controlled => match changed {
                    Ok(()) => { let now = *control.borrow_and_update(); self.obey(now, false); }
                    // Nobody will change it any more; what was said last holds.
                    Err(_) => controlled = false,
                },
                Some(answer) = self.calls.next(), if !self.calls.is_empty() => self.answers(answer),
                Some(grave) = self.burials.next(), if !self.burials.is_empty() => self.buried(grave),
                outcome = maybe(self.errand.as_mut()) => { self.errand = None; self.came_back(outcome); }
                () = until(retry_at) => self.make_again(),
                () = until(leave_at) => {}
                () = until(resolve_at) => {}
                _ = tick.tick() => { self.settle_due = true; self.show(); }
                signal = self.source.next(room) => match signal {
                    Some(signal) => self.signal(signal),
                    None => break,
                },
            }
        }
        self.controls.close().await;
        self.show();
    }

    fn obey(&mut self, control: Control, first: bool) {
        // Not left to whoever else gathers them: the first append must know.
        if self.errands.tears {
            self.ports.breaks.raise(&self.options.group, control.breaks);
        }
        if first {
            self.controls.subscribe(!control.paused);
        } else if control.paused != self.paused && !self.stopping {
            if control.paused {
                self.rests_until = Some(Instant::now() + self.options.settle + self.options.drain);
            } else if self.rests_until.take().is_none() {
                self.controls.subscribe(true);
            }
        }
        self.paused = control.paused;
    }

    /// Leaves the group when it is paused and all that was read is committed: whoever sets its offsets then sees where it
    /// really was.
    fn rest(&mut self) {
        let Some(until) = self.rests_until else { return };
        if Instant::now() >= until || self.partitions.values().all(Partition::is_at_rest) {
            self.rests_until = None;
            self.controls.subscribe(false);
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        let partitions: Vec<_> = self.partitions.keys().cloned().collect();
        self.leave(partitions, false);
    }

    fn has_room(&self) -> bool {
        let (mut records, mut bytes) = (0, 0);
        for partition in self.partitions.values().filter(|partition| partition.held == 0) {
            records += partition.open();
            bytes += partition.bytes();
        }
        let rests = self.stopping || self.paused;
        records < self.options.max_records && bytes < self.options.max_bytes && !rests
    }

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Records(chunks) => chunks.into_iter().for_each(|chunk| self.chunk(chunk)),
            Signal::Assigned(partitions) => {
                tracing::info!(binding = self.options.binding, partitions = %listed(&partitions), "assigned");
                for at in partitions {
                    self.life += 1;
                    let mut partition = Partition::new(&self.options.binding, at.clone(), self.life);
                    if let Some(before) = self.partitions.get(&at) {
                        partition.outstanding = before.outstanding;
                    }
                    if self.stopping {
                        partition.leave();
                    }
                    self.partitions.insert(at, partition);
                }
                self.show();
            }
            Signal::Revoked { partitions, lost } => self.leave(partitions, lost),
            Signal::OutOfRange => {
                self.resolve_after = Instant::now() + OUT_OF_RANGE_REST;
                self.rewind("a position is no longer in the log");
            }
            Signal::Trouble(trouble) => self.trouble(&trouble),
        }
    }

    fn trouble(&mut self, trouble: &str) {
        self.monitor.counters.failures.add(1);
        self.troubled = Some(Instant::now());
        if self.trouble.as_deref() != Some(trouble) {
            tracing::warn!(binding = self.options.binding, group = self.options.group, "{trouble}");
            self.trouble = Some(trouble.to_owned());
        }
    }

    fn chunk(&mut self, chunk: Chunk) {
        let Some(partition) = self.partitions.get_mut(&chunk.at) else {
            return;
        };
        if partition.life != chunk.life || partition.phase != Phase::Reading {
            return;
        }
        let binding = &self.options.binding;
        self.monitor.counters.records.add(chunk.records.len() as u64);
        for record in chunk.records {
            if record.offset < partition.position {
                continue;
            }
            let rejected = match &self.options.kind {
                Kind::Events { decode, public } => {
                    let origin = partition.origin(&record);
                    let addressed = record.lend(&chunk.at, |lent| {
                        decode(lent).and_then(|envelope| address(envelope, lent, origin, public.as_ref()))
                    });
                    addressed.map(|addressed| partition.accept(record.clone(), addressed))
                }
                Kind::Commands { decode } => record
                    .lend(&chunk.at, |lent| decode(lent))
                    .map(|command| partition.accept_command(record.clone(), command)),
            };
            if let Err(rejection) = rejected {
                let effect = partition.reject(record, rejection, binding);
                if let Effect::Bury(sequence, letter) = effect {
                    self.burials.push(bury(&self.ports, partition.life, sequence, *letter));
                }
            }
        }
        partition.pass(chunk.next, Instant::now());
        partition.log_end = partition.log_end.max(partition.position);
        self.ran(&chunk.at);
    }

    /// After a partition changed: lets it have its turn, and pauses or resumes its reading.
    fn ran(&mut self, at: &TopicPartition) {
        let Some(partition) = self.partitions.get_mut(at) else {
            return;
        };
        if partition.has_calls() && !partition.queued {
            partition.queued = true;
            self.runnable.push_back(at.clone());
        }
        let (window, held) = (self.options.window, self.options.held_records);
        let is_full = partition.progress.len() > window || (partition.held > 0 && partition.open() > held);
        let is_low = partition.progress.len() <= window / 2 && (partition.held == 0 || partition.open() <= held / 2);
        if (!partition.paused && is_full) || (partition.paused && is_low && partition.phase == Phase::Reading) {
            partition.paused = !partition.paused;
            self.controls.pause(at, partition.paused);
        }
    }

    fn dispatch(&mut self) {
        while self.calls.len() < self.options.max_in_flight {
            let Some(at) = self.runnable.pop_front() else { return };
            let Some(partition) = self.partitions.get_mut(&at) else {
                continue;
            };
            partition.queued = false;
            for _ in 0..TURN.min(self.options.max_in_flight - self.calls.len()) {
                let Some(call) = partition.next_call() else { break };
                self.calls.push(make(&self.ports, partition, call, &self.data_set, &self.monitor));
            }
            if partition.has_calls() {
                partition.queued = true;
                self.runnable.push_back(at);
            }
        }
    }

    fn answers(&mut self, first: Answer) {
        let mut touched: Vec<TopicPartition> = Vec::new();
        let mut next = Some(first);
        let mut rewind = false;
        for _ in 0..ANSWERS {
            let Some((call, answer)) = next else { break };
            if touched.last() != Some(&call.at) {
                touched.push(call.at.clone());
            }
            rewind |= self.answer(call, answer);
            next = self.calls.next().now_or_never().flatten();
        }
        if let Some((call, answer)) = next {
            touched.push(call.at.clone());
            rewind |= self.answer(call, answer);
        }
        if rewind {
            self.rewind("the data set changed");
        }
        for at in touched {
            self.ran(&at);
        }
    }

    fn answer(&mut self, call: Call, answer: Result<(), BacklogError>) -> bool {
        let now = Instant::now();
        let Some(partition) = self.partitions.get_mut(&call.at) else {
            return false;
        };
        if let Err(error) = &answer {
            self.monitor.counters.retries.add(u64::from(error.is_retryable()));
            tracing::debug!(channel = %call.channel, partition = %call.at, %error, "a call failed");
        }
        let mut rewind = false;
        for effect in partition.answered(call, answer, now, &self.options.binding) {
            match effect {
                Effect::Retry(call) => {
                    self.tickets += 1;
                    let at = now + self.options.backoff.after(call.failures);
                    self.retries.insert((at, self.tickets), call);
                }
                Effect::Bury(sequence, letter) => {
                    self.burials.push(bury(&self.ports, partition.life, sequence, *letter));
                }
                Effect::Rewind => rewind = true,
            }
        }
        rewind
    }

    fn make_again(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.retries.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let call = entry.remove();
            let Some(partition) = self.partitions.get_mut(&call.at) else {
                continue;
            };
            if partition.life != call.life || partition.phase == Phase::Leaving {
                continue;
            }
            partition.made_again();
            self.calls.push(make(&self.ports, partition, call, &self.data_set, &self.monitor));
        }
    }

    fn buried(&mut self, (at, life, sequence, reason, buried): Grave) {
        self.monitor.counters.buried(reason, buried);
        if let Some(partition) = self.partitions.get_mut(&at).filter(|partition| partition.life == life) {
            partition.complete(sequence, Instant::now());
        }
        self.ran(&at);
    }

    /// Drops what waits, and has every partition find out anew where to go on.
    fn rewind(&mut self, why: &str) {
        self.marked.clear();
        let mut any = false;
        for partition in self.partitions.values_mut() {
            if partition.phase != Phase::Reading {
                continue;
            }
            any = true;
            self.life += 1;
            partition.rewind(self.life);
            self.controls.pause(&partition.at, true);
        }
        let partitions = &self.partitions;
        self.retries.retain(|_, call| partitions.get(&call.at).is_some_and(|partition| partition.life == call.life));
        if any {
            self.monitor.counters.rewinds.add(1);
            tracing::warn!(binding = self.options.binding, group = self.options.group, "rewinding: {why}");
        }
    }

    fn leave(&mut self, partitions: Vec<TopicPartition>, lost: bool) {
        if !partitions.is_empty() {
            tracing::info!(binding = self.options.binding, partitions = %listed(&partitions), lost, "giving up");
        }
        for at in &partitions {
            if let Some(partition) = self.partitions.get_mut(at) {
                partition.leave();
            }
        }
        self.retries.retain(|_, call| !partitions.contains(&call.at));
        let deadline = Instant::now() + if lost { Duration::ZERO } else { self.options.drain };
        self.leaving.push(Leave {
            partitions,
            deadline,
            last_commit: if lost { LastCommit::Done } else { LastCommit::Due },
        });
        self.show();
    }

    /// Gives up partitions whose calls are answered and whose last commit was tried, or whose time is over.
    fn give_up(&mut self) {
        let now = Instant::now();
        let mut index = 0;
        while index < self.leaving.len() {
            let leave = &self.leaving[index];
            let is_quiet =
                leave.partitions.iter().all(|at| self.partitions.get(at).is_none_or(|one| one.outstanding == 0));
            if now < leave.deadline && !(leave.last_commit == LastCommit::Done && is_quiet) {
                index += 1;
                continue;
            }
            let leave = self.leaving.swap_remove(index);
            for at in &leave.partitions {
                // Already given up, revoked and assigned again meanwhile: a new life, which stays.
                if self.partitions.get(at).is_some_and(|partition| partition.phase == Phase::Leaving) {
                    self.partitions.remove(at);
                    self.marked.retain(|(key, partition), _| {
                        *partition != at.partition || key.split(';').next().is_none_or(|topic| topic != &*at.topic)
                    });
                }
            }
            self.controls.release(leave.partitions);
            self.show();
        }
    }

    fn show(&mut self) {
        let partitions = self.partitions.values_mut().map(|partition| {
            partition.log_end = partition.log_end.max(self.controls.log_end(&partition.at).unwrap_or(0));
            let phase = match partition.phase {
                Phase::Reading if partition.held > 0 => Phase::Held,
                phase => phase,
            };
            PartitionStatus {
                topic: partition.at.topic.to_string(),
                partition: partition.at.partition,
                phase,
                position: partition.position,
                committed: partition.committed,
                log_end: partition.log_end,
                lag: partition.log_end.saturating_sub(partition.position) + partition.open() as u64,
                waiting: partition.open(),
                generation: partition.stamp.generation.0,
            }
        });
        let status = Status {
            binding: self.options.binding.clone(),
            group: self.options.group.clone(),
            paused: self.paused,
            partitions: partitions.collect(),
            trouble: self.topics_trouble.clone().or_else(|| self.trouble.clone()),
        };
        self.monitor.board.show(status);
    }
}

/// For a line of the log.
fn listed(partitions: &[TopicPartition]) -> String {
    let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    names.join(" ")
}

/// One call of the backlog.
fn make(
    ports: &Ports,
    partition: &Partition,
    call: Call,
    data_set: &DataSet,
    monitor: &Monitor,
) -> BoxFuture<'static, Answer> {
    let (backlog, counters) = (ports.backlog.clone(), monitor.counters.clone());
    let breaks = ports.breaks.current();
    let (source, generation, data_set) = (partition.source.clone(), partition.stamp.generation, data_set.clone());
    async move {
        let channel = &call.channel;
        let answer = match &call.work {
            Work::Append(events) => {
                let events = events.clone();
                let batch = Batch { channel: channel.clone(), source, generation, data_set, breaks, events };
                backlog.append(batch).await.map(|appended| {
                    counters.appends.add(1);
                    counters.stored.add(appended.stored as u64);
                    counters.repeats.add(appended.repeats as u64);
                })
            }
            Work::Close(before) => backlog.close_before(channel, *before).await.map(|_| counters.commands.add(1)),
            Work::Keep => backlog.keep(channel).await.map(|()| counters.commands.add(1)),
        };
        (call, answer)
    }
    .boxed()
}

fn bury(ports: &Ports, life: u64, sequence: u64, letter: crate::dead_letters::DeadLetter) -> BoxFuture<'static, Grave> {
    let dead_letters = ports.dead_letters.clone();
    async move {
        let (at, reason) = (letter.at.clone(), letter.rejection.reason);
        let buried = dead_letters.bury(letter).await;
        (at, life, sequence, reason, buried)
    }
    .boxed()
}

/// The errand's outcome; never, while there is none.
async fn maybe(errand: Option<&mut BoxFuture<'static, Outcome>>) -> Outcome {
    match errand {
        Some(errand) => errand.await,
        None => future::pending().await,
    }
}

/// At that time; never, without one.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => future::pending().await,
    }
}
