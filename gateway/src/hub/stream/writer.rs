//! Writes what subscriptions give into one chunk, sharing what was written before.

use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use events_gateway_core::Timestamp;
use events_gateway_core::cursor::{Mark, Marks};
use events_gateway_core::join::Step;
use events_gateway_core::sse::Format;

use super::super::HubCounters;
use super::super::interest::Interest;
use super::cursors::Cursors;
use super::wire::Wire;
use crate::clock;
use crate::ingest::address::TRACEPARENT;

pub(super) struct Writer<'a> {
    counters: &'a HubCounters,
    cursors: &'a mut Cursors,
    wire: &'a Wire,
    format: Format,
    named: bool,
    told: &'a mut Marks,
    /// Filled by a subscription's pull, emptied by [`Self::write`].
    pub(super) steps: Vec<Step>,
    chunk: Chunk,
    delivered: u64,
    /// Whether anything was passed over.
    pub(super) passed_over: bool,
    now: Option<Timestamp>,
}

enum Chunk {
    Empty,
    /// One event as every stream of its channel gets it.
    Shared(Bytes),
    Own(BytesMut),
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        counters: &'a HubCounters,
        cursors: &'a mut Cursors,
        wire: &'a Wire,
        (format, named): (Format, bool),
        told: &'a mut Marks,
    ) -> Self {
        let (steps, chunk, delivered, passed_over, now) = (Vec::new(), Chunk::Empty, 0, false, None);
        Self { counters, cursors, wire, format, named, told, steps, chunk, delivered, passed_over, now }
    }

    pub(super) fn len(&self) -> usize {
        match &self.chunk {
            Chunk::Empty => 0,
            Chunk::Shared(bytes) => bytes.len(),
            Chunk::Own(buffer) => buffer.len(),
        }
    }

    /// Writes the steps of the subscription at `index`, as far as it is interested.
    pub(super) fn write(&mut self, index: usize, interest: &Interest) {
        let mut steps = std::mem::take(&mut self.steps);
        for step in steps.drain(..) {
            match step {
                Step::Event { entry, mark } => {
                    let Some(seen) = interest.of(&entry, self.counters) else {
                        self.passed_over = true;
                        continue;
                    };
                    self.told[index] = Mark::At(mark);
                    self.delivered += 1;
                    let now = *self.now.get_or_insert_with(clock::now);
                    self.counters.delivered_after(now.millis_since(entry.event.time));
                    if let Some(traceparent) = entry.event.attributes.get(TRACEPARENT) {
                        // The last span of the event's trace (W3C Trace Context), for whoever turns this target on.
                        tracing::trace!(target: "delivery", traceparent, position = entry.position.0, "delivered");
                    }
                    let is_alone = self.format == Format::Data
                        && self.cursors.set().as_slice().len() == 1
                        && self.cursors.are_shared()
                        && mark == entry.position;
                    if is_alone && self.named && matches!(self.wire, Wire::EventStream) {
                        self.put(seen.alone(self.cursors.set()));
                    } else {
                        let cursor = self.cursors.text(self.told, || now);
                        let (wire, format) = (self.wire, (self.format, self.named));
                        wire.put_event(self.own(), &cursor, &seen, format);
                    }
                }
                Step::Gap { gap, mark } => {
                    self.told[index] = Mark::At(mark);
                    self.counters.told_gap(gap.reason);
                    let now = *self.now.get_or_insert_with(clock::now);
                    let (cursor, wire) = (self.cursors.text(self.told, || now), self.wire);
                    wire.put_gap(self.own(), &cursor, &gap);
                }
            }
        }
        self.steps = steps;
    }

    fn put(&mut self, block: &Bytes) {
        match &mut self.chunk {
            Chunk::Empty => self.chunk = Chunk::Shared(block.clone()),
            Chunk::Shared(_) | Chunk::Own(_) => self.own().extend_from_slice(block),
        }
    }

    fn own(&mut self) -> &mut BytesMut {
        if let Chunk::Empty | Chunk::Shared(_) = self.chunk {
            let mut buffer = BytesMut::with_capacity(4 << 10);
            if let Chunk::Shared(bytes) = &self.chunk {
                buffer.extend_from_slice(bytes);
            }
            self.chunk = Chunk::Own(buffer);
        }
        match &mut self.chunk {
            Chunk::Own(buffer) => buffer,
            Chunk::Empty | Chunk::Shared(_) => unreachable!("made an own one just above"),
        }
    }

    pub(super) fn finish(self) -> Option<Bytes> {
        if self.delivered > 0 {
            self.counters.delivered.fetch_add(self.delivered, Ordering::Relaxed);
        }
        match self.chunk {
            Chunk::Empty => None,
            Chunk::Shared(bytes) => Some(bytes),
            Chunk::Own(buffer) => Some(buffer.freeze()),
        }
    }
}
