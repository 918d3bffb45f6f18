//! Any route is proven or refused, and any value that it reads fills its templates or is rejected.
#![no_main]

use events_gateway_core::Timestamp;
use events_gateway_core::envelope::Decoder;
use events_gateway_core::record::Record;
use events_gateway_core::route::RouteSpec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, Option<&str>, &[u8])| {
    let (channel, text, when, value) = input;
    let spec = RouteSpec {
        name: "fuzzed".into(),
        when: when.map(Into::into),
        channels: vec![channel.into()],
        kind: Some(text.into()),
        data: Some(text.into()),
        key: Some(text.into()),
        ..RouteSpec::default()
    };
    let Ok(decoder) = Decoder::build(&[spec], 1 << 20) else {
        return;
    };
    let headers: &[(&str, Option<&[u8]>)] = &[("x", Some(value))];
    let record = Record {
        topic: "t",
        partition: 0,
        offset: 0,
        time: Timestamp(0),
        key: Some(value),
        headers,
        value: Some(value),
    };
    if let Ok(envelope) = decoder.decode(&record) {
        for envelope_channel in &envelope.channels {
            let segments = |name: &str| name.split(':').count();
            assert!(!envelope_channel.is_all());
            // References never bring a ':'; literal ones stand in the template (JSON pointers may hold some too).
            assert!(segments(envelope_channel.as_str()) <= segments(channel));
        }
        assert!(!envelope.kind.starts_with("gateway."));
    }
});
