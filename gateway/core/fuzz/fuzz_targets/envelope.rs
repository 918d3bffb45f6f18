//! Any record is decoded or rejected: as a JSON envelope, as a CloudEvent in both modes, and as a command.
#![no_main]

use events_gateway_core::Timestamp;
use events_gateway_core::envelope::{Decoder, MAX_CHANNELS, MAX_DETAIL_BYTES, explain};
use events_gateway_core::record::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &str, &[u8])| {
    let (value, name, header) = input;
    let decoder = Decoder::build(&[], 1 << 20).expect("no route, so no problem");
    let structured: (&str, Option<&[u8]>) = ("content-type", Some(b"application/cloudevents+json"));
    let binary: (&str, Option<&[u8]>) = ("ce_specversion", Some(b"1.0"));
    let other: (&str, Option<&[u8]>) = (name, Some(header));
    for headers in [&[][..], &[other], &[structured, other], &[binary, other]] {
        let record = Record {
            topic: "t",
            partition: 0,
            offset: 0,
            time: Timestamp(0),
            key: Some(header),
            headers,
            value: Some(value),
        };
        match decoder.decode(&record) {
            Ok(envelope) => {
                assert!((1..=MAX_CHANNELS).contains(&envelope.channels.len()));
                assert!(!envelope.channels.iter().any(|channel| channel.is_all()));
                assert!(!envelope.kind.starts_with("gateway.") && !envelope.kind.chars().any(char::is_control));
                assert!(std::str::from_utf8(&envelope.data).is_ok());
            }
            Err(rejection) => assert!(rejection.detail.len() <= MAX_DETAIL_BYTES),
        }
        let _ = decoder.command(&record);
        let _ = explain(&decoder, &record).to_string();
    }
});
