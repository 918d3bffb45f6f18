//! A stream's interest in one channel.

use std::sync::Arc;

use events_gateway_core::cursor::{CursorError, Mark, Marks};
use events_gateway_core::join::{Pending, Pulled, Replay, Step, Walker};
use events_gateway_core::sse::{Gap, GapReason};
use events_gateway_core::{Channel, Position, Timestamp};
use tokio::time::Instant;

use super::super::feed::Feed;
use super::super::interest::Interest;
use super::super::pages::Answer;
use super::super::signal::Signal;
use super::super::subscribers::Key;
use super::super::{Hub, Resume, counters};
use super::writer::Writer;

/// Where a subscription starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// With what comes from now on.
    Live,
    /// From the backlog.
    Replay(Replay),
}

#[derive(Debug)]
enum Stage {
    /// The channel is being registered.
    Opening(Start),
    /// Pages of the backlog are being read; one has been waited for since then.
    Replaying(Replay, Option<Instant>),
    /// The reel has all that follows.
    Live(Walker),
}

/// What a pull ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pull {
    /// All that there is now.
    Done,
    /// There may be more at once.
    More,
    /// The channel's policy is to disconnect.
    Overflowed,
}

#[derive(Debug)]
pub(super) struct Subscription {
    feed: Arc<Feed>,
    key: Key,
    /// What of the channel's events it is for.
    pub(super) interest: Interest,
    stage: Stage,
    pending: Pending,
    /// The client's cursor was none of these channels: to be told before anything else.
    cursor_unknown: bool,
}

impl Subscription {
    /// Of the channel at `index` in the stream's set.
    pub(super) fn new(
        hub: &Arc<Hub>,
        channel: &Channel,
        signal: &Arc<Signal>,
        resume: &Resume,
        cursor: Option<&Result<Marks, CursorError>>,
        index: usize,
        interest: Interest,
    ) -> Self {
        let start = match (resume, cursor) {
            (Resume::Earliest, _) => Start::Replay(Replay::earliest()),
            (_, Some(Ok(marks))) => Start::Replay(Replay::from_mark(marks[index])),
            _ => Start::Live,
        };
        let (feed, key) = hub.join(channel, signal, &interest);
        Self {
            feed,
            key,
            interest,
            stage: Stage::Opening(start),
            pending: (hub.options.pending)(channel),
            cursor_unknown: matches!(cursor, Some(Err(_))),
        }
    }

    pub(super) fn leave(&mut self) {
        self.feed.leave(&self.key);
    }

    pub(super) fn closed_before(&self) -> Timestamp {
        self.feed.closed_before()
    }

    pub(super) fn is_opening(&self) -> bool {
        matches!(self.stage, Stage::Opening(_))
    }

    /// What the cursor says of this channel.
    pub(super) fn mark(&self, opened: Timestamp) -> Mark {
        match &self.stage {
            Stage::Opening(Start::Live) => Mark::Since(opened),
            Stage::Opening(Start::Replay(replay)) | Stage::Replaying(replay, _) => replay.mark(opened),
            Stage::Live(walker) => Mark::At(walker.mark()),
        }
    }

    /// Takes a place in the channel as soon as it is registered.
    pub(super) fn open(&mut self) {
        let Stage::Opening(start) = self.stage else { return };
        let ownership = self.feed.ownership();
        let Some(reel) = ownership.reel() else { return };
        self.stage = match start {
            Start::Live => Stage::Live(reel.walker_at_head()),
            Start::Replay(replay) => Stage::Replaying(replay, None),
        };
    }

    /// The stream opens without this channel: what comes from now on is owed once it can be reached.
    pub(super) fn stand_since(&mut self, opened: Timestamp) {
        if let Stage::Opening(start @ Start::Live) = &mut self.stage {
            *start = Start::Replay(Replay::from_mark(Mark::Since(opened)));
        }
    }

    /// Reads on, about `room` bytes, into the writer's steps.
    pub(super) fn pull(&mut self, hub: &Arc<Hub>, signal: &Arc<Signal>, room: usize, writer: &mut Writer<'_>) -> Pull {
        self.open();
        let steps = &mut writer.steps;
        loop {
            match &mut self.stage {
                Stage::Opening(_) => return Pull::Done,
                Stage::Live(walker) => {
                    let ownership = self.feed.ownership();
                    // A channel with subscribers stays registered.
                    let Some(reel) = ownership.reel() else {
                        return Pull::Done;
                    };
                    if std::mem::take(&mut self.cursor_unknown) {
                        steps.push(unknown_cursor(&self.feed.channel, walker.position()));
                    }
                    let before = walker.position();
                    if let Some(to) = self.key.quiet.as_ref().and_then(|quiet| quiet.after(before)) {
                        reel.pass(walker, to);
                    }
                    let pulled = reel.pull(walker, &self.pending, room, |entry| self.interest.may_want(entry), steps);
                    writer.passed_over |= steps.is_empty() && walker.position() > before;
                    match pulled {
                        Pulled::CaughtUp => return Pull::Done,
                        Pulled::More => return Pull::More,
                        Pulled::Overflowed => return Pull::Overflowed,
                        Pulled::NeedsPage => {
                            let replay = Replay::from_mark(Mark::At(walker.mark()));
                            drop(ownership);
                            self.stage = Stage::Replaying(replay, None);
                        }
                    }
                }
                Stage::Replaying(replay, asked) => {
                    let position = replay.position();
                    let walker = position.and_then(|position| self.feed.ownership().reel()?.walker_from(position));
                    if let Some(walker) = walker {
                        self.stage = Stage::Live(walker);
                        continue;
                    }
                    let now = Instant::now();
                    let (limit, asked_at) = (self.feed.page_limit(hub.options.page_events), *asked.get_or_insert(now));
                    let answer = self.feed.pages.lock().ask(replay.wants(), limit, asked_at, now, signal);
                    match answer {
                        Answer::Wait => return Pull::Done,
                        Answer::Load(after) => {
                            hub.load_page(&self.feed, after, limit);
                            return Pull::Done;
                        }
                        Answer::Ready(page) => {
                            counters::count(&hub.counters.page_shared);
                            *asked = None;
                            let before = *replay;
                            replay.take(&self.feed.channel, &page, room, steps);
                            if !steps.is_empty() {
                                return Pull::More;
                            }
                            if *replay == before {
                                // The backlog had no more, but the reel isn't there yet, or has left since: whichever
                                // it is, a moment later one of them goes on.
                                position.inspect(|position| self.feed.hear_of(*position));
                                hub.wake_later(signal);
                                return Pull::Done;
                            }
                        }
                    }
                }
            }
        }
    }
}

fn unknown_cursor(channel: &Channel, next: Position) -> Step {
    let reason = GapReason::UnknownCursor;
    let gap = Gap { channel: channel.clone(), reason, last: None, next, missing: None, may_repeat: false };
    Step::Gap { gap, mark: next }
}
