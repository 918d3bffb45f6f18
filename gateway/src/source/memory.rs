//! A log in memory, with groups, commits and everything that can go wrong with them: for tests and simulations.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use events_gateway_core::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Chunk, Commitment, Committed, Controls, OwnedRecord, Signal, Source, SourceError, Start, Survey, TopicPartition,
};

/// Most records in one [`Chunk`].
const CHUNK: usize = 500;

/// One record to be written.
#[derive(Debug, Clone, Default)]
pub struct NewRecord<'a> {
    /// Its timestamp.
    pub time: Timestamp,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

#[derive(Default)]
struct PartitionLog {
    start: u64,
    records: VecDeque<OwnedRecord>,
}

impl PartitionLog {
    fn end(&self) -> u64 {
        self.start + self.records.len() as u64
    }
}

struct Topic {
    id: u64,
    partitions: Vec<PartitionLog>,
}

#[derive(Default)]
struct Group {
    committed: BTreeMap<TopicPartition, Committed>,
    /// Who takes part, by id, with the topics wanted.
    members: BTreeMap<u64, Vec<Arc<str>>>,
    target: BTreeMap<TopicPartition, u64>,
    owners: BTreeMap<TopicPartition, u64>,
}

#[derive(Default)]
struct State {
    topics: HashMap<Arc<str>, Topic>,
    groups: HashMap<String, Group>,
    last_id: u64,
    is_away: bool,
    forbidden: HashSet<Arc<str>>,
}

/// The shared log. Cheap to clone.
#[derive(Clone)]
pub struct MemoryLog {
    state: Arc<Mutex<State>>,
    changes: Arc<watch::Sender<u64>>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self { state: Arc::default(), changes: Arc::new(watch::channel(0).0) }
    }
}

impl MemoryLog {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock());
        self.changes.send_modify(|version| *version += 1);
        result
    }

    /// Creates a topic, deletes and creates it anew (its commits go with it, as Kafka does), or adds partitions to it.
    pub fn create_topic(&self, topic: &str, partitions: usize) {
        self.change(|state| {
            state.last_id += 1;
            let id = state.last_id;
            let logs = (0..partitions).map(|_| PartitionLog::default()).collect();
            if state.topics.insert(topic.into(), Topic { id, partitions: logs }).is_some() {
                for group in state.groups.values_mut() {
                    group.committed.retain(|at, _| &*at.topic != topic);
                }
            }
            state.rebalance();
        });
    }

    /// Adds empty partitions to a topic until it has so many.
    pub fn grow_topic(&self, topic: &str, partitions: usize) {
        self.change(|state| {
            if let Some(topic) = state.topics.get_mut(topic) {
                topic.partitions.resize_with(partitions, PartitionLog::default);
            }
            state.rebalance();
        });
    }

    /// Appends a record; answers its offset. The topic and partition must exist.
    pub fn produce(&self, topic: &str, partition: usize, record: &NewRecord<'_>) -> u64 {
        self.change(|state| {
            let log = state.topics.get_mut(topic).and_then(|topic| topic.partitions.get_mut(partition));
            let Some(log) = log else { return 0 };
            let headers = record.headers.iter().copied();
            let offset = log.end();
            log.records.push_back(OwnedRecord::copy(offset, record.time, record.key, record.value, headers));
            offset
        })
    }

    /// Retention: what lies below `offset` is gone.
    pub fn delete_before(&self, topic: &str, partition: usize, offset: u64) {
        self.with_log(topic, partition, |log| {
            while log.start < offset && log.records.pop_front().is_some() {
                log.start += 1;
            }
        });
    }

    /// An unclean election: what lies at `offset` and above is gone.
    pub fn truncate(&self, topic: &str, partition: usize, offset: u64) {
        self.with_log(topic, partition, |log| while log.end() > offset && log.records.pop_back().is_some() {});
    }

    fn with_log(&self, topic: &str, partition: usize, with: impl FnOnce(&mut PartitionLog)) {
        self.change(|state| {
            if let Some(log) = state.topics.get_mut(topic).and_then(|topic| topic.partitions.get_mut(partition)) {
                with(log);
            }
        });
    }

    /// While `true`, nothing is delivered, and surveys and commits fail.
    pub fn set_away(&self, is_away: bool) {
        self.change(|state| state.is_away = is_away);
    }

    /// While `true`, nobody is told anything of the topic.
    pub fn forbid(&self, topic: &str, forbidden: bool) {
        self.change(|state| match forbidden {
            true => state.forbidden.insert(topic.into()),
            false => state.forbidden.remove(topic),
        });
    }

    /// What a group has committed.
    #[must_use]
    pub fn committed(&self, group: &str, at: &TopicPartition) -> Option<Committed> {
        self.state.lock().groups.get(group)?.committed.get(at).cloned()
    }

    /// Sets or removes a group's commit by hand.
    pub fn set_committed(&self, group: &str, at: &TopicPartition, committed: Option<Committed>) {
        self.change(|state| {
            let commits = &mut state.groups.entry(group.into()).or_default().committed;
            match committed {
                Some(committed) => commits.insert(at.clone(), committed),
                None => commits.remove(at),
            };
        });
    }

    /// A consumer of `topics` in `group`, not yet subscribed.
    #[must_use]
    pub fn source(&self, group: &str, topics: &[&str]) -> MemorySource {
        let member = self.change(|state| {
            state.last_id += 1;
            state.last_id
        });
        let controls = Arc::new(MemoryControls {
            log: self.clone(),
            group: group.into(),
            topics: topics.iter().map(|&topic| topic.into()).collect(),
            member,
            local: Mutex::default(),
        });
        MemorySource { changes: self.changes.subscribe(), controls }
    }
}

impl State {
    /// Spreads each topic's partitions evenly over the members that want it; owners keep what they have until released.
    fn rebalance(&mut self) {
        for group in self.groups.values_mut() {
            group.target.clear();
            for (name, topic) in &self.topics {
                let members: Vec<u64> =
                    group.members.iter().filter(|(_, topics)| topics.contains(name)).map(|(id, _)| *id).collect();
                for partition in 0..topic.partitions.len() {
                    if let Some(member) = members.get(partition * members.len() / topic.partitions.len()) {
                        group.target.insert(TopicPartition::new(name, partition as i32), *member);
                    }
                }
            }
        }
    }

    fn log(&self, at: &TopicPartition) -> Option<&PartitionLog> {
        self.topics.get(&at.topic)?.partitions.get(at.partition as usize)
    }
}

#[derive(Default)]
struct Local {
    /// Partition -> (next offset, life, paused).
    played: BTreeMap<TopicPartition, (u64, u64, bool)>,
    /// Partitions whose revocation was told.
    told: HashSet<TopicPartition>,
    is_closed: bool,
}

struct MemoryControls {
    log: MemoryLog,
    group: String,
    topics: Vec<Arc<str>>,
    member: u64,
    local: Mutex<Local>,
}

/// One consumer of a [`MemoryLog`].
pub struct MemorySource {
    changes: watch::Receiver<u64>,
    controls: Arc<MemoryControls>,
}

impl MemoryControls {
    fn group<T>(&self, with: impl FnOnce(&mut Group) -> T) -> T {
        self.log.change(|state| {
            let result = with(state.groups.entry(self.group.clone()).or_default());
            state.rebalance();
            result
        })
    }

    fn signal(&self, room: bool) -> Option<Signal> {
        let mut local = self.local.lock();
        let mut state = self.log.state.lock();
        let is_away = state.is_away;
        let group = state.groups.entry(self.group.clone()).or_default();
        let mine = |at: &TopicPartition| group.target.get(at) == Some(&self.member);
        let owned = group.owners.iter().filter(|(_, owner)| **owner == self.member).map(|(at, _)| at);
        let revoked: Vec<_> = owned.filter(|at| !mine(at) && !local.told.contains(*at)).cloned().collect();
        if !revoked.is_empty() {
            for at in &revoked {
                local.played.remove(at);
                local.told.insert(at.clone());
            }
            return Some(Signal::Revoked { partitions: revoked, lost: false });
        }
        let assigned: Vec<TopicPartition> = group
            .target
            .iter()
            .filter(|(at, member)| **member == self.member && !group.owners.contains_key(at))
            .map(|(at, _)| at.clone())
            .collect();
        if !assigned.is_empty() {
            for at in &assigned {
                group.owners.insert(at.clone(), self.member);
            }
            return Some(Signal::Assigned(assigned));
        }
        if !room || is_away {
            return None;
        }
        let mut chunks = Vec::new();
        for (at, (next, life, paused)) in &mut local.played {
            let Some(log) = state.log(at).filter(|_| !*paused) else {
                continue;
            };
            if *next < log.start || *next > log.end() {
                *paused = true;
                return Some(Signal::OutOfRange);
            }
            let records: Vec<_> = log.records.range((*next - log.start) as usize..).take(CHUNK).cloned().collect();
            if !records.is_empty() {
                *next += records.len() as u64;
                chunks.push(Chunk { at: at.clone(), life: *life, next: *next, records });
            }
        }
        (!chunks.is_empty()).then_some(Signal::Records(chunks))
    }

    fn end(&self) {
        let mut local = self.local.lock();
        local.is_closed = true;
        self.group(|group| {
            group.members.remove(&self.member);
            group.owners.retain(|_, owner| *owner != self.member);
        });
    }

    fn failed(&self, call: &'static str) -> Result<(), SourceError> {
        if self.local.lock().is_closed {
            return Err(SourceError::Closed);
        }
        if self.log.state.lock().is_away {
            return Err(SourceError::Failed { call, detail: "the log is away".into() });
        }
        Ok(())
    }
}

#[async_trait]
impl Source for MemorySource {
    fn controls(&self) -> Arc<dyn Controls> {
        self.controls.clone()
    }

    async fn next(&mut self, room: bool) -> Option<Signal> {
        loop {
            self.changes.borrow_and_update();
            if self.controls.local.lock().is_closed {
                return None;
            }
            if let Some(signal) = self.controls.signal(room) {
                return Some(signal);
            }
            self.changes.changed().await.ok()?;
        }
    }
}

/// Dropped without having been closed, a consumer is a dead one: its partitions are free at once.
impl Drop for MemorySource {
    fn drop(&mut self) {
        self.controls.end();
    }
}

#[async_trait]
impl Controls for MemoryControls {
    fn subscribe(&self, wanted: bool) {
        self.group(|group| {
            if wanted {
                group.members.insert(self.member, self.topics.clone());
            } else {
                group.members.remove(&self.member);
            }
        });
    }

    async fn survey(&self, partitions: &[TopicPartition], start: Start) -> Result<Vec<Survey>, SourceError> {
        self.failed("survey partitions")?;
        let state = self.log.state.lock();
        let committed = state.groups.get(&self.group).map(|group| &group.committed);
        let survey = |at: &TopicPartition| {
            let topic = state.topics.get(&at.topic).filter(|_| !state.forbidden.contains(&at.topic))?;
            let log = topic.partitions.get(at.partition as usize)?;
            let siblings = committed.into_iter().flatten().filter(|(other, _)| other.topic == at.topic && *other != at);
            Some(Survey {
                at: at.clone(),
                topic_id: topic.id.to_string(),
                cluster_id: "memory".into(),
                partitions: topic.partitions.len() as i32,
                committed: committed.and_then(|committed| committed.get(at)).cloned(),
                siblings: siblings.map(|(_, committed)| committed.metadata.clone()).collect(),
                log_start: log.start,
                log_end: log.end(),
                start: match start {
                    Start::Earliest => Some(log.start),
                    Start::Latest => Some(log.end()),
                    Start::Error => None,
                    Start::At(time) => {
                        let at = log.records.iter().find(|record| record.time >= time);
                        Some(at.map_or(log.end(), |record| record.offset))
                    }
                },
            })
        };
        let missing = || SourceError::Failed { call: "survey partitions", detail: "no such partition".into() };
        partitions.iter().map(|at| survey(at).ok_or_else(missing)).collect()
    }

    async fn topic_id(&self, topic: &str) -> Result<String, SourceError> {
        self.failed("identify a topic")?;
        let state = self.log.state.lock();
        let missing = || SourceError::Failed { call: "identify a topic", detail: "no such topic".into() };
        state.topics.get(topic).map(|topic| topic.id.to_string()).ok_or_else(missing)
    }

    fn log_end(&self, at: &TopicPartition) -> Option<u64> {
        self.log.state.lock().log(at).map(PartitionLog::end)
    }

    fn play(&self, at: &TopicPartition, offset: u64, life: u64) {
        let mut local = self.local.lock();
        let owns = |group: &mut Group| group.owners.get(at) == Some(&self.member);
        if self.group(owns) && !local.told.contains(at) {
            local.played.insert(at.clone(), (offset, life, false));
        }
    }

    fn pause(&self, at: &TopicPartition, paused: bool) {
        if let Some((_, _, is_paused)) = self.local.lock().played.get_mut(at) {
            *is_paused = paused;
        }
        self.log.change(|_| ());
    }

    async fn commit(&self, commitments: Vec<Commitment>) -> Result<(), SourceError> {
        self.failed("commit")?;
        self.group(|group| {
            for Commitment { at, offset, metadata } in commitments {
                if group.owners.get(&at) != Some(&self.member) {
                    return Err(SourceError::Failed {
                        call: "commit",
                        detail: format!("{at} belongs to another member"),
                    });
                }
                group.committed.insert(at, Committed { offset, metadata });
            }
            Ok(())
        })
    }

    fn release(&self, partitions: Vec<TopicPartition>) {
        let mut local = self.local.lock();
        self.group(|group| {
            for at in partitions {
                if local.told.remove(&at) && group.owners.get(&at) == Some(&self.member) {
                    group.owners.remove(&at);
                }
            }
        });
    }

    async fn close(&self) {
        self.end();
    }
}
