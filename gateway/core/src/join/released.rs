//! What a reel has released, by source and epoch: how an event that comes again in a later epoch is told.

use std::collections::HashMap;

use crate::Position;
use crate::position::MAX_EPOCHS;
use crate::source::{Generation, Origin, SourceId};

/// Places of one source that were released within one epoch: those of this channel between `low` and `high`.
#[derive(Debug, Clone, Copy)]
struct Span {
    epoch: Position,
    generation: Generation,
    low: u64,
    high: u64,
}

/// At most [`MAX_EPOCHS`] spans a source.
#[derive(Debug, Default)]
pub(super) struct Released {
    spans: HashMap<SourceId, Vec<Span>>,
    /// Of each epoch that was left: its start, and the last position released before leaving it; ascending.
    left: Vec<(Position, Position)>,
}

impl Released {
    /// Notes that the reel left an epoch, with `head` as the last position released.
    pub(super) fn leave(&mut self, epoch: Position, head: Position) {
        self.left.push((epoch, head));
        if self.left.len() > MAX_EPOCHS {
            self.left.remove(0);
        }
    }

    /// Notes a release. If the event was released in an earlier epoch: the last position released before that epoch was
    /// left. Whoever entered the reel at or below it has the event.
    pub(super) fn note(&mut self, origin: &Origin, epoch: Position) -> Option<Position> {
        let Origin { generation, place, .. } = *origin;
        if !self.spans.contains_key(&origin.source) {
            self.spans.insert(origin.source.clone(), Vec::new());
        }
        let spans = self.spans.get_mut(&origin.source)?;
        let holds = |span: &&Span| span.generation == generation && span.low <= place && place <= span.high;
        let before = spans.iter().rev().filter(|span| span.epoch < epoch).find(holds).map(|span| span.epoch);
        match spans.last_mut() {
            Some(span) if span.epoch == epoch && span.generation == generation => span.high = place,
            _ => spans.push(Span { epoch, generation, low: place, high: place }),
        }
        if spans.len() > MAX_EPOCHS {
            spans.remove(0);
        }
        before.and_then(|before| self.left.iter().rev().find(|(start, _)| *start == before)).map(|(_, head)| *head)
    }
}
