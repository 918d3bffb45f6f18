//! Reads an event stream as browsers do (WHATWG HTML, section 9.2.6), and notes what a browser would forgive.

/// A dispatched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The last event id when it was dispatched.
    pub id: String,
    /// Its type; `message` when none was given.
    pub kind: String,
    /// Its data, lines joined by LF.
    pub data: String,
}

impl Event {
    /// The data as JSON.
    ///
    /// # Panics
    /// When it isn't JSON: a test that asks for JSON has failed then.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// An incremental parser of one stream.
#[derive(Debug, Default)]
pub struct Parser {
    /// The line that isn't complete yet.
    line: Vec<u8>,
    /// The last byte was a CR: a LF that follows belongs to it.
    after_cr: bool,
    /// Something of the stream was seen: a BOM counts only at its very start.
    begun: bool,
    data: Option<String>,
    kind: String,
    id_buffer: String,
    last_event_id: String,
    retry: Option<u64>,
    comments: u64,
    violations: Vec<String>,
}

impl Parser {
    /// A parser that begins with the last event id of an earlier connection.
    #[must_use]
    pub fn resuming(last_event_id: &str) -> Self {
        Self { id_buffer: last_event_id.to_owned(), last_event_id: last_event_id.to_owned(), ..Self::default() }
    }

    /// What a reconnection would send as `Last-Event-ID`.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The last valid `retry`, milliseconds.
    #[must_use]
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// How many comments came.
    #[must_use]
    pub fn comments(&self) -> u64 {
        self.comments
    }

    /// What a browser forgives but a careful server doesn't send: bytes that aren't UTF-8, unknown fields, an id with NUL,
    /// a retry that isn't a number.
    #[must_use]
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// Takes [`Parser::violations`] out.
    pub fn take_violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    /// Whether a block was begun and not ended: its fields are lost when the stream ends here.
    #[must_use]
    pub fn within_a_block(&self) -> bool {
        !self.line.is_empty() || self.data.is_some() || !self.kind.is_empty()
    }

    /// Reads more bytes and hands every event that they complete to `dispatch`.
    pub fn feed(&mut self, bytes: &[u8], mut dispatch: impl FnMut(Event)) {
        for &byte in bytes {
            let follows_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if follows_cr => {}
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    self.end_line(&line, &mut dispatch);
                    self.line = line;
                    self.line.clear();
                }
                _ => self.line.push(byte),
            }
        }
    }

    fn end_line(&mut self, line: &[u8], dispatch: &mut impl FnMut(Event)) {
        let first = !std::mem::replace(&mut self.begun, true);
        let line = if first { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        let text = String::from_utf8_lossy(line);
        if let std::borrow::Cow::Owned(_) = text {
            self.violations.push(format!("not UTF-8: {text:?}"));
        }
        if text.is_empty() {
            self.end_block(dispatch);
            return;
        }
        let (field, value) = match text.split_once(':') {
            Some(("", _)) => {
                self.comments += 1;
                return;
            }
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (&*text, ""),
        };
        match field {
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                let data = self.data.get_or_insert_default();
                data.push_str(value);
                data.push('\n');
            }
            "id" if value.contains('\0') => self.violations.push(format!("an id with NUL: {value:?}")),
            "id" => value.clone_into(&mut self.id_buffer),
            "retry" => match value.parse() {
                Ok(milliseconds) if value.bytes().all(|byte| byte.is_ascii_digit()) => self.retry = Some(milliseconds),
                _ => self.violations.push(format!("a retry that is no number: {value:?}")),
            },
            _ => self.violations.push(format!("an unknown field: {field:?}")),
        }
    }

    fn end_block(&mut self, dispatch: &mut impl FnMut(Event)) {
        self.last_event_id.clone_from(&self.id_buffer);
        let kind = std::mem::take(&mut self.kind);
        // An empty data buffer dispatches nothing; `data` alone on a line makes it LF, which isn't empty.
        let Some(mut data) = self.data.take() else { return };
        data.pop();
        let kind = if kind.is_empty() { "message".to_owned() } else { kind };
        dispatch(Event { id: self.last_event_id.clone(), kind, data });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> (Vec<Event>, Parser) {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        parser.feed(bytes, |event| events.push(event));
        (events, parser)
    }

    fn event(id: &str, kind: &str, data: &str) -> Event {
        Event { id: id.to_owned(), kind: kind.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn the_examples_of_the_specification_are_read_as_it_says() {
        let (events, _) = parse(b"data: YHOO\ndata: +2\ndata: 10\n\n");
        assert_eq!(events, [event("", "message", "YHOO\n+2\n10")]);

        let (events, parser) =
            parse(b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n");
        assert_eq!(
            events,
            [
                event("1", "message", "first event"),
                event("", "message", "second event"),
                event("", "message", " third event")
            ]
        );
        assert_eq!(parser.comments(), 1);

        let (events, parser) = parse(b"data\n\ndata\ndata\n\ndata:");
        assert_eq!(events, [event("", "message", ""), event("", "message", "\n")]);
        assert!(parser.within_a_block());

        let (events, _) = parse(b"data:test\n\ndata: test\n\n");
        assert_eq!(events, [event("", "message", "test"), event("", "message", "test")]);
    }

    #[test]
    fn every_line_end_ends_a_line_however_the_stream_is_cut() {
        let expected = [event("7", "tick", "a\nb"), event("7", "message", "c")];
        for end in ["\n", "\r", "\r\n"] {
            let wire = ["event: tick", "id: 7", "data: a", "data: b", "", "data: c", "", ""].join(end);
            for cut in 0..wire.len() {
                let mut parser = Parser::default();
                let mut events = Vec::new();
                parser.feed(&wire.as_bytes()[..cut], |event| events.push(event));
                parser.feed(&wire.as_bytes()[cut..], |event| events.push(event));
                assert_eq!(events, expected, "{end:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn an_id_alone_moves_the_last_event_id_and_dispatches_nothing() {
        let (events, parser) = parse(b"id: 9\n\n");
        assert!(events.is_empty());
        assert_eq!(parser.last_event_id(), "9");
    }

    #[test]
    fn an_id_in_a_block_that_never_ends_does_not_count() {
        let (_, parser) = parse(b"id: 9\ndata: x\n");
        assert_eq!(parser.last_event_id(), "");
    }

    #[test]
    fn one_byte_order_mark_is_skipped_at_the_very_start_only() {
        let (events, _) = parse("\u{feff}data: a\n\n\u{feff}data: b\n\n".as_bytes());
        assert_eq!(events, [event("", "message", "a")]);
    }

    #[test]
    fn what_a_browser_forgives_is_noted() {
        let (_, parser) = parse(b"id: a\0b\nretry: 1s\nevil: x\ndata: \xff\n\n");
        assert_eq!(parser.violations().len(), 4, "{:?}", parser.violations());
        assert_eq!(parser.last_event_id(), "");
        assert_eq!(parser.retry(), None);
        let (_, parser) = parse(b"retry: 1500\n\n");
        assert_eq!((parser.retry(), parser.violations().len()), (Some(1500), 0));
    }
}
