//! Reads an event stream line by line (WHATWG HTML, «Interpreting an event stream»), as far as the measurements need it.

use crate::event::Stamp;

/// What a stream said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// One of our events.
    Event(Stamp),
    /// `gateway.gap`: something can't be delivered any more.
    Gap,
    /// `gateway.closing`: the server ends the stream.
    Closing,
}

/// The state of one stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The beginning of a line whose end hasn't come.
    partial: Vec<u8>,
    kind: Kind,
    stamp: Option<Stamp>,
    /// The newest `id:` line; it counts once its block ends.
    pending: Vec<u8>,
    cursor: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[default]
    Other,
    Gap,
    Closing,
}

impl Reader {
    /// The id of the last whole block that had one.
    pub(super) fn cursor(&self) -> &[u8] {
        &self.cursor
    }

    /// Takes the next bytes of the stream and hands on what they complete.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut said: impl FnMut(Said)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            if self.partial.is_empty() {
                self.line(&bytes[..end], &mut said);
            } else {
                let mut line = std::mem::take(&mut self.partial);
                line.extend_from_slice(&bytes[..end]);
                self.line(&line, &mut said);
                line.clear();
                self.partial = line;
            }
            bytes = &bytes[end + 1..];
        }
        self.partial.extend_from_slice(bytes);
    }

    fn line(&mut self, line: &[u8], said: &mut impl FnMut(Said)) {
        match line.first() {
            None => self.dispatch(said),
            Some(b'd') => {
                if let Some(data) = line.strip_prefix(b"data: ") {
                    self.stamp = Stamp::read(data);
                }
            }
            Some(b'e') => {
                self.kind = match line.strip_prefix(b"event: ") {
                    Some(b"gateway.gap") => Kind::Gap,
                    Some(b"gateway.closing") => Kind::Closing,
                    _ => Kind::Other,
                };
            }
            Some(b'i') => {
                if let Some(id) = line.strip_prefix(b"id: ") {
                    self.pending.clear();
                    self.pending.extend_from_slice(id);
                }
            }
            Some(_) => {}
        }
    }

    fn dispatch(&mut self, said: &mut impl FnMut(Said)) {
        if !self.pending.is_empty() {
            std::mem::swap(&mut self.cursor, &mut self.pending);
            self.pending.clear();
        }
        match (std::mem::take(&mut self.kind), self.stamp.take()) {
            (Kind::Gap, _) => said(Said::Gap),
            (Kind::Closing, _) => said(Said::Closing),
            (Kind::Other, Some(stamp)) => said(Said::Event(stamp)),
            (Kind::Other, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp(sequence: u64) -> Stamp {
        Stamp { sent: 1_795_255_200_123_456, channel: 7, sequence }
    }

    fn stream() -> Vec<u8> {
        let mut wire = b"retry: 1000\n\nid: c0\nevent: gateway.open\ndata: {}\n\n:\n\n".to_vec();
        for sequence in 0..3 {
            wire.extend_from_slice(format!("id: c{}\nevent: load\ndata: ", sequence + 1).as_bytes());
            stamp(sequence).write(&mut wire);
            wire.extend_from_slice(b"\n\n");
        }
        wire.extend_from_slice(
            b"id: c9\nevent: gateway.gap\ndata: {}\n\nid: c10\n\nevent: gateway.closing\ndata: {}\n\n",
        );
        wire
    }

    proptest! {
        #[test]
        fn everything_said_is_heard_however_the_bytes_were_cut(size in 1_usize..400) {
            let (mut reader, mut heard) = (Reader::default(), Vec::new());
            for piece in stream().chunks(size) {
                reader.take(piece, |said| heard.push(said));
            }
            let mut expected: Vec<Said> = (0..3).map(|sequence| Said::Event(stamp(sequence))).collect();
            expected.extend([Said::Gap, Said::Closing]);
            prop_assert_eq!(heard, expected);
            prop_assert_eq!(reader.cursor(), b"c10");
        }
    }

    #[test]
    fn an_event_that_was_cut_off_is_not_heard_and_moves_no_cursor() {
        let mut wire = b"id: c1\n\nid: c2\ndata: ".to_vec();
        stamp(0).write(&mut wire);
        wire.extend_from_slice(b"\n");
        let (mut reader, mut heard) = (Reader::default(), 0);
        reader.take(&wire, |_| heard += 1);
        assert_eq!((heard, reader.cursor()), (0, &b"c1"[..]));
    }
}
