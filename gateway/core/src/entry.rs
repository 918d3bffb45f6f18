//! An event at its position, with the forms in which it is written: made once, shared by every stream.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use crate::cursor::ChannelSet;
use crate::sse::{self, Format};
use crate::{Channel, Event, Position};

/// One event of one channel.
#[derive(Debug)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// What it is.
    pub event: Arc<Event>,
    channel: Channel,
    bodies: [OnceLock<Bytes>; Format::NAMES.len()],
    alone: OnceLock<Bytes>,
}

impl Entry {
    /// An event that nobody has written yet.
    #[must_use]
    pub fn new(channel: Channel, position: Position, event: Arc<Event>) -> Self {
        Self { position, event, channel, bodies: Default::default(), alone: OnceLock::new() }
    }

    /// What it counts for in a ring's or a queue's bound: its data, plus what surrounds it, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.event.data.len() + 256
    }

    /// The block without its id line.
    pub fn body(&self, format: Format) -> &Bytes {
        self.bodies[format as usize].get_or_init(|| sse::body(&self.channel, &self.event, format))
    }

    /// The whole block, id line included, as written to a stream of this channel alone, in [`Format::Data`], whose cursor
    /// stands at this very event: the commonest case, so that thousands of streams share one buffer. `set` must be the set
    /// of this one channel.
    pub fn alone(&self, set: &ChannelSet) -> &Bytes {
        self.alone.get_or_init(|| {
            let body = sse::body(&self.channel, &self.event, Format::Data);
            let mut block = BytesMut::with_capacity(body.len() + 40);
            sse::put_id(&mut block, &set.cursor(&[crate::cursor::Mark::At(self.position)]));
            block.extend_from_slice(&body);
            block.freeze()
        })
    }
}
