use std::collections::BTreeMap;

use super::*;
use crate::record::Record;

/// A record with the given value and headers.
fn record<'a>(value: Option<&'a [u8]>, headers: &'a [(&'a str, Option<&'a [u8]>)]) -> Record<'a> {
    Record { topic: "t", partition: 0, offset: 7, time: Timestamp(5), key: Some(b"k"), headers, value }
}

fn decoder() -> Decoder {
    Decoder::build(&[], 1 << 20).unwrap()
}

fn decode(value: &str) -> Result<Envelope, Rejection> {
    decoder().decode(&record(Some(value.as_bytes()), &[]))
}

/// The rejection's reason, and that its detail names the field.
#[track_caller]
fn assert_rejected(result: &Result<Envelope, Rejection>, reason: Reason, named: &str) {
    let rejection = result.as_ref().unwrap_err();
    assert_eq!(rejection.reason, reason, "{rejection}");
    assert!(rejection.detail.contains(named), "{rejection} does not name {named}");
}

fn names(channels: &[Channel]) -> Vec<&str> {
    channels.iter().map(Channel::as_str).collect()
}

mod json_envelope {
    use super::*;

    #[test]
    fn every_field_is_read() {
        let envelope = decode(
            r#"{"type":"order.paid","channels":["user:42","orders"],"data":{"n": 1.50},"id":"7","key":"o7",
               "time":"2026-11-21T09:00:00Z","attributes":{"tenant":"a\u0062"}}"#,
        )
        .unwrap();
        assert_eq!(names(&envelope.channels), ["user:42", "orders"]);
        assert_eq!(&*envelope.kind, "order.paid");
        assert_eq!(&envelope.data[..], br#"{"n": 1.50}"#);
        assert_eq!(envelope.id.as_deref(), Some("7"));
        assert_eq!(envelope.key.as_deref(), Some("o7"));
        assert_eq!(envelope.time, Timestamp(1_795_251_600_000));
        assert_eq!(envelope.attributes, BTreeMap::from([("tenant".into(), "ab".into())]));
        assert_eq!(envelope.scope, "");
    }

    #[test]
    fn what_is_absent_or_null_comes_from_the_record_or_is_the_default() {
        for value in [
            r#"{"channels":["a"]}"#,
            r#"{"channels":["a"],"type":null,"data":null,"id":null,"key":null,"time":null,"attributes":null}"#,
        ] {
            let envelope = decode(value).unwrap();
            assert_eq!(&*envelope.kind, "message");
            assert_eq!(&envelope.data[..], b"null");
            assert_eq!((envelope.time, envelope.id, envelope.key.as_deref()), (Timestamp(5), None, Some("k")));
        }
    }

    #[test]
    fn data_is_the_text_of_a_string_and_the_exact_bytes_of_anything_else() {
        let kept = ["1e400", "12345678901234567890", "-0.0", "[1,\n  2]", r#"{"a":1,"a":2}"#, "true"];
        for (data, expected) in kept.map(|text| (text, text)).into_iter().chain([
            (r#""""#, ""),
            (r#""a\nb\u20ac\ud83d\ude00""#, "a\nb€😀"),
            (r#""\"""#, "\""),
        ]) {
            let envelope = decode(&format!(r#"{{"channels":["a"],"data": {data} }}"#)).unwrap();
            assert_eq!(&envelope.data[..], expected.as_bytes());
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(decode(&format!(r#"{{"data":{deep},"channels":["a"]}}"#)).unwrap().data, deep);
    }

    #[test]
    fn a_key_that_is_not_text_is_none() {
        let mut record = record(Some(br#"{"channels":["a"]}"#), &[]);
        record.key = Some(b"\xff");
        assert_eq!(decoder().decode(&record).unwrap().key, None);
    }

    #[test]
    fn wrong_fields_are_refused_by_name() {
        for (value, named) in [
            (r#"{"channels":["a"],"chanels":1}"#, "\"chanels\""),
            (r#"{"specversion":"1.0","channels":["a"]}"#, "application/cloudevents+json"),
            (r#"{"channels":["a"],"channels":["b"]}"#, "\"channels\" stands twice"),
            (r#"{"channels":["a"],"ch\u0061nnels":["b"]}"#, "\"channels\" stands twice"),
            (r#"{"channels":"a"}"#, "channels: expected an array"),
            (r#"{"channels":[1]}"#, "channels[0]: expected a string"),
            (r#"{"channels":null}"#, "channels: expected an array"),
            (r#"{"channels":["a"],"type":1}"#, "type: expected a string"),
            (r#"{"channels":["a"],"id":{}}"#, "id: expected a string"),
            (r#"{"channels":["a"],"id":""}"#, "id: expected 1 to 256"),
            (r#"{"channels":["a"],"key":[]}"#, "key: expected a string"),
            (r#"{"channels":["a"],"time":"yesterday"}"#, "time: expected RFC 3339"),
            (r#"{"channels":["a"],"time":1.5}"#, "time: expected RFC 3339"),
            (r#"{"channels":["a"],"time":"1795251600000"}"#, "time: expected RFC 3339"),
            (r#"{"channels":["a"],"attributes":{"a":1}}"#, "attributes: \"a\": expected a string, found a number"),
            (r#"{"channels":["a"],"attributes":{"a":"1","a":"2"}}"#, "attributes: the member \"a\""),
            (r#"{"channels":["a"],"attributes":{"a b":"1"}}"#, "\"a b\""),
            (r#"{"channels":["a"],"attributes":{"":"1"}}"#, "attributes: the name"),
            (r#"{"channels":["a"],"data":"\ud800"}"#, "data: a string holds half a surrogate pair"),
            (r#"{"channels":["a"]} x"#, "value: not JSON"),
            (r#"{"channels":["a"]"#, "value: not JSON"),
            ("[]", "value: expected an object, found an array"),
            ("", "value: not JSON"),
            ("hello", "value: not JSON"),
            ("12", "value: expected an object, found a number"),
        ] {
            assert_rejected(&decode(value), Reason::Undecodable, named);
        }
    }

    #[test]
    fn a_whole_number_of_a_floating_point_type_is_a_time() {
        let time =
            |text: &str| decode(&format!(r#"{{"channels":["a"],"time":{text}}}"#)).map(|event| event.time.0).ok();
        assert_eq!(time("1795251600000.0"), Some(1_795_251_600_000));
        assert_eq!(time("7.000"), Some(7));
        for text in ["7.", "7.01", "-7.0", "0.7e1"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn channels_are_bounded_distinct_and_never_the_firehose() {
        assert_eq!(names(&decode(r#"{"channels":["a","b","a"]}"#).unwrap().channels), ["a", "b"]);
        let many = |count: usize| {
            let names: Vec<String> = (0..count).map(|n| format!("\"c{n}\"")).collect();
            format!(r#"{{"channels":[{}]}}"#, names.join(","))
        };
        assert_eq!(decode(&many(64)).unwrap().channels.len(), 64);
        assert_rejected(&decode(&many(65)), Reason::Unroutable, "at most 64");
        assert_rejected(&decode(r#"{"channels":[]}"#), Reason::Unroutable, "channels");
        assert_rejected(&decode(r#"{"type":"a"}"#), Reason::Unroutable, "channels");
        assert_rejected(&decode(r#"{"channels":["a","all"]}"#), Reason::Unroutable, "channels[1]");
        assert_rejected(&decode(r#"{"channels":["user 42"]}"#), Reason::Unroutable, "channels[0]");
        assert_eq!(names(&decode(r#"{"channels":["everyone"]}"#).unwrap().channels), ["everyone"]);
    }

    #[test]
    fn types_that_are_the_gateways_own_or_break_a_stream_are_refused() {
        let long = "x".repeat(201);
        for kind in
            ["gateway.gap", "gateway.", "", " a", "a ", "\\u00a0a", "a\\nb", "a\\rb", "a\\u0000", "\\u0085a", &long]
        {
            let result = decode(&format!(r#"{{"channels":["a"],"type":"{kind}"}}"#));
            assert_rejected(&result, Reason::ForbiddenType, "type:");
        }
        for kind in ["Gateway.gap", "gateway", "gatewayx.y", "a b", "ü", &long[..200]] {
            assert_eq!(&*decode(&format!(r#"{{"channels":["a"],"type":"{kind}"}}"#)).unwrap().kind, kind);
        }
    }

    #[test]
    fn attributes_are_bounded_in_number_and_size() {
        let with = |count: usize, size: usize| {
            let members: Vec<String> = (0..count).map(|n| format!("\"a{n}\":\"{}\"", "x".repeat(size))).collect();
            decode(&format!(r#"{{"channels":["a"],"attributes":{{{}}}}}"#, members.join(",")))
        };
        assert_eq!(with(64, 10).unwrap().attributes.len(), 64);
        assert_rejected(&with(65, 1), Reason::Undecodable, "attributes: at most 64");
        assert_rejected(&with(200, 1), Reason::Undecodable, "attributes: at most 64");
        assert_rejected(&with(2, 8 * 1024), Reason::Undecodable, "attributes: at most 16384 bytes");
        assert_rejected(
            &decode(&format!(r#"{{"channels":["a"],"id":"{}"}}"#, "x".repeat(257))),
            Reason::Undecodable,
            "id: expected 1 to 256",
        );
    }
}

mod record {
    use super::*;

    #[test]
    fn what_is_oversized_is_refused_before_it_is_read() {
        let decoder = Decoder::build(&[], 30).unwrap();
        let fits = decoder.decode(&record(Some(br#"{"channels":["a"],"id":"1"}"#), &[]));
        assert!(fits.is_ok(), "27 bytes of value and 1 of key: {fits:?}");
        let headers: &[(&str, Option<&[u8]>)] = &[("ab", Some(b"c"))];
        let larger = decoder.decode(&record(Some(br#"{"channels":["a"],"id":"1"}"#), headers));
        assert_rejected(&larger, Reason::Oversized, "31 bytes");
        assert_rejected(&decoder.decode(&record(Some(&[0xff; 64]), &[])), Reason::Oversized, "at most 30");
    }

    #[test]
    fn avro_protobuf_and_other_bytes_are_named() {
        for (value, named) in [
            (&b"\0\0\0\0\x01{}"[..], "Avro"),
            (b"\x08\x96\x01\xff", "other bytes at 1"),
            (b"{\"channels\":[\"\xff\"]}", "other bytes at 14"),
            (b"\x1f\x8b\x08", "compressed"),
        ] {
            assert_rejected(&decoder().decode(&record(Some(value), &[])), Reason::Undecodable, named);
        }
        assert_rejected(&decoder().decode(&record(None, &[])), Reason::Undecodable, "tombstone");
    }

    #[test]
    fn no_rejection_holds_data_of_the_record_or_more_than_500_bytes() {
        let secret = "s3cr3t";
        for value in [
            secret.to_owned(),
            format!(r#"{{"channels":["{secret} x"]}}"#),
            format!(r#"{{"channels":["a"],"time":"{secret}"}}"#),
            format!(r#"{{"channels":["a"],"type":"gateway.{secret}"}}"#),
            format!(r#"{{"channels":"{secret}"}}"#),
            format!(r#"{{"channels":["a"],"attributes":{{"a b":"{secret}"}}}}"#),
        ] {
            let rejection = decode(&value).unwrap_err();
            assert!(!rejection.detail.contains(secret), "{rejection}");
        }
        let rejection = decode(&format!(r#"{{"{}":1}}"#, "ü\u{1}".repeat(4000))).unwrap_err();
        assert!(rejection.detail.len() <= MAX_DETAIL_BYTES, "{}", rejection.detail.len());
        let cut = Rejection::undecodable("é".repeat(400));
        assert!(cut.detail.len() <= MAX_DETAIL_BYTES && cut.detail.ends_with("..."));
    }
}

mod cloud_events {
    use super::*;

    const STRUCTURED: &[(&str, Option<&[u8]>)] =
        &[("Content-Type", Some(b"application/cloudevents+json; charset=UTF-8"))];

    fn structured(members: &str) -> Result<Envelope, Rejection> {
        let value = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t",{members}}}"#);
        decoder().decode(&record(Some(value.as_bytes()), STRUCTURED))
    }

    fn binary(headers: &[(&str, &str)], value: Option<&[u8]>) -> Result<Envelope, Rejection> {
        let mut all: Vec<(&str, Option<&[u8]>)> = vec![
            ("ce_specversion", Some(b"1.0")),
            ("ce_id", Some(b"1")),
            ("ce_source", Some(b"/s")),
            ("ce_type", Some(b"t")),
        ];
        all.extend(headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))));
        decoder().decode(&record(value, &all))
    }

    #[test]
    fn both_modes_deliver_the_same() {
        let one = binary(
            &[
                ("ce_channels", "user:42, orders"),
                ("ce_time", "2026-11-21T09:00:00Z"),
                ("ce_subject", "o7"),
                ("ce_partitionkey", "p"),
                ("ce_tenant", "5"),
                ("content-type", "application/json"),
                ("unrelated", "x"),
            ],
            Some(br#"{"n": 1}"#),
        )
        .unwrap();
        let other = structured(
            r#""channels":"user:42,orders","time":"2026-11-21T09:00:00Z","subject":"o7","partitionkey":"p","tenant":5,
               "datacontenttype":"application/json","data":{"n": 1},"nothing":null"#,
        )
        .unwrap();
        assert_eq!(one, other);
        assert_eq!(names(&one.channels), ["user:42", "orders"]);
        assert_eq!((&*one.scope, one.id.as_deref(), one.key.as_deref()), ("/s", Some("1"), Some("p")));
        let attributes: Vec<_> = one.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(attributes, ["datacontenttype=application/json", "source=/s", "subject=o7", "tenant=5"]);
        assert_eq!(one.time, Timestamp(1_795_251_600_000));
        assert_eq!(&one.data[..], br#"{"n": 1}"#);
    }

    #[test]
    fn data_of_a_json_type_is_the_json_and_of_another_type_the_text() {
        for (members, expected) in [
            (r#""data":"a\nb""#, r#""a\nb""#),
            (r#""data":"a\nb","datacontenttype":"application/vnd.x+json; v=1""#, r#""a\nb""#),
            (r#""data":"a\nb","datacontenttype":"text/plain""#, "a\nb"),
            (r#""data":{"a" :1},"datacontenttype":"text/plain""#, r#"{"a" :1}"#),
            (r#""data_base64":"w6Q=","datacontenttype":"text/plain""#, "ä"),
            (r#""subject":"x""#, "null"),
        ] {
            let envelope = structured(&format!(r#""channel":"a",{members}"#)).unwrap();
            assert_eq!(std::str::from_utf8(&envelope.data).unwrap(), expected, "{members}");
        }
        assert_eq!(&binary(&[("ce_channel", "a")], None).unwrap().data[..], b"null");
        assert_eq!(&binary(&[("ce_channel", "a")], Some(b"")).unwrap().data[..], b"null");
        assert_eq!(&binary(&[("ce_channel", "a")], Some(b" x ")).unwrap().data[..], b" x ");
    }

    #[test]
    fn what_is_no_event_is_refused_by_name() {
        for (members, reason, named) in [
            (r#""x":1"#, Reason::Unroutable, "channels"),
            (r#""channel":"a","channels":"b""#, Reason::Unroutable, "channel"),
            (r#""channels":"a,,b""#, Reason::Unroutable, "channels"),
            (r#""channel":"all""#, Reason::Unroutable, "channel"),
            (r#""channels":["a"]"#, Reason::Undecodable, "\"channels\""),
            (r#""channel":"a","data":1,"data_base64":"""#, Reason::Undecodable, "data_base64"),
            (r#""channel":"a","data_base64":"/w==""#, Reason::Undecodable, "data_base64: expected UTF-8"),
            (r#""channel":"a","data_base64":"w6Q""#, Reason::Undecodable, "data_base64: expected base64"),
            (r#""channel":"a","time":"1""#, Reason::Undecodable, "time"),
            (r#""channel":7"#, Reason::Undecodable, "\"channel\": expected a string, found a number"),
            (r#""channel":"a","partitionkey":7"#, Reason::Undecodable, "\"partitionkey\": expected a string"),
            (r#""channel":"a","subject":true"#, Reason::Undecodable, "\"subject\": expected a string"),
            (r#""channel":"a","id":"2""#, Reason::Undecodable, "\"id\" stands twice"),
        ] {
            assert_rejected(&structured(members), reason, named);
        }
        for (value, named) in [
            (r#"{"specversion":"0.3","id":"1","source":"s","type":"t","channel":"a"}"#, "specversion"),
            (r#"{"id":"1","source":"s","type":"t","channel":"a"}"#, "specversion"),
            (r#"{"specversion":"1.0","source":"s","type":"t","channel":"a"}"#, "id:"),
            (r#"{"specversion":"1.0","id":"1","type":"t","channel":"a"}"#, "source:"),
            (r#"{"specversion":"1.0","id":"1","source":"","type":"t","channel":"a"}"#, "source:"),
            (r#"{"specversion":"1.0","id":"1","source":"s","channel":"a"}"#, "type:"),
            (r#"{"specversion":"1.0","id":7,"source":"s","type":"t","channel":"a"}"#, "\"id\""),
            (r#"{"specversion":1.0,"id":"7","source":"s","type":"t","channel":"a"}"#, "\"specversion\""),
        ] {
            let result = decoder().decode(&record(Some(value.as_bytes()), STRUCTURED));
            assert_rejected(&result, Reason::Undecodable, named);
        }
        assert_rejected(&binary(&[("ce_channel", "a"), ("ce_type", "gateway.x")], None), Reason::ForbiddenType, "type");
        assert_rejected(&binary(&[("ce_channel", "a")], Some(b"\0\0\0\0\x01")), Reason::Undecodable, "Avro");
    }

    #[test]
    fn batch_mode_and_other_formats_are_refused_by_name() {
        for (media_type, named) in [
            ("application/cloudevents-batch+json", "batch mode"),
            ("Application/CloudEvents-Batch", "batch mode"),
            ("application/cloudevents+avro", "only application/cloudevents+json"),
        ] {
            let headers: &[(&str, Option<&[u8]>)] = &[("content-type", Some(media_type.as_bytes()))];
            let result = decoder().decode(&record(Some(b"[]"), headers));
            assert_rejected(&result, Reason::Undecodable, named);
        }
    }
}

#[test]
fn a_decoder_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Decoder>();
}

mod commands {
    use super::*;

    fn command(value: &str) -> Result<Command, Rejection> {
        decoder().command(&record(Some(value.as_bytes()), &[]))
    }

    #[test]
    fn a_disconnect_closes_what_was_opened_before_the_records_time() {
        let channels = vec![Channel::parse("user:42").unwrap()];
        let value = r#"{"type":"disconnect","channels":["user:42"],"time":99}"#;
        assert_eq!(command(value), Ok(Command::Disconnect { channels: channels.clone(), before: Timestamp(5) }));
        assert_eq!(command(r#"{"type":"connect","channels":["user:42"]}"#), Ok(Command::Connect { channels }));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for (value, reason) in [
            (r#"{"type":"message","channels":["a"]}"#, Reason::Undecodable),
            (r#"{"channels":["a"]}"#, Reason::Undecodable),
            (r#"{"type":"connect"}"#, Reason::Unroutable),
            (r#"{"type":"disconnect","channels":["all"]}"#, Reason::Unroutable),
            ("x", Reason::Undecodable),
        ] {
            assert_eq!(command(value).unwrap_err().reason, reason, "{value}");
        }
    }
}

mod properties;

/// What must hold of every envelope, whatever it was read from.
pub(crate) fn assert_proven(envelope: &Envelope) {
    assert!((1..=MAX_CHANNELS).contains(&envelope.channels.len()));
    for (at, channel) in envelope.channels.iter().enumerate() {
        assert!(!channel.is_all() && !envelope.channels[..at].contains(channel));
    }
    assert!(
        !envelope.kind.starts_with("gateway.") && !envelope.kind.is_empty() && envelope.kind.len() <= MAX_TYPE_BYTES
    );
    assert!(!envelope.kind.chars().any(char::is_control));
    assert!(std::str::from_utf8(&envelope.data).is_ok());
    assert!(envelope.id.as_ref().is_none_or(|id| (1..=MAX_ID_BYTES).contains(&id.len())));
    assert!(envelope.attributes.len() <= MAX_ATTRIBUTES);
}
