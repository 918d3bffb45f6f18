//! One channel in memory: its entries and its meta, under the same rules as the scripts on Redis.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use events_gateway_core::position::{MAX_EPOCHS, Torn};
use events_gateway_core::source::{Generation, SourceId};
use events_gateway_core::{Epoch, Epochs, Event, Position, Standing, Timestamp};

use super::Options;
use crate::backlog::{Appended, BacklogError, Batch, Breaks, MAX_PAGE_BYTES, Token};

/// A new epoch starts at least so far above what is known.
const EPOCH_STEP: u64 = 1 << 20;
/// Ids remembered per channel, and for how many milliseconds.
const IDS: (usize, u64) = (1_000, 600_000);

/// A channel's two keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    entries: VecDeque<(Position, Arc<Event>)>,
    /// Highest position ever stored: the fence that a stream keeps when it is trimmed.
    top: u64,
    meta: Option<Meta>,
    /// The backlog's key holds something that isn't a backlog.
    pub(super) spoilt: bool,
    pub(super) touched: Timestamp,
}

#[derive(Debug, Clone)]
struct Meta {
    identity: u64,
    /// Oldest first; never empty.
    epochs: Vec<Epoch>,
    breaks: Breaks,
    sources: HashMap<SourceId, (Generation, u64)>,
    ids: VecDeque<(Id, Timestamp)>,
    closed: Option<Timestamp>,
    owners: BTreeMap<String, (u64, Timestamp)>,
}

type Id = (SourceId, Generation, String);

/// What a script knows of its surroundings.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) options: &'a Options,
    pub(super) identity: u64,
    pub(super) now: Timestamp,
    /// Above all positions that the process has given out: what real servers have from their clocks, which a restart in
    /// memory is too quick for.
    pub(super) floor: u64,
}

/// What an append stored: the epoch, the first position and the events.
pub(super) type Fresh = (Position, Position, Vec<Arc<Event>>);

impl Meta {
    fn current(&mut self) -> &mut Epoch {
        let last = self.epochs.len() - 1;
        &mut self.epochs[last]
    }

    fn is_repeat(&self, id: &Id, now: Timestamp) -> bool {
        self.ids.iter().rev().any(|(known, since)| known == id && now.millis_since(*since) < IDS.1)
    }
}

impl Stored {
    /// Makes the meta one of this life that has seen `breaks`. A group whose number it doesn't hold has 0 there.
    fn ensure(&mut self, moment: Moment<'_>, breaks: &Breaks) -> Result<&mut Meta, BacklogError> {
        if self.spoilt {
            return Err(BacklogError::Refused("the channel's key holds something else".into()));
        }
        self.touched = moment.now;
        let is_new = |meta: &Meta| breaks.iter().any(|(group, number)| number > meta.breaks.number(group));
        let torn = self.meta.as_ref().is_some_and(is_new).then_some(Torn::Source);
        if torn.is_some() || self.meta.as_ref().is_none_or(|meta| meta.identity != moment.identity) {
            let mut start = Position::begun_at(moment.now).0.max(moment.floor).max(1);
            if self.top > 0 {
                start = start.max(self.top + EPOCH_STEP);
            }
            if let Some(meta) = &mut self.meta {
                start = start.max(meta.current().end.0 + EPOCH_STEP);
            }
            let epoch = Epoch { start: Position(start), end: Position(start - 1), torn };
            let meta = self.meta.get_or_insert_with(|| Meta {
                identity: moment.identity,
                epochs: Vec::new(),
                breaks: Breaks::default(),
                sources: HashMap::new(),
                ids: VecDeque::new(),
                closed: None,
                owners: BTreeMap::new(),
            });
            meta.identity = moment.identity;
            meta.epochs.push(epoch);
            let surplus = meta.epochs.len().saturating_sub(MAX_EPOCHS);
            meta.epochs.drain(..surplus);
        }
        // The branch above has made it where it wasn't.
        let meta = self.meta.as_mut().ok_or_else(|| BacklogError::Unavailable("no meta".into()))?;
        for (group, number) in breaks.iter() {
            meta.breaks = meta.breaks.raised(group, number).unwrap_or_else(|| meta.breaks.clone());
        }
        Ok(meta)
    }

    fn trim(&mut self, moment: Moment<'_>) {
        let surplus = self.entries.len().saturating_sub(moment.options.retained_events);
        self.entries.drain(..surplus);
        let age = moment.options.retained_age.as_millis();
        while self.entries.front().is_some_and(|(_, event)| u128::from(moment.now.millis_since(event.time)) >= age) {
            self.entries.pop_front();
        }
    }

    fn standing(&self) -> Result<Standing, BacklogError> {
        let missing = || BacklogError::Unavailable("no meta".into());
        let meta = self.meta.as_ref().ok_or_else(missing)?;
        let epochs = Epochs::new(meta.epochs.clone()).map_err(|error| BacklogError::Refused(error.to_string()))?;
        Ok(Standing { epochs, closed_before: meta.closed })
    }

    pub(super) fn append(
        &mut self,
        moment: Moment<'_>,
        batch: &Batch,
    ) -> Result<(Appended, Option<Fresh>), BacklogError> {
        let meta = self.ensure(moment, &batch.breaks)?;
        let known = meta.sources.get(&batch.source).copied();
        if let Some((generation, _)) = known
            && batch.generation < generation
        {
            let head = meta.current().end;
            return Ok((Appended { stored: 0, repeats: batch.events.len(), head }, None));
        }
        let mut place = known.filter(|(generation, _)| *generation == batch.generation).map(|(_, place)| place);
        let epoch = meta.current().start;
        let mut stored = Vec::new();
        for placed in &batch.events {
            let at = placed.event.origin.place;
            if place.is_some_and(|place| at <= place) {
                continue;
            }
            place = Some(at);
            let id = placed.once.clone().map(|once| (batch.source.clone(), batch.generation, once));
            if id.as_ref().is_some_and(|id| meta.is_repeat(id, moment.now)) {
                continue;
            }
            if let Some(id) = id {
                meta.ids.push_back((id, moment.now));
                let surplus = meta.ids.len().saturating_sub(IDS.0);
                meta.ids.drain(..surplus);
            }
            meta.current().end = meta.current().end.next();
            stored.push((meta.current().end, Arc::clone(&placed.event)));
        }
        meta.sources.insert(batch.source.clone(), (batch.generation, place.unwrap_or_default()));
        let head = meta.current().end;
        let appended = Appended { stored: stored.len(), repeats: batch.events.len() - stored.len(), head };
        let announced = stored.first().map(|(first, _)| *first);
        let announced =
            announced.map(|first| (epoch, first, stored.iter().map(|(_, event)| Arc::clone(event)).collect()));
        if announced.is_some() {
            self.top = head.0;
        }
        self.entries.extend(stored);
        self.trim(moment);
        Ok((appended, announced))
    }

    pub(super) fn register(
        &mut self,
        moment: Moment<'_>,
        token: &Token,
        breaks: &Breaks,
    ) -> Result<Standing, BacklogError> {
        let lapses = Timestamp(moment.now.0 + super::millis(moment.options.ownership));
        let meta = self.ensure(moment, breaks)?;
        meta.owners.retain(|_, (_, lapses)| *lapses > moment.now);
        meta.owners.insert(token.replica.to_string(), (token.number, lapses));
        self.trim(moment);
        self.standing()
    }

    pub(super) fn unregister(&mut self, token: &Token) {
        if let Some(meta) = &mut self.meta {
            meta.owners.retain(|replica, (number, _)| *replica != *token.replica || *number != token.number);
        }
    }

    pub(super) fn read(
        &mut self,
        moment: Moment<'_>,
        after: Position,
        limit: usize,
    ) -> Result<crate::backlog::Page, BacklogError> {
        self.ensure(moment, &Breaks::default())?;
        let from = self.entries.partition_point(|(position, _)| *position <= after);
        let mut bytes = 0;
        let fits = |(_, event): &&(Position, Arc<Event>)| {
            let is_first = bytes == 0;
            bytes += event.data.len().max(1);
            is_first || bytes <= MAX_PAGE_BYTES
        };
        let entries = self.entries.range(from..).take(limit.max(1)).take_while(fits).cloned().collect();
        Ok(crate::backlog::Page { standing: self.standing()?, entries })
    }

    pub(super) fn close_before(&mut self, moment: Moment<'_>, time: Timestamp) -> Result<Timestamp, BacklogError> {
        let meta = self.ensure(moment, &Breaks::default())?;
        let closed = time.min(moment.now).max(meta.closed.unwrap_or_default());
        meta.closed = Some(closed);
        Ok(closed)
    }

    pub(super) fn keep(&mut self, moment: Moment<'_>) -> Result<(), BacklogError> {
        self.ensure(moment, &Breaks::default()).map(|_| ())
    }

    /// Well above all of the channel's positions.
    pub(super) fn floor(&self) -> u64 {
        let current = self.meta.as_ref().and_then(|meta| meta.epochs.last());
        current.map_or(0, |epoch| epoch.end.0.max(epoch.start.0) + EPOCH_STEP)
    }

    pub(super) fn owners(&self) -> Vec<(String, Timestamp)> {
        let meta = self.meta.iter();
        meta.flat_map(|meta| meta.owners.iter().map(|(replica, (_, lapses))| (replica.clone(), *lapses))).collect()
    }
}
