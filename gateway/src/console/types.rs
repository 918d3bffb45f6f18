//! Which types have streamed by: a native `EventSource` hears only the types that it was told to listen for.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use events_gateway_core::Channel;
use events_gateway_core::cursor::ChannelSet;
use events_gateway_core::event::RESERVED_TYPE_PREFIX;
use futures_util::{Stream, StreamExt as _};
use parking_lot::Mutex;

use crate::http::Open;
use crate::hub::{Resume, Subscribe};

/// Most types that are remembered. A page could list no more.
pub const MAX_TYPES: usize = 500;

/// How long to wait before a stream that ended is opened again.
const PAUSE: Duration = Duration::from_millis(200);

/// Types in the order in which they were first seen, at most [`MAX_TYPES`]; only ever grows.
#[derive(Debug, Default)]
pub struct Types {
    seen: Mutex<Seen>,
    is_followed: AtomicBool,
}

#[derive(Debug, Default)]
struct Seen {
    ordered: Vec<String>,
    known: HashSet<String>,
}

impl Types {
    /// The types from that index on.
    #[must_use]
    pub fn from(&self, index: usize) -> Vec<String> {
        self.seen.lock().ordered.get(index..).map(<[_]>::to_vec).unwrap_or_default()
    }

    /// Remembers a type. The gateway's own are none: every page listens for them.
    pub fn see(&self, kind: &str) {
        let mut seen = self.seen.lock();
        if !kind.starts_with(RESERVED_TYPE_PREFIX) && seen.ordered.len() < MAX_TYPES && !seen.known.contains(kind) {
            seen.known.insert(kind.to_owned());
            seen.ordered.push(kind.to_owned());
        }
    }
}

/// Learns the types of `all` from now on, those of its backlog included; only the first call counts. To be called inside a
/// runtime that lives as long as the process.
pub fn follow(types: &Arc<Types>, open: &Open) {
    if types.is_followed.swap(true, Ordering::Relaxed) {
        return;
    }
    let open = open.clone();
    tokio::spawn(watch(types.clone(), move |cursor| {
        let all = ChannelSet::new([Channel::all()]).expect("one channel is a set of channels");
        let resume = cursor.map_or(Resume::Earliest, Resume::Cursor);
        let subscribe = Subscribe { resume, ..Subscribe::to(all, "console".into()) };
        // Without room for it the page learns no types for now.
        open(subscribe).map_or_else(|_| futures_util::stream::empty().boxed(), |opened| opened.chunks)
    }));
}

/// Learns the types of a stream, for the life of the process. `open` opens it after the cursor given, and is called again
/// whenever the stream ends.
pub async fn watch<S>(types: Arc<Types>, mut open: impl FnMut(Option<String>) -> S)
where
    S: Stream<Item = Bytes> + Unpin,
{
    let mut cursor = None;
    loop {
        let mut lines = Lines::default();
        let mut chunks = open(cursor.clone());
        while let Some(chunk) = chunks.next().await {
            lines.read(&chunk, |field, value| match field {
                Field::Event => types.see(value),
                Field::Id => cursor = Some(value.to_owned()),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The lines of a stream that matter here, as the gateway writes them: `event: ` and `id: `, ended by LF.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line whose end hasn't come yet.
    begun: Vec<u8>,
    /// The rest of this line is of no interest.
    skipping: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Event,
    Id,
}

/// Longer than `event: ` and the longest type, or `id: ` and the longest cursor: what is longer is data.
const MAX_LINE: usize = 256;

impl Lines {
    fn read(&mut self, chunk: &[u8], mut found: impl FnMut(Field, &str)) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let (line, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |line| (line, true));
            if !self.skipping {
                self.skipping = self.begun.len() + line.len() > MAX_LINE;
                if !self.skipping {
                    self.begun.extend_from_slice(line);
                }
            }
            if ends {
                if !self.skipping {
                    field(&self.begun, &mut found);
                }
                self.begun.clear();
                self.skipping = false;
            }
        }
    }
}

fn field(line: &[u8], found: &mut impl FnMut(Field, &str)) {
    let value = |prefix: &[u8]| line.strip_prefix(prefix).and_then(|value| std::str::from_utf8(value).ok());
    if let Some(kind) = value(b"event: ") {
        found(Field::Event, kind);
    } else if let Some(cursor) = value(b"id: ") {
        found(Field::Id, cursor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<(Field, String)> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.read(chunk, |field, value| all.push((field, value.to_owned())));
        }
        all
    }

    #[test]
    fn types_and_cursors_are_found_however_the_stream_is_cut() {
        let long = format!("id: 1a\nevent: a.b\ndata: {}\n\n", "event: no ".repeat(100));
        let stream = format!("retry: 5\n\n:\n\n{long}id: 1b\ndata: event: x\ndata: id: y\n\nevent: é\ndata:\n\n");
        let expected: Vec<(Field, String)> =
            [(Field::Id, "1a"), (Field::Event, "a.b"), (Field::Id, "1b"), (Field::Event, "é")]
                .map(|(field, value)| (field, value.to_owned()))
                .into();
        assert_eq!(read(&[stream.as_bytes()]), expected);
        for size in [1, 2, 3, 7, 64, 255, 256, 257] {
            let chunks: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            assert_eq!(read(&chunks), expected, "{size}");
        }
    }

    #[test]
    fn types_are_distinct_bounded_and_never_the_gateways_own() {
        let types = Types::default();
        for kind in ["a", "gateway.open", "b", "a"] {
            types.see(kind);
        }
        assert_eq!(types.from(0), ["a", "b"]);
        assert_eq!(types.from(1), ["b"]);
        assert!(types.from(2).is_empty() && types.from(usize::MAX).is_empty());
        (0..2 * MAX_TYPES).for_each(|n| types.see(&n.to_string()));
        assert_eq!(types.from(0).len(), MAX_TYPES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_ends_is_opened_again_after_its_last_cursor() {
        let types = Arc::new(Types::default());
        let mut streams = [&b"id: 1x\nevent: one\ndata: 1\n\n"[..], b"event: two\ndata: 2\n\n"].into_iter();
        let (asked, mut opened) = tokio::sync::mpsc::unbounded_channel();
        let open = move |cursor: Option<String>| {
            let _ = asked.send(cursor);
            match streams.next() {
                Some(bytes) => futures_util::stream::iter([Bytes::from_static(bytes)]).left_stream(),
                None => futures_util::stream::pending().right_stream(),
            }
        };
        let task = tokio::spawn(watch(types.clone(), open));
        assert_eq!(opened.recv().await.unwrap(), None);
        assert_eq!(opened.recv().await.unwrap().as_deref(), Some("1x"));
        assert_eq!(opened.recv().await.unwrap().as_deref(), Some("1x"));
        assert_eq!(types.from(0), ["one", "two"]);
        task.abort();
    }
}
