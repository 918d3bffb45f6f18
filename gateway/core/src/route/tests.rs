use proptest::prelude::*;

use super::*;
use crate::envelope::tests::assert_proven;
use crate::envelope::{Decoder, Envelope, Reason, explain, explain_command};
use crate::record::Record;
use crate::{Channel, Timestamp};

const HEADERS: &[(&str, Option<&[u8]>)] = &[
    ("x-tenant", Some(b"old")),
    ("x-tenant", Some("a b".as_bytes())),
    ("empty", Some(b"")),
    ("bin", Some(b"\xff")),
    ("null", None),
];

fn record(value: Option<&[u8]>) -> Record<'_> {
    Record {
        topic: "shop.orders",
        partition: 0,
        offset: 7,
        time: Timestamp(5),
        key: Some(b"o/7"),
        headers: HEADERS,
        value,
    }
}

fn spec(channels: &[&str]) -> RouteSpec {
    RouteSpec { name: "r".into(), channels: channels.iter().map(ToString::to_string).collect(), ..RouteSpec::default() }
}

fn decode(spec: RouteSpec, value: &str) -> Result<Envelope, Rejection> {
    Decoder::build(&[spec], 1 << 20).unwrap().decode(&record(Some(value.as_bytes())))
}

fn channels(templates: &[&str], value: &str) -> Result<Vec<String>, Rejection> {
    decode(spec(templates), value).map(|envelope| envelope.channels.iter().map(ToString::to_string).collect())
}

fn data(template: &str, value: &str) -> Result<String, Rejection> {
    let spec = RouteSpec { data: Some(template.into()), ..spec(&["a"]) };
    decode(spec, value).map(|envelope| String::from_utf8(envelope.data.to_vec()).unwrap())
}

#[test]
fn a_value_fills_exactly_one_segment_of_a_channel() {
    let value = r#"{"recipient":{"id":"a:b/c"},"n":12345678901234567890,"x":1e400,"ok":true,"a/b":{"m~n":"s"},"l":["p",{"q":2}]}"#;
    for (template, expected) in [
        ("user:{value./recipient/id}", "user:a~3Ab~2Fc"),
        ("n:{value./n}", "n:12345678901234567890"),
        ("x:{value./x}", "x:1e400"),
        ("ok:{value./ok}:{key}", "ok:true:o~2F7"),
        ("s:{value./a~1b/m~0n}", "s:s"),
        ("l:{value./l/0}:{value./l/1/q}", "l:p:2"),
        ("tenant-{header.x-tenant}", "tenant-a~20b"),
        ("{topic}", "shop.orders"),
        ("literal", "literal"),
    ] {
        assert_eq!(channels(&[template], value).unwrap(), [expected], "{template}");
    }
    assert_eq!(channels(&["a", "{topic}", "a"], "not JSON").unwrap(), ["a", "shop.orders"]);
    assert_eq!(channels(&["v:{value}"], "42\n").unwrap(), ["v:42~0A"]);
    assert_eq!(channels(&["v:{value.}"], " \"42\" ").unwrap(), ["v:42"]);
}

#[test]
fn what_can_not_fill_a_segment_makes_the_record_unroutable_by_name() {
    let value = r#"{"null":null,"o":{},"l":["a"],"empty":"","long":"LLL","all":"all","every":"everyone"}"#;
    let value = value.replace("LLL", &"x".repeat(201));
    for (template, named) in [
        (
            "u:{value./absent}",
            "channels[0]: {value./absent}: expected a string, number or boolean, found nothing or null",
        ),
        ("u:{value./null}", "found nothing or null"),
        ("u:{value./o}", "found an object"),
        ("u:{value./l}", "found an array"),
        ("u:{value.}", "found an object"),
        ("u:{value}", "found an object"),
        ("u:{value./l/1}", "found nothing"),
        ("u:{value./l/00}", "found nothing"),
        ("u:{value./l/-1}", "found nothing"),
        ("u:{value./empty/x}", "found nothing"),
        ("u:{value./empty}", "{value./empty}: a channel and each of its segments must not be empty"),
        ("u:{value./long}", "this value alone has 201"),
        ("u:{header.empty}", "{header.empty}"),
        ("u:{header.null}", "found nothing"),
        ("u:{header.none}", "found nothing"),
        ("{value./all}", "\"all\""),
        ("{value./every}", "only a literal may address"),
    ] {
        let rejection = channels(&[template], &value).unwrap_err();
        assert_eq!(rejection.reason, Reason::Unroutable, "{template}: {rejection}");
        assert!(rejection.detail.contains(named), "{template}: {rejection}");
    }
    for template in ["u:{header.bin}", "u:{value./a}"] {
        let rejection = channels(&[template], r#"{"a":"x","a":"y"}"#).unwrap_err();
        assert_eq!(rejection.reason, Reason::Undecodable, "{template}: {rejection}");
    }
    let no_json = channels(&["u:{value./a}"], "{\"a\":1").unwrap_err();
    assert_eq!(no_json.reason, Reason::Undecodable);
    assert!(no_json.detail.contains("not JSON"), "{no_json}");
}

#[test]
fn a_star_gives_one_channel_for_each_element() {
    let value = r#"{"ids":[1,"b c",true,1],"to":[{"id":"x"},{"id":"y"}],"none":[],"bad":[1,{}],"holes":[{"id":1},{}]}"#;
    assert_eq!(channels(&["u:{value./ids/*}:in"], value).unwrap(), ["u:1:in", "u:b~20c:in", "u:true:in"]);
    assert_eq!(channels(&["{topic}:{value./to/*/id}"], value).unwrap(), ["shop.orders:x", "shop.orders:y"]);
    assert_eq!(channels(&["a", "u:{value./none/*}"], value).unwrap(), ["a"]);
    assert_eq!(channels(&["u:{value./*}"], "[3,4]").unwrap(), ["u:3", "u:4"]);
    for template in
        ["u:{value./none/*}", "u:{value./bad/*}", "u:{value./holes/*/id}", "u:{value./absent/*}", "u:{value./to/0/*}"]
    {
        assert_eq!(channels(&[template], value).unwrap_err().reason, Reason::Unroutable, "{template}");
    }
    let many = |count: usize| format!("[{}]", (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    assert_eq!(channels(&["u:{value./*}"], &many(64)).unwrap().len(), 64);
    assert_eq!(channels(&["u:{value./*}"], &many(65)).unwrap_err().reason, Reason::Unroutable);
    assert_eq!(channels(&["a", "u:{value./*}"], &many(64)).unwrap_err().reason, Reason::Unroutable);
}

#[test]
fn other_templates_insert_text() {
    let value = r#"{"s":"a\"b","n":1.10,"o":{"x": [1, 2]},"null":null}"#;
    assert_eq!(data("{value./o}", value).unwrap(), r#"{"x": [1, 2]}"#);
    assert_eq!(data("{value./s}", value).unwrap(), "a\"b");
    assert_eq!(data("{{{value./n}}} of {topic}", value).unwrap(), "{1.10} of shop.orders");
    assert_eq!(data("{value}", value).unwrap(), value);
    assert_eq!(data("{value.}", &format!(" {value}\n")).unwrap(), value);
    assert_eq!(data("{value./null}", value).unwrap(), "null");
    assert_eq!(data("x{value./absent}", value).unwrap(), "null");
    assert_eq!(data("", value).unwrap(), "");
}

#[test]
fn every_field_of_a_route_is_filled_and_what_is_absent_is_left_out() {
    let spec = RouteSpec {
        kind: Some("order.{value./what}".into()),
        key: Some("{value./id}".into()),
        id: Some("{topic}-{value./id}".into()),
        time: Some("{value./at}".into()),
        attributes: [("tenant", "{header.x-tenant}"), ("none", "{value./none}"), ("fixed", "f")]
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
        ..spec(&["a"])
    };
    let value = r#" {"what":"paid","id":7,"at":"2026-11-21T09:00:00Z"}"#;
    let envelope = decode(spec.clone(), value).unwrap();
    assert_eq!(&*envelope.kind, "order.paid");
    assert_eq!(envelope.key.as_deref(), Some("7"));
    assert_eq!(envelope.id.as_deref(), Some("shop.orders-7"));
    assert_eq!(envelope.time, Timestamp(1_795_251_600_000));
    assert_eq!(envelope.attributes, BTreeMap::from([("tenant".into(), "a b".into()), ("fixed".into(), "f".into())]));
    assert_eq!(&envelope.data[..], value.as_bytes(), "the whole value, byte for byte");

    let envelope = decode(spec.clone(), r#"{"what":"paid","at":1795251600001}"#).unwrap();
    assert_eq!((envelope.id, envelope.key.as_deref()), (None, Some("o/7")));
    assert_eq!(envelope.time, Timestamp(1_795_251_600_001));
    assert_eq!(decode(spec.clone(), r#"{"what":"paid"}"#).unwrap().time, Timestamp(5));

    let rejection = decode(spec.clone(), "{}").unwrap_err();
    assert_eq!(rejection.reason, Reason::Unroutable);
    assert!(rejection.detail.starts_with("kind: order.{value./what} finds nothing"), "{rejection}");
    let rejection = decode(spec, r#"{"what":"x","at":"noon"}"#).unwrap_err();
    assert_eq!(rejection.reason, Reason::Undecodable);
}

#[test]
fn a_record_without_value_is_delivered_as_null() {
    let decoder = Decoder::build(&[spec(&["order:{key}"])], 100).unwrap();
    assert_eq!(&decoder.decode(&record(None)).unwrap().data[..], b"null");
}

#[test]
fn a_type_from_a_template_is_checked_like_any_other() {
    let spec = RouteSpec { kind: Some("{value}".into()), ..spec(&["a"]) };
    for kind in ["gateway.open", "a\nb", ""] {
        assert_eq!(decode(spec.clone(), kind).unwrap_err().reason, Reason::ForbiddenType, "{kind}");
    }
    assert_eq!(&*decode(spec, "ok").unwrap().kind, "ok");
}

#[test]
fn the_first_route_whose_condition_holds_reads_the_record() {
    let with =
        |name: &str, when: Option<&str>| RouteSpec { name: name.into(), when: when.map(Into::into), ..spec(&[name]) };
    let routes = [with("one", Some("value.n == 1")), with("small", Some("value.n < 10"))];
    let decoder = Decoder::build(&routes, 1000).unwrap();
    let decode = |value: &str| decoder.decode(&record(Some(value.as_bytes())));
    assert_eq!(decode(r#"{"n":1}"#).unwrap().channels[0].as_str(), "one");
    assert_eq!(decode(r#"{"n":2}"#).unwrap().channels[0].as_str(), "small");
    assert_eq!(decode(r#"{"n":20}"#).unwrap_err().reason, Reason::Unroutable);
    assert_eq!(decode(r#"{}"#).unwrap_err().reason, Reason::Expression, "what can't be judged doesn't fall through");
    let decoder = Decoder::build(&[&routes[..], &[with("rest", None)]].concat(), 1000).unwrap();
    assert_eq!(decoder.decode(&record(Some(br#"{"n":20}"#))).unwrap().channels[0].as_str(), "rest");
}

#[test]
fn commands_come_through_routes_too() {
    let spec = RouteSpec { kind: Some("{value./do}".into()), ..spec(&["user:{value./who}"]) };
    let decoder = Decoder::build(&[spec], 1000).unwrap();
    let value = record(Some(br#"{"do":"disconnect","who":1}"#));
    let channels = vec![Channel::parse("user:1").unwrap()];
    assert_eq!(decoder.command(&value), Ok(crate::envelope::Command::Disconnect { channels, before: Timestamp(5) }));
    assert!(explain_command(&decoder, &value).to_string().contains("disconnect what was opened before 5 ms"));
}

#[test]
fn all_problems_of_all_routes_are_reported_with_their_paths() {
    let broken = RouteSpec {
        name: String::new(),
        when: Some("vlaue.a == 1".into()),
        channels: vec![
            "user {key}".into(),
            "u:{key}{topic}".into(),
            "{key".into(),
            "a}".into(),
            "all".into(),
            "{value./*/*}".into(),
        ],
        kind: Some("gateway.x".into()),
        data: Some("{value./ids/*}".into()),
        key: Some("{partition}".into()),
        id: Some("always".into()),
        time: Some("2026-11-21T09:00:00Z".into()),
        attributes: [("a b", "x"), ("c", "{value.d}")].map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
    };
    let problems =
        Decoder::build(&[spec(&["a"]), broken, RouteSpec { name: "r".into(), ..RouteSpec::default() }], 1000)
            .unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| (problem.route, problem.path.as_str())).collect();
    assert_eq!(
        paths,
        [
            (1, "name"),
            (1, "when"),
            (1, "channels[0]"),
            (1, "channels[1]"),
            (1, "channels[2]"),
            (1, "channels[3]"),
            (1, "channels[4]"),
            (1, "channels[5]"),
            (1, "data"),
            (1, "key"),
            (1, "attributes.a b"),
            (1, "attributes.c"),
            (1, "kind"),
            (1, "time"),
            (1, "id"),
            (2, "name"),
            (2, "channels"),
        ]
    );
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(texts[1].starts_with("routes[1].when: unknown variable \"vlaue\""), "{}", texts[1]);
    assert!(texts[9].contains("unknown reference \"partition\""), "{}", texts[9]);
    assert!(texts[11].contains("does not begin with '/'"), "{}", texts[11]);
}

#[test]
fn an_explanation_shows_each_step() {
    let routes = [
        RouteSpec { when: Some("topic == 'other'".into()), name: "no".into(), ..spec(&["x"]) },
        RouteSpec { data: Some("{value./d}".into()), kind: Some("t.{value./k}".into()), ..spec(&["u:{value./ids/*}"]) },
    ];
    let decoder = Decoder::build(&routes, 1000).unwrap();
    let text = explain(&decoder, &record(Some(br#"{"ids":[1,2],"k":"a","d":"x\ny"}"#))).to_string();
    assert_eq!(
        text,
        "format:   routes (route \"r\" is the first whose condition holds)\n\
         routes[0].when: topic == 'other' -> false\n\
         routes[1].channels[0]: u:{value./ids/*} -> u:1, u:2\n\
         routes[1].kind: t.{value./k} -> t.a\n\
         routes[1].data: {value./d} -> x\\ny\n\
         channel:  u:1\nchannel:  u:2\ntype:     t.a\ntime:     5 ms\nkey:      o/7\ndata:     3 bytes: x\\ny\n"
    );
    let text = explain(&decoder, &record(Some(b"{}"))).to_string();
    assert!(text.contains("rejected: unroutable: channels[0]: {value./ids/*}: expected an array"), "{text}");
    let plain = Decoder::build(&[], 1000).unwrap();
    let text = explain(&plain, &record(Some(b"[]"))).to_string();
    assert!(text.starts_with("format:   JSON envelope (no route is configured"), "{text}");
    assert!(text.contains("rejected: undecodable: value: expected an object"), "{text}");
}

proptest! {
    #[test]
    fn no_value_reaches_a_channel_but_its_own(one in any::<String>(), other in any::<String>(), template in 0usize..4) {
        let template = ["user:{value./v}", "{value./v}", "a-{value./v}:b", "e{value./v}"][template];
        let of = |text: &str| channels(&[template], &serde_json::json!({ "v": text }).to_string());
        match (of(&one), of(&other)) {
            (Ok(first), Ok(second)) => {
                prop_assert_eq!(one == other, first == second);
                let literal = template.split(':').count();
                prop_assert_eq!(first[0].split(':').count(), literal);
                prop_assert!(first[0] != "all" && first[0] != "everyone");
            }
            (Err(rejection), _) | (_, Err(rejection)) => prop_assert_eq!(rejection.reason, Reason::Unroutable),
        }
    }

    #[test]
    fn the_reserved_prefix_never_appears(prefix in "(gate)?(way)?\\.?", rest in "\\PC{0,6}") {
        let spec = RouteSpec { kind: Some("{value./a}{value./b}".into()), ..spec(&["a"]) };
        let value = serde_json::json!({ "a": prefix, "b": rest }).to_string();
        match decode(spec, &value) {
            Ok(envelope) => assert_proven(&envelope),
            Err(rejection) => prop_assert_eq!(rejection.reason, Reason::ForbiddenType),
        }
    }

    #[test]
    fn a_scalar_keeps_its_exact_text(number in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?", text in any::<String>()) {
        let value = format!(r#"{{"n": {number} ,"s":{}}}"#, serde_json::json!(text));
        prop_assert_eq!(data("{value./n}", &value).unwrap(), number);
        prop_assert_eq!(data("{value./s}", &value).unwrap(), text);
    }

    #[test]
    fn any_template_is_parsed_or_refused_and_any_value_decoded_or_rejected(
        template in "([a-z:]{0,3}|\\{(key|topic|value|value\\.|value\\./[a-c*~01/]{0,5}|header\\.x)\\}|\\{\\{|\\}\\}|[{}]){0,4}",
        value in "(\\PC{0,20}|\\{\"[abc]\":(\"\\PC{0,4}\"|\\[1,null,\\{\"a\":2\\}\\]|[0-9]{1,3})\\})",
    ) {
        let spec = RouteSpec { data: Some(template.clone()), id: Some(template.clone()), ..spec(&[&template]) };
        if let Ok(decoder) = Decoder::build(&[spec], 1000) {
            let record = record(Some(value.as_bytes()));
            if let Ok(envelope) = decoder.decode(&record) {
                assert_proven(&envelope);
            }
            let _ = explain(&decoder, &record).to_string();
        }
    }
}
