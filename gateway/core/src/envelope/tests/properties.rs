use proptest::prelude::*;

use super::*;

/// What a publisher may write, and what is expected to be read from it.
fn written() -> impl Strategy<Value = Envelope> {
    let channel = "[a-z0-9]{1,6}(:[A-Za-z0-9_.-]{1,6}){0,2}".prop_map(|name| Channel::parse(&name).unwrap());
    (
        prop::collection::btree_set(channel.prop_filter("not all", |channel| !channel.is_all()), 1..=8),
        "[^\\p{C}\\s]([^\\p{C}]{0,20}[^\\p{C}\\s])?",
        any::<String>(),
        prop::collection::btree_map("[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,8}", any::<String>(), 0..6),
        prop::option::of("\\PC{1,30}"),
        prop::option::of(any::<String>()),
        0u64..=253_402_300_799_999,
    )
        .prop_filter("reserved", |(_, kind, ..)| !kind.starts_with("gateway."))
        .prop_map(|(channels, kind, data, attributes, id, key, time)| Envelope {
            channels: channels.into_iter().collect(),
            kind: kind.into(),
            data: data.into(),
            time: Timestamp(time),
            attributes,
            id: id.map(Into::into),
            scope: String::new(),
            key: Some(key.unwrap_or_else(|| "k".into()).into()),
        })
}

/// Texts that look like envelopes, so that random ones get past the first brace.
fn envelope_like() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "type",
        "channels",
        "data",
        "id",
        "key",
        "time",
        "attributes",
        "x",
        "specversion",
        "source",
        "channel",
        "data_base64",
    ]);
    let value = prop_oneof![
        Just("null".to_owned()),
        Just(r#"["a","user:1"]"#.to_owned()),
        Just(r#""1.0""#.to_owned()),
        "\"[a-z.: ]{0,12}\"",
        "\"gateway\\.[a-z]{0,4}\"",
        "[0-9]{1,20}",
        Just(r#"{"a":"b"}"#.to_owned()),
        "\\PC{0,8}",
    ];
    prop::collection::vec((name, value), 0..8).prop_map(|members| {
        let members: Vec<String> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

fn check(result: Result<Envelope, Rejection>) {
    match result {
        Ok(envelope) => assert_proven(&envelope),
        Err(rejection) => assert!(rejection.detail.len() <= MAX_DETAIL_BYTES),
    }
}

proptest! {
    #[test]
    fn what_an_envelope_was_written_from_reads_back(envelope in written()) {
        let value = serde_json::json!({
            "type": &*envelope.kind,
            "channels": envelope.channels,
            "data": std::str::from_utf8(&envelope.data).unwrap(),
            "id": envelope.id.as_deref(),
            "key": envelope.key.as_deref(),
            "time": envelope.time.0,
            "attributes": envelope.attributes,
        });
        prop_assert_eq!(decode(&value.to_string()), Ok(envelope));
    }

    #[test]
    fn data_that_is_no_string_is_kept_byte_for_byte(data in "(\\{\"a\": ?)?[1-9][0-9]{0,30}(\\.[0-9]{1,30})?(e[+-]?[0-9]{1,4})?") {
        let data = if data.starts_with('{') { format!("{data} }}") } else { data };
        let envelope = decode(&format!(r#"{{"channels":["a"],"data":{data}}}"#)).unwrap();
        prop_assert_eq!(&envelope.data[..], data.as_bytes());
    }

    #[test]
    fn any_bytes_are_decoded_or_rejected(
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
        name in "(ce_)?[a-z]{0,12}",
        header in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        batch in any::<bool>(),
    ) {
        let headers: &[(&str, Option<&[u8]>)] = &[
            (&name, header.as_deref()),
            if batch { ("content-type", header.as_deref()) } else { ("ce_specversion", Some(b"1.0")) },
        ];
        for headers in [headers, &[]] {
            let record = record(value.as_deref(), headers);
            check(decoder().decode(&record));
            let _ = decoder().command(&record);
            let _ = explain(&decoder(), &record).to_string();
        }
    }

    #[test]
    fn any_object_is_decoded_or_rejected(value in envelope_like()) {
        check(decode(&value));
        let headers: &[(&str, Option<&[u8]>)] = &[("content-type", Some(b"application/cloudevents+json"))];
        check(decoder().decode(&record(Some(value.as_bytes()), headers)));
        let _ = decoder().command(&record(Some(value.as_bytes()), &[]));
    }
}
