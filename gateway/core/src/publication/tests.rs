use proptest::prelude::*;

use super::*;
use crate::Timestamp;
use crate::envelope::{Decoder, Envelope};
use crate::record::Record;

fn read<'a>(
    media_type: &'a str,
    fields: &'a [(&'a str, &'a [u8])],
    body: &'a str,
) -> Result<Publications<'a>, Unreadable> {
    Publications::read(&Content { media_type: Some(media_type), fields, body: body.as_bytes() }, 3)
}

/// What a binding reads in the record.
fn decoded(publication: &Publication<'_>) -> Result<Envelope, Rejection> {
    let headers: Vec<(&str, Option<&[u8]>)> =
        publication.headers.iter().map(|(name, value)| (name.as_ref(), Some(value.as_ref()))).collect();
    let record = Record {
        topic: "events",
        partition: 0,
        offset: 0,
        time: Timestamp(7),
        key: None,
        headers: &headers,
        value: Some(&publication.value),
    };
    Decoder::build(&[], 1 << 20).unwrap().decode(&record)
}

fn only(publications: Publications<'_>) -> Publication<'_> {
    assert!(!publications.is_batch);
    assert_eq!(publications.events.len(), 1);
    publications.events.into_iter().next().unwrap()
}

#[test]
fn an_envelope_is_written_byte_for_byte() {
    let body = " {\"channels\":[\"user:42\"], \"data\": 1.0e2}\n";
    let publication = only(read("Application/JSON; charset=utf-8", &[], body).unwrap());
    assert_eq!(&*publication.value, body.as_bytes());
    assert_eq!(decoded(&publication).unwrap().data, "1.0e2");
}

#[test]
fn a_batch_is_one_record_for_each_event() {
    let publications =
        read("application/json", &[], r#"[{"channels":["a"]}, 7 ,{"channels":["b"],"data":"x"}]"#).unwrap();
    assert!(publications.is_batch);
    let values: Vec<_> = publications.events.iter().map(|event| str::from_utf8(&event.value).unwrap()).collect();
    assert_eq!(values, [r#"{"channels":["a"]}"#, "7", r#"{"channels":["b"],"data":"x"}"#]);
    assert!(decoded(&publications.events[1]).is_err(), "what is wrong with one is no other's business");
    assert_eq!(decoded(&publications.events[2]).unwrap().data, "x");
}

#[test]
fn cloud_events_come_in_all_three_modes() {
    let event =
        r#"{"specversion":"1.0","id":"1","source":"/shop","type":"paid","channels":"orders,user:7","data":{"n":1}}"#;
    let structured = decoded(&only(read("application/cloudevents+json", &[], event).unwrap())).unwrap();
    assert_eq!((&*structured.kind, &*structured.data), ("paid", &br#"{"n":1}"#[..]));

    let batch = format!("[{event},{event}]");
    let batch = read("application/cloudevents-batch+json", &[], &batch).unwrap();
    assert_eq!(batch.events.len(), 2);
    assert_eq!(decoded(&batch.events[1]).unwrap(), structured);

    let fields: &[(&str, &[u8])] = &[
        ("ce-specversion", b"1.0"),
        ("ce-id", b"1"),
        ("ce-source", b"/shop"),
        ("ce-type", b"paid"),
        ("ce-channels", b"orders,user:7"),
        ("ce-mood", b"\"gr%C3%BC\\\"n\""),
        ("egw-publisher", b"somebody else"),
        ("traceparent", b"x"),
    ];
    let publication = only(read("application/json", fields, r#"{"n":1}"#).unwrap());
    let binary = decoded(&publication).unwrap();
    assert_eq!((binary.kind, binary.data, binary.channels), (structured.kind, structured.data, structured.channels));
    assert_eq!(binary.attributes["mood"], "grü\"n");
    assert!(publication.headers.iter().all(|(name, _)| name == "content-type" || name.starts_with("ce_")));
}

#[test]
fn what_is_no_publication_is_refused_with_what_was_expected() {
    for (media_type, body, expected) in [
        ("text/plain", "{}", "send application/json"),
        ("", "{}", "send application/json"),
        ("application/cloudevents+avro", "{}", "send application/json"),
        ("application/json", "[]", "expected at least one event, found an empty array"),
        ("application/json", "[1,2,3,4]", "a request has at most 3 events"),
        ("application/json", "[1", "not JSON (line 1, column 2)"),
        ("application/cloudevents-batch+json", "{}", "expected an array, found an object"),
    ] {
        let told = read(media_type, &[], body).unwrap_err().to_string();
        assert!(told.starts_with(expected), "{media_type} {body}: {told}");
    }
    for value in [&b"%C3"[..], b"%zz", b"%", b"\xff", b"\"a\\\"", b"\"", b"\"a", b"\"a\"b\""] {
        let fields: &[(&str, &[u8])] = &[("ce-specversion", b"1.0"), ("ce-id", value)];
        assert!(matches!(read("text/plain", fields, ""), Err(Unreadable::Content(_))), "{value:?}");
    }
    let twice: &[(&str, &[u8])] = &[("ce-specversion", b"1.0"), ("ce-id", b"1"), ("ce-id", b"2")];
    assert_eq!(read("text/plain", twice, "").unwrap_err().to_string(), "the field ce-id is given twice");
}

#[test]
fn a_broadcast_is_an_event_of_its_topic() {
    let publication = broadcast(br#"{"topic":"payments","type":"paid","data":{"n":[1, 2]}}"#).unwrap();
    let envelope = decoded(&publication).unwrap();
    assert_eq!(
        (envelope.channels[0].as_str(), &*envelope.kind, &*envelope.data),
        ("payments", "paid", &b"{\"n\":[1, 2]}"[..])
    );
    assert_eq!(&*decoded(&broadcast(br#"{"topic":"x"}"#).unwrap()).unwrap().kind, "message");
    for (body, expected) in [
        (r#"{"type":"x"}"#, "unroutable: topic: expected the channel to publish to, found none"),
        (r#"{"topic":7}"#, "undecodable: topic: expected a string, found a number"),
        (
            r#"{"topic":"a","channels":["b"]}"#,
            "undecodable: unknown field \"channels\"; known are topic, type and data",
        ),
        (r#"{"topic":"a","topic":"b"}"#, "undecodable: value: the member \"topic\" stands twice"),
        ("[]", "undecodable: value: expected an object, found an array"),
    ] {
        assert_eq!(broadcast(body.as_bytes()).unwrap_err().to_string(), expected, "{body}");
    }
}

proptest! {
    #[test]
    fn nothing_that_is_sent_panics_or_names_a_header_of_the_gateway(
        media_type in "(application/(json|cloudevents(-batch)?[+]json)|text/plain)",
        name in "(ce-)?[a-z-]{0,12}",
        value in any::<Vec<u8>>(),
        body in any::<Vec<u8>>(),
    ) {
        let fields: &[(&str, &[u8])] = &[("ce-specversion", b"1.0"), (&name, &value)];
        let content = Content { media_type: Some(&media_type), fields, body: &body };
        if let Ok(publications) = Publications::read(&content, 3) {
            for event in &publications.events {
                let _ = decoded(event);
                prop_assert!(event.headers.iter().all(|(name, _)| !name.starts_with("egw-")));
            }
        }
        let _ = broadcast(&body);
    }

    #[test]
    fn a_field_that_is_percent_encoded_comes_back(text in "\\PC{0,40}") {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let decoded = unescape(encoded.as_bytes()).unwrap();
        prop_assert_eq!(&*decoded, text.as_bytes());
    }
}
