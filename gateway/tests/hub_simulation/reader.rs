//! A client that complains about whatever the invariants forbid.

use std::collections::{BTreeMap, HashSet};
use std::task::{Context, Poll, Waker};

use events_gateway::hub::Stream;
use futures_util::StreamExt as _;

/// What a client has had of one channel.
#[derive(Debug, Default)]
struct Seen {
    /// The place of the last event.
    last: Option<u64>,
    /// What was produced from this place on is owed. Earlier events may come: of the time in which the stream opened, or after
    /// a gap that says so.
    owed: u64,
    had: HashSet<u64>,
    /// What gaps have taken stays told, even if part of it comes again.
    told: HashSet<u64>,
    /// A gap was told since the last event.
    excused: bool,
    /// One of them said that events may come again.
    may_repeat: bool,
}

impl Seen {
    fn take(&mut self, place: u64) -> Result<(), String> {
        let is_back = self.last.is_some_and(|last| place <= last);
        if (is_back || self.had.contains(&place)) && !self.may_repeat {
            return Err(format!("{place} came again after {:?}", self.last));
        }
        if self.excused {
            self.told.extend(self.owed..place);
        }
        if let Some(lost) = self.lost(place) {
            return Err(format!("{lost} is lost: {place} came"));
        }
        self.had.insert(place);
        self.last = Some(place);
        self.excused &= is_back;
        Ok(())
    }

    /// The first of those before `end` that should have come since the last event.
    fn lost(&self, end: u64) -> Option<u64> {
        let from = self.last.map_or(self.owed, |last| last + 1).max(self.owed);
        (from..end).find(|place| !self.had.contains(place) && !self.told.contains(place))
    }
}

/// A client of some channels, on one stream after the other.
pub(crate) struct Reader {
    pub(crate) names: Vec<&'static str>,
    stream: Option<Stream>,
    text: String,
    /// Its cursor; empty before the first one.
    pub(crate) id: String,
    seen: BTreeMap<&'static str, Seen>,
    is_open: bool,
}

impl Reader {
    /// Nobody yet: see [`Self::connect`].
    pub(crate) fn new(names: Vec<&'static str>) -> Self {
        Self { names, stream: None, text: String::new(), id: String::new(), seen: BTreeMap::new(), is_open: false }
    }

    /// Goes on with another stream; what was half read is lost with the old one.
    pub(crate) fn connect(&mut self, stream: Stream) {
        self.stream = Some(stream);
        self.text.clear();
    }

    /// Whether its stream has ended: it is to come back.
    pub(crate) fn is_gone(&self) -> bool {
        self.stream.is_none()
    }

    /// Takes what the stream has now, at most so many chunks. `next` are the places of the next events to be
    /// produced.
    pub(crate) fn read(&mut self, chunks: usize, next: &BTreeMap<&'static str, u64>) -> Result<(), String> {
        for _ in 0..chunks {
            let Some(stream) = &mut self.stream else { return Ok(()) };
            match stream.poll_next_unpin(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => return Ok(()),
                Poll::Ready(None) => self.stream = None,
                Poll::Ready(Some(chunk)) => {
                    self.text.push_str(std::str::from_utf8(&chunk).map_err(|error| error.to_string())?);
                    while let Some(end) = self.text.find("\n\n") {
                        let block: String = self.text.drain(..end + 2).collect();
                        self.take(&block, next)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, block: &str, next: &BTreeMap<&'static str, u64>) -> Result<(), String> {
        let (mut kind, mut data) = ("", "");
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => self.id = id.to_owned(),
                Some(("event", name)) => kind = name,
                Some(("data", line)) => data = line,
                _ => {}
            }
        }
        match kind {
            "gateway.open" if !self.is_open => {
                self.is_open = true;
                for name in &self.names {
                    self.seen.insert(name, Seen { owed: next.get(name).copied().unwrap_or(0), ..Seen::default() });
                }
                Ok(())
            }
            "gateway.gap" => {
                let gap: serde_json::Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
                let seen = self.of(gap["channel"].as_str().unwrap_or_default())?;
                seen.excused = true;
                seen.may_repeat |= gap["may_repeat"] == true;
                Ok(())
            }
            "n" => {
                let (name, place) = data.split_once(' ').ok_or("an event without a place")?;
                let place: u64 = place.parse().map_err(|_| "a place that is no number")?;
                let seen = self.of(name)?;
                seen.take(place).map_err(|error| format!("{name} {error}"))
            }
            _ => Ok(()),
        }
    }

    fn of(&mut self, name: &str) -> Result<&mut Seen, String> {
        let found = self.seen.iter_mut().find(|(known, _)| **known == name);
        found.map(|(_, seen)| seen).ok_or_else(|| format!("{name:?} is no channel of this client"))
    }

    /// After all has healed: whether it has the last of everything, or was told.
    pub(crate) fn finish(&self, next: &BTreeMap<&'static str, u64>) -> Result<(), String> {
        for (name, seen) in &self.seen {
            let end = next.get(name).copied().unwrap_or(0);
            if let Some(lost) = seen.lost(end).filter(|_| !seen.excused) {
                return Err(format!("{name} {lost} of {end} never came, and no gap was told"));
            }
        }
        Ok(())
    }
}
