//! An independent reader gets one event of what was written, with the type and lines that went in.
#![no_main]

use bytes::{Bytes, BytesMut};
use events_gateway_core::source::{Generation, Origin, SourceId};
use events_gateway_core::sse::{Format, body, put_id};
use events_gateway_core::{Channel, Event, Timestamp};
use libfuzzer_sys::fuzz_target;

/// Each dispatched event as (type, data, id), read line by line as the WHATWG text says (9.2.6).
fn read(stream: &str) -> Vec<(String, String, String)> {
    let lines = stream.strip_prefix('\u{feff}').unwrap_or(stream).replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut kind, mut data, mut id) = (Vec::new(), String::new(), String::new(), String::new());
    for line in lines.split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                if data.pop().is_some() {
                    events.push((kind.clone(), data.clone(), id.clone()));
                }
                kind.clear();
                data.clear();
            }
            "event" => kind = value.to_owned(),
            "data" => data = format!("{data}{value}\n"),
            "id" if !value.contains('\0') => id = value.to_owned(),
            _ => {}
        }
    }
    events
}

fuzz_target!(|input: (&str, &str)| {
    let (kind, data) = input;
    let event = Event {
        kind: kind.into(),
        data: Bytes::copy_from_slice(data.as_bytes()),
        time: Timestamp(0),
        attributes: [("a".to_owned(), kind.to_owned())].into(),
        id: Some(kind.into()),
        key: None,
        origin: Origin { source: SourceId::new("b", "t", 0), generation: Generation(1), place: 0 },
    };
    let channel = Channel::parse("user:42").expect("a channel");
    for (_, format) in Format::NAMES {
        let mut stream = BytesMut::new();
        put_id(&mut stream, "1abc");
        stream.extend_from_slice(&body(&channel, &event, format));
        let events = read(std::str::from_utf8(&stream).expect("UTF-8 went in"));
        assert_eq!(events.len(), 1, "{stream:?}");
        assert_eq!(events[0].2, "1abc");
        if format == Format::Data {
            assert_eq!(events[0].1, data.replace("\r\n", "\n").replace('\r', "\n"));
        } else {
            // Lines that end within a JSON value are white space there; its numbers may be too large for anybody.
            serde_json::from_str::<serde::de::IgnoredAny>(&events[0].1).expect("JSON");
        }
        if !kind.chars().any(char::is_control) && !kind.is_empty() {
            assert_eq!(events[0].0, kind);
        }
    }
});
