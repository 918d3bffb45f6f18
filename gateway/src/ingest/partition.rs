//! One assigned partition: its records on their way, in order per channel, at most one call outstanding for each channel.
//! No I/O and no clock: what is to be done comes out as [`Call`]s and [`Effect`]s.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use events_gateway_core::envelope::{Command, Reason, Rejection};
use events_gateway_core::source::{Generation, Origin, SourceId};
use events_gateway_core::{Channel, Timestamp};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::address::Addressed;
use super::counters::Phase;
use super::progress::Progress;
use super::stamp::Stamp;
use crate::backlog::{BacklogError, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, Placed};
use crate::dead_letters::DeadLetter;
use crate::source::{OwnedRecord, TopicPartition};

/// What is asked of the backlog for one channel.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Append these events, in order of place.
    Append(Vec<Placed>),
    /// Close the connections opened before.
    Close(Timestamp),
    /// Keep the channel warm.
    Keep,
}

/// One call on the backlog. While it is out, or waits to be made again, its channel's next one isn't made.
#[derive(Debug)]
pub(crate) struct Call {
    pub at: TopicPartition,
    /// The partition's life in which it was made.
    pub life: u64,
    pub channel: Channel,
    pub work: Work,
    /// How often it has failed so far.
    pub failures: u32,
    sequences: SmallVec<[u64; 4]>,
}

/// What the answer to a call demands.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Make the same call again, after a while; the partition is held back until it has its answer.
    Retry(Call),
    /// A dead letter for the record of this sequence number.
    Bury(u64, Box<DeadLetter>),
    /// The backlog isn't what was believed: everything goes back.
    Rewind,
}

#[derive(Debug)]
enum Item {
    Event(Placed),
    Close(Timestamp),
    Keep,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<(u64, Item)>,
    busy: bool,
    /// After a refusal of several events: how many are to go one by one, so that only the refused one is buried.
    single: usize,
}

/// A record on its way.
#[derive(Debug)]
struct Pending {
    record: Option<OwnedRecord>,
    /// Channels without an answer, `all` not counted.
    waiting: usize,
    /// Goes to `all` in order, when the others have answered.
    all: Option<Placed>,
    owed: Vec<Channel>,
    refusal: String,
}

pub(crate) struct Partition {
    pub at: TopicPartition,
    pub source: SourceId,
    pub life: u64,
    pub phase: Phase,
    pub stamp: Stamp,
    /// The offset after the last record accepted.
    pub position: u64,
    /// Where this life began: what may be committed before anything has settled.
    pub started: u64,
    /// Committed last in this life.
    pub committed: u64,
    pub log_end: u64,
    /// Calls that are out, of this or an earlier life.
    pub outstanding: usize,
    /// Calls that wait to be made again.
    pub held: usize,
    /// The source was told to pause it.
    pub paused: bool,
    /// It stands in the queue of those that have calls to make.
    pub queued: bool,
    pub progress: Progress,
    pending: VecDeque<Pending>,
    /// Sequence number of `pending[0]`.
    first: u64,
    /// The next record that `all` gets.
    next_all: u64,
    lanes: HashMap<Channel, Lane>,
    ready: VecDeque<Channel>,
    open: usize,
    bytes: usize,
}

impl Partition {
    pub(crate) fn new(binding: &str, at: TopicPartition, life: u64) -> Self {
        Self {
            source: SourceId::new(binding, &at.topic, at.partition),
            at,
            life,
            phase: Phase::Resolving,
            stamp: Stamp {
                generation: Generation(0),
                partitions: 0,
                topic_id: String::new(),
                cluster_id: String::new(),
            },
            position: 0,
            started: 0,
            committed: 0,
            log_end: 0,
            outstanding: 0,
            held: 0,
            paused: false,
            queued: false,
            progress: Progress::default(),
            pending: VecDeque::new(),
            first: 0,
            next_all: 0,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            open: 0,
            bytes: 0,
        }
    }

    /// Drops everything that isn't out yet and begins another life, in which nothing flows before [`Partition::play`].
    pub(crate) fn rewind(&mut self, life: u64) {
        self.life = life;
        self.phase = Phase::Resolving;
        self.held = 0;
        self.paused = false;
        self.progress = Progress::default();
        self.pending.clear();
        (self.first, self.next_all) = (0, 0);
        self.lanes.clear();
        self.ready.clear();
        (self.open, self.bytes) = (0, 0);
    }

    /// Drops what isn't out yet, but lets what is out finish and count.
    pub(crate) fn leave(&mut self) {
        self.phase = Phase::Leaving;
        self.held = 0;
        for lane in self.lanes.values_mut() {
            lane.queue.clear();
        }
        self.ready.clear();
    }

    pub(crate) fn play(&mut self, offset: u64, stamp: Stamp, log_end: u64) {
        self.phase = Phase::Reading;
        self.stamp = stamp;
        self.log_end = log_end;
        (self.position, self.started, self.committed) = (offset, offset, offset);
    }

    /// Whether it is to be found out where it goes on, and every call from before has its answer.
    pub(crate) fn is_sought(&self) -> bool {
        matches!(self.phase, Phase::Resolving | Phase::Stopped) && self.outstanding == 0
    }

    /// Whether all that was read is complete and committed.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.phase != Phase::Reading || (self.open == 0 && self.committed >= self.position)
    }

    /// Records that were accepted and are not complete.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn has_calls(&self) -> bool {
        self.held == 0 && self.phase == Phase::Reading && !self.ready.is_empty()
    }

    /// The offset that may be committed: everything below is complete for at least `age`.
    pub(crate) fn settled(&mut self, now: Instant, age: Duration) -> u64 {
        self.progress.settled(now, age).unwrap_or(self.started).max(self.committed)
    }

    pub(crate) fn origin(&self, record: &OwnedRecord) -> Origin {
        Origin { source: self.source.clone(), generation: self.stamp.generation, place: record.offset }
    }

    fn begin(&mut self, record: OwnedRecord, waiting: usize, all: Option<Placed>) -> u64 {
        self.position = record.offset + 1;
        self.open += 1;
        self.bytes += record.size();
        let sequence = self.progress.begin(record.offset);
        self.pending.push_back(Pending {
            record: Some(record),
            waiting,
            all,
            owed: Vec::new(),
            refusal: String::new(),
        });
        debug_assert_eq!(sequence, self.first + self.pending.len() as u64 - 1);
        sequence
    }

    /// Takes that nothing to be read lies below `next` any more.
    pub(crate) fn pass(&mut self, next: u64, now: Instant) {
        if next > self.position {
            let nothing = OwnedRecord::copy(next - 1, Timestamp(0), None, None, std::iter::empty());
            let sequence = self.begin(nothing, 0, None);
            self.complete(sequence, now);
        }
    }

    /// Takes a record whose events are to be appended.
    pub(crate) fn accept(&mut self, record: OwnedRecord, addressed: Addressed) {
        let Addressed { channels, placed, all } = addressed;
        let sequence = self.begin(record, channels.len(), all);
        if channels.is_empty() {
            self.advance_all();
        }
        for channel in channels {
            self.enqueue(channel, sequence, Item::Event(placed.clone()));
        }
    }

    /// Takes a command.
    pub(crate) fn accept_command(&mut self, record: OwnedRecord, command: Command) {
        let (channels, before) = match command {
            Command::Disconnect { channels, before } => (channels, Some(before)),
            Command::Connect { channels } => (channels, None),
        };
        let sequence = self.begin(record, channels.len(), None);
        for channel in channels {
            self.enqueue(channel, sequence, before.map_or(Item::Keep, Item::Close));
        }
    }

    /// Takes a record that can't be delivered.
    pub(crate) fn reject(&mut self, record: OwnedRecord, rejection: Rejection, binding: &str) -> Effect {
        let sequence = self.begin(record.clone(), 0, None);
        let at = self.at.clone();
        Effect::Bury(
            sequence,
            Box::new(DeadLetter { binding: binding.into(), at, record, rejection, owed: Vec::new() }),
        )
    }

    fn enqueue(&mut self, channel: Channel, sequence: u64, item: Item) {
        let lane = match self.lanes.get_mut(&channel) {
            Some(lane) => lane,
            None => self.lanes.entry(channel.clone()).or_default(),
        };
        lane.queue.push_back((sequence, item));
        if !lane.busy && lane.queue.len() == 1 {
            self.ready.push_back(channel);
        }
    }

    /// The next call to make, if the partition isn't held back.
    pub(crate) fn next_call(&mut self) -> Option<Call> {
        if !self.has_calls() {
            return None;
        }
        let channel = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&channel)?;
        let mut sequences = SmallVec::new();
        let (first, item) = lane.queue.pop_front()?;
        sequences.push(first);
        let work = match item {
            Item::Close(before) => Work::Close(before),
            Item::Keep => Work::Keep,
            Item::Event(placed) => {
                let mut bytes = placed.event.data.len();
                let mut events = vec![placed];
                let most = if lane.single > 0 { 1 } else { MAX_BATCH_EVENTS };
                lane.single = lane.single.saturating_sub(1);
                while let Some((_, Item::Event(next))) = lane.queue.front() {
                    bytes += next.event.data.len();
                    if events.len() == most || bytes > MAX_BATCH_BYTES {
                        break;
                    }
                    if let Some((sequence, Item::Event(placed))) = lane.queue.pop_front() {
                        sequences.push(sequence);
                        events.push(placed);
                    }
                }
                Work::Append(events)
            }
        };
        lane.busy = true;
        self.outstanding += 1;
        Some(Call { at: self.at.clone(), life: self.life, channel, work, failures: 0, sequences })
    }

    /// A call that waited is out again.
    pub(crate) fn made_again(&mut self) {
        self.held = self.held.saturating_sub(1);
        self.outstanding += 1;
    }

    /// Takes the answer to a call. `binding` names dead letters.
    pub(crate) fn answered(
        &mut self,
        mut call: Call,
        answer: Result<(), BacklogError>,
        now: Instant,
        binding: &str,
    ) -> SmallVec<[Effect; 1]> {
        self.outstanding = self.outstanding.saturating_sub(1);
        let mut effects = SmallVec::new();
        if call.life != self.life {
            return effects;
        }
        match answer {
            Ok(()) => {
                for index in 0..call.sequences.len() {
                    self.channel_answered(call.sequences[index], &call.channel, None, now, binding, &mut effects);
                }
                self.lane_free(call.channel);
            }
            Err(BacklogError::DataSetChanged) => effects.push(Effect::Rewind),
            Err(BacklogError::Unavailable(_)) => {
                call.failures += 1;
                if self.phase != Phase::Leaving {
                    self.held += 1;
                    effects.push(Effect::Retry(call));
                }
            }
            Err(BacklogError::Refused(why)) => {
                match call.work {
                    Work::Append(events) if events.len() > 1 => {
                        if let Some(lane) = self.lanes.get_mut(&call.channel) {
                            lane.single = events.len();
                            for (sequence, placed) in call.sequences.iter().zip(events).rev() {
                                lane.queue.push_front((*sequence, Item::Event(placed)));
                            }
                        }
                    }
                    _ => {
                        let refused = call.sequences[0];
                        self.channel_answered(refused, &call.channel, Some(why), now, binding, &mut effects);
                    }
                }
                self.lane_free(call.channel);
            }
        }
        effects
    }

    fn lane_free(&mut self, channel: Channel) {
        let Some(lane) = self.lanes.get_mut(&channel) else {
            return;
        };
        lane.busy = false;
        if lane.queue.is_empty() {
            self.lanes.remove(&channel);
        } else {
            self.ready.push_back(channel);
        }
    }

    fn pending(&mut self, sequence: u64) -> Option<&mut Pending> {
        sequence.checked_sub(self.first).and_then(|index| self.pending.get_mut(index as usize))
    }

    fn channel_answered(
        &mut self,
        sequence: u64,
        channel: &Channel,
        refused: Option<String>,
        now: Instant,
        binding: &str,
        effects: &mut SmallVec<[Effect; 1]>,
    ) {
        let Some(pending) = self.pending(sequence) else { return };
        if let Some(why) = refused {
            pending.owed.push(channel.clone());
            pending.refusal = why;
        }
        if !channel.is_all() {
            pending.waiting -= 1;
        }
        let goes_on = pending.waiting > 0 || pending.all.is_some();
        if !goes_on {
            self.finish(sequence, now, binding, effects);
        }
        if !channel.is_all() {
            self.advance_all();
        }
    }

    /// Lets `all` have what is its turn: strictly in order, each record after its other channels answered.
    fn advance_all(&mut self) {
        self.next_all = self.next_all.max(self.first);
        loop {
            let sequence = self.next_all;
            let Some(pending) = self.pending(sequence).filter(|pending| pending.waiting == 0) else {
                return;
            };
            let all = pending.all.take();
            self.next_all += 1;
            if let Some(placed) = all {
                self.enqueue(Channel::all(), sequence, Item::Event(placed));
            }
        }
    }

    /// All channels have answered: complete, or a dead letter for those that refused.
    fn finish(&mut self, sequence: u64, now: Instant, binding: &str, effects: &mut SmallVec<[Effect; 1]>) {
        let at = self.at.clone();
        let Some(pending) = self.pending(sequence) else { return };
        match pending.record.clone() {
            Some(record) if !pending.owed.is_empty() => {
                let detail = truncated(&pending.refusal, 500);
                let rejection = Rejection { reason: Reason::Refused, detail };
                let owed = std::mem::take(&mut pending.owed);
                let letter = DeadLetter { binding: binding.into(), at, record, rejection, owed };
                effects.push(Effect::Bury(sequence, Box::new(letter)));
            }
            _ => self.complete(sequence, now),
        }
    }

    /// The record of that sequence number is where it will stay.
    pub(crate) fn complete(&mut self, sequence: u64, now: Instant) {
        let Some(record) = self.pending(sequence).and_then(|pending| pending.record.take()) else {
            return;
        };
        self.open -= 1;
        self.bytes -= record.size();
        self.progress.complete(sequence, now);
        while self.first < self.progress.first_open() {
            self.pending.pop_front();
            self.first += 1;
        }
    }
}

fn truncated(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
