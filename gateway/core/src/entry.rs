//! An event at its position, with the forms in which it is written: made once, shared by every stream.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use crate::cursor::ChannelSet;
use crate::filter::table::Verdicts;
use crate::sse::{self, Format};
use crate::view::{Failure, MAX_VIEWS, View};
use crate::{Channel, Event, Position, frame};

/// One event of one channel.
#[derive(Debug)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// What it is.
    pub event: Arc<Event>,
    channel: Channel,
    raw: Rendition,
    /// By the views' indices; `None` within: withheld.
    views: OnceLock<Box<[OnceLock<Option<Box<Viewed>>>; MAX_VIEWS]>>,
}

/// The forms of one event.
#[derive(Debug, Default)]
struct Rendition {
    alone: OnceLock<Bytes>,
    forms: OnceLock<Box<Forms>>,
    verdicts: OnceLock<Verdicts>,
}

/// The rarer ones, each by format.
#[derive(Debug, Default)]
struct Forms {
    bodies: [OnceLock<Bytes>; Format::NAMES.len()],
    unnamed: [OnceLock<Bytes>; Format::NAMES.len()],
    frames: [OnceLock<Bytes>; Format::NAMES.len()],
    texts: [OnceLock<Bytes>; Format::NAMES.len()],
}

#[derive(Debug)]
struct Viewed {
    event: Arc<Event>,
    rendition: Rendition,
}

/// An entry as a subscriber sees it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'e> {
    /// What is left of the event.
    pub event: &'e Arc<Event>,
    entry: &'e Entry,
    rendition: &'e Rendition,
}

impl Entry {
    /// An event that nobody has written yet.
    #[must_use]
    pub fn new(channel: Channel, position: Position, event: Arc<Event>) -> Self {
        Self { position, event, channel, raw: Rendition::default(), views: OnceLock::new() }
    }

    /// What it counts for in a ring's or a queue's bound: its data, plus what surrounds it, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.event.data.len() + 256
    }

    /// It as it came.
    #[must_use]
    pub fn raw(&self) -> Seen<'_> {
        Seen { event: &self.event, entry: self, rendition: &self.raw }
    }

    /// What a view leaves of it: found once, whoever asks. `None`: it is withheld. `failed` hears of the failure, once.
    pub fn through(&self, view: &View, failed: impl FnOnce(&Failure)) -> Option<Seen<'_>> {
        let views = self.views.get_or_init(Default::default);
        let viewed = views.get(view.index())?.get_or_init(|| {
            let event = match view.of(&self.channel, &self.event) {
                Ok(event) => event,
                Err(failure) => {
                    failed(&failure);
                    if !view.tells_failures() {
                        return None;
                    }
                    view.failed(&self.event)
                }
            };
            Some(Box::new(Viewed { event: Arc::new(event), rendition: Rendition::default() }))
        });
        viewed.as_deref().map(|viewed| self.seen(viewed))
    }

    /// What a view left of it, if anybody has asked yet: `Some(None)` where it is withheld.
    #[must_use]
    pub fn known_through(&self, view: &View) -> Option<Option<Seen<'_>>> {
        let viewed = self.views.get()?.get(view.index())?.get()?;
        Some(viewed.as_deref().map(|viewed| self.seen(viewed)))
    }

    fn seen<'e>(&'e self, viewed: &'e Viewed) -> Seen<'e> {
        Seen { event: &viewed.event, entry: self, rendition: &viewed.rendition }
    }
}

impl<'e> Seen<'e> {
    /// What filters have said of it already.
    #[must_use]
    pub fn known_verdicts(&self) -> Option<&'e Verdicts> {
        self.rendition.verdicts.get()
    }

    /// What filters say of it: `judge` is asked once.
    pub fn verdicts(&self, judge: impl FnOnce(&Channel, &Event) -> Verdicts) -> &'e Verdicts {
        self.rendition.verdicts.get_or_init(|| judge(&self.entry.channel, self.event))
    }

    /// The channel that it came by.
    #[must_use]
    pub fn channel(&self) -> &'e Channel {
        &self.entry.channel
    }

    fn forms(&self) -> &'e Forms {
        self.rendition.forms.get_or_init(Default::default)
    }

    /// The block of an event stream without its id line; with the event's type, or without.
    #[must_use]
    pub fn body(&self, format: Format, named: bool) -> &'e Bytes {
        let (channel, event) = (&self.entry.channel, self.event);
        if named {
            self.forms().bodies[format as usize].get_or_init(|| sse::body(channel, event, format))
        } else {
            self.forms().unnamed[format as usize].get_or_init(|| sse::unnamed_body(channel, event, format))
        }
    }

    /// The event as a text by itself.
    #[must_use]
    pub fn text(&self, format: Format) -> &'e Bytes {
        self.forms().texts[format as usize].get_or_init(|| sse::data(&self.entry.channel, self.event, format))
    }

    /// The end of the WebSocket message, from the event's type on.
    #[must_use]
    pub fn frame(&self, format: Format) -> &'e Bytes {
        self.forms().frames[format as usize].get_or_init(|| frame::event_end(&self.event.kind, self.text(format)))
    }

    /// The whole block, id line included, as written to a stream of this channel alone, in [`Format::Data`], whose cursor
    /// stands at this very event: the commonest case, so that thousands of streams share one buffer. `set` must be the set
    /// of this one channel.
    #[must_use]
    pub fn alone(&self, set: &ChannelSet) -> &'e Bytes {
        self.rendition.alone.get_or_init(|| {
            let body = sse::body(&self.entry.channel, self.event, Format::Data);
            let mut block = BytesMut::with_capacity(body.len() + 40);
            sse::put_id(&mut block, &set.cursor(&[crate::cursor::Mark::At(self.entry.position)]));
            block.extend_from_slice(&body);
            block.freeze()
        })
    }
}
