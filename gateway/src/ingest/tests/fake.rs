//! A backlog, watermark, directory and grave in one, with planted failures.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use events_gateway_core::source::{Generation, SourceId};
use events_gateway_core::{Channel, Event, Position, Standing, Timestamp};
use parking_lot::Mutex;
use tokio::time::sleep;

use crate::backlog::*;
use crate::dead_letters::{Buried, DeadLetter, DeadLetters};

#[derive(Default)]
pub(super) struct Shared {
    pub(super) life: u64,
    pub(super) channels: BTreeMap<String, Vec<Arc<Event>>>,
    pub(super) places: BTreeMap<(String, SourceId), (Generation, u64)>,
    pub(super) marks: Offsets,
    /// Names what `marks` is.
    pub(super) memory: u64,
    pub(super) breaks: u64,
    pub(super) cause: String,
    pub(super) raises: usize,
    pub(super) breaks_of_batches: Vec<Breaks>,
    pub(super) is_away: bool,
    /// Events of these data are refused for good.
    pub(super) refused: BTreeSet<Vec<u8>>,
    pub(super) delay: Duration,
    pub(super) outstanding: BTreeSet<(String, SourceId)>,
    pub(super) overlaps: usize,
    pub(super) calls: usize,
    pub(super) largest: usize,
    pub(super) closed: Vec<(String, Timestamp)>,
    pub(super) kept: Vec<String>,
    pub(super) buried: Vec<DeadLetter>,
}

/// A backlog that repeats are told by place in, whose data set can be lost, and that fails on demand.
#[derive(Clone, Default)]
pub(super) struct Fake(pub(super) Arc<Mutex<Shared>>);

impl Fake {
    pub(super) fn identity(&self) -> DataSet {
        DataSet(Arc::new([("primary".to_owned(), self.0.lock().life.to_string())].into()))
    }

    /// A failover: the data set is another; of each channel the last `lost` events are gone, and the watermark's newest.
    pub(super) fn fail_over(&self, lost: usize, marks: Offsets) {
        let mut shared = self.0.lock();
        shared.life += 1;
        shared.places.clear();
        shared.marks = marks;
        let lost_from: Vec<_> = shared
            .channels
            .iter_mut()
            .map(|(name, events)| {
                events.truncate(events.len().saturating_sub(lost));
                (name.clone(), events.clone())
            })
            .collect();
        for (name, events) in lost_from {
            for event in events {
                let origin = &event.origin;
                let known = shared.places.entry((name.clone(), origin.source.clone())).or_default();
                *known = (*known).max((origin.generation, origin.place));
            }
        }
    }

    pub(super) fn data(&self, channel: &str) -> Vec<String> {
        let shared = self.0.lock();
        let events = shared.channels.get(channel).into_iter().flatten();
        events.map(|event| String::from_utf8_lossy(&event.data).into_owned()).collect()
    }
}

/// A call under way; ends with its future, also if that is dropped.
struct Outstanding(Arc<Mutex<Shared>>, (String, SourceId));

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.lock().outstanding.remove(&self.1);
    }
}

#[async_trait]
impl Backlog for Fake {
    async fn append(&self, batch: Batch) -> Result<Appended, BacklogError> {
        let key = (batch.channel.to_string(), batch.source.clone());
        let delay = {
            let mut shared = self.0.lock();
            shared.calls += 1;
            if !shared.outstanding.insert(key.clone()) {
                shared.overlaps += 1;
            }
            shared.delay
        };
        let outstanding = Outstanding(self.0.clone(), key.clone());
        sleep(delay).await;
        drop(outstanding);
        let identity = self.identity();
        let mut shared = self.0.lock();
        shared.largest = shared.largest.max(batch.events.len());
        if shared.is_away {
            return Err(BacklogError::Unavailable("away".into()));
        }
        if batch.data_set != identity {
            return Err(BacklogError::DataSetChanged);
        }
        if batch.events.iter().any(|placed| shared.refused.contains(&placed.event.data[..])) {
            return Err(BacklogError::Refused("too large".into()));
        }
        shared.breaks_of_batches.push(batch.breaks);
        let mut stored = 0;
        let total = batch.events.len();
        for placed in batch.events {
            let place = (batch.generation, placed.event.origin.place);
            let known = shared.places.get(&key).copied();
            if known.is_some_and(|known| place <= known) {
                continue;
            }
            shared.places.insert(key.clone(), place);
            shared.channels.entry(key.0.clone()).or_default().push(placed.event);
            stored += 1;
        }
        Ok(Appended { stored, repeats: total - stored, head: Position(1) })
    }
    async fn register(&self, _: &Channel, _: &Token, _: &Breaks) -> Result<Standing, BacklogError> {
        Err(BacklogError::Refused("not here".into()))
    }
    async fn unregister(&self, _: &Channel, _: &Token) -> Result<(), BacklogError> {
        Ok(())
    }
    async fn verify(&self, _: &[(Channel, Token)], _: &Breaks) -> Vec<Result<Standing, BacklogError>> {
        Vec::new()
    }
    async fn read(&self, _: &Channel, _: Position, _: usize) -> Result<Page, BacklogError> {
        Err(BacklogError::Refused("not here".into()))
    }
    async fn close_before(&self, channel: &Channel, time: Timestamp) -> Result<Timestamp, BacklogError> {
        self.0.lock().closed.push((channel.to_string(), time));
        Ok(time)
    }
    async fn keep(&self, channel: &Channel) -> Result<(), BacklogError> {
        self.0.lock().kept.push(channel.to_string());
        Ok(())
    }
}

#[async_trait]
impl Watermarks for Fake {
    async fn data_set(&self) -> Result<DataSet, BacklogError> {
        if self.0.lock().is_away {
            return Err(BacklogError::Unavailable("away".into()));
        }
        Ok(self.identity())
    }
    async fn remembered(&self, _: &str) -> Result<Remembered, BacklogError> {
        let shared = self.0.lock();
        Ok(Remembered { life: shared.memory.to_string(), offsets: shared.marks.clone() })
    }
    async fn mark(&self, _: &str, set: &DataSet, marked: &Offsets, offsets: &Offsets) -> Result<Marked, BacklogError> {
        let identity = self.identity();
        let mut shared = self.0.lock();
        if shared.is_away {
            return Err(BacklogError::Unavailable("away".into()));
        }
        let forgot = marked.iter().any(|(at, offset)| shared.marks.get(at).is_none_or(|known| known < offset));
        if *set != identity || forgot {
            return Ok(Marked::Forgotten);
        }
        shared.marks.extend(offsets.clone());
        Ok(Marked::Stored)
    }
}

#[async_trait]
impl Directory for Fake {
    async fn renew(&self, _: &Lease, _: Duration, _: bool) -> Result<bool, BacklogError> {
        Ok(true)
    }
    async fn release(&self, _: &str) -> Result<(), BacklogError> {
        Ok(())
    }
    async fn leases(&self) -> Result<Vec<Lease>, BacklogError> {
        Ok(Vec::new())
    }
    async fn record(&self, _: &str, _: &[ConnectionEntry], _: &[String], _: Duration) -> Result<(), BacklogError> {
        Ok(())
    }
    async fn connections(&self, _: &str) -> Result<Vec<ConnectionEntry>, BacklogError> {
        Ok(Vec::new())
    }
    async fn owners(&self, _: &Channel) -> Result<Vec<(String, Timestamp)>, BacklogError> {
        Ok(Vec::new())
    }
    async fn control(&self, _: &str) -> Result<Control, BacklogError> {
        Ok(Control { paused: false, breaks: self.0.lock().breaks })
    }
    async fn set_paused(&self, _: &str, _: bool) -> Result<(), BacklogError> {
        Ok(())
    }
    async fn raise_breaks(&self, _: &str, known: u64, cause: Option<&str>) -> Result<u64, BacklogError> {
        let mut shared = self.0.lock();
        if cause.is_none_or(|cause| cause != shared.cause) {
            shared.breaks = shared.breaks.max(known) + 1;
            shared.raises += 1;
        }
        shared.cause = cause.unwrap_or_default().into();
        Ok(shared.breaks)
    }
}

#[async_trait]
impl DeadLetters for Fake {
    async fn bury(&self, letter: DeadLetter) -> Buried {
        self.0.lock().buried.push(letter);
        Buried::Written
    }
}
