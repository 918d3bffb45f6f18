use super::*;
use crate::Timestamp;
use crate::source::{Generation, Origin, SourceId};
use proptest::prelude::*;
use serde_json::Value;

fn event(data: &str) -> Event {
    Event {
        kind: "order.created".into(),
        data: Bytes::copy_from_slice(data.as_bytes()),
        time: Timestamp(1),
        attributes: [("region".to_owned(), "eu".to_owned()), ("secret".to_owned(), "s".to_owned())].into(),
        id: None,
        key: None,
        origin: Origin { source: SourceId::new("b", "t", 0), generation: Generation(1), place: 1 },
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn seen(spec: &ViewSpec, data: &str) -> Result<String, String> {
    let view = View::build(&ViewSpec { name: "v".into(), ..spec.clone() }, 0).unwrap();
    let event = view.of(&Channel::parse("orders").unwrap(), &event(data)).map_err(|failure| failure.to_string())?;
    Ok(String::from_utf8(event.data.to_vec()).unwrap())
}

const ORDER: &str = r#"{"id": 7, "price": 1.50, "customer": {"name": "Ann", "card": "4111"}, "items": [{"sku": "a", "cost": 1}, {"sku": "b"}, 3]}"#;

#[test]
fn what_is_kept_stays_as_it_was_written_and_all_else_goes() {
    let keep = |pointers: &[&str]| seen(&ViewSpec { keep: texts(pointers), ..ViewSpec::default() }, ORDER).unwrap();
    assert_eq!(keep(&["/price", "/customer/name"]), r#"{"price":1.50,"customer":{"name":"Ann"}}"#);
    assert_eq!(keep(&["/items/*/sku"]), r#"{"items":[{"sku":"a"},{"sku":"b"}]}"#);
    assert_eq!(keep(&["/customer", "/customer/name"]), r#"{"customer":{"name": "Ann", "card": "4111"}}"#);
    assert_eq!(keep(&["/nothing", "/id/x", "/items/0"]), "{}");
}

#[test]
fn what_is_dropped_goes_from_what_was_kept() {
    let drop = |pointers: &[&str]| seen(&ViewSpec { drop: texts(pointers), ..ViewSpec::default() }, ORDER).unwrap();
    assert_eq!(
        drop(&["/customer/card", "/items/*/cost", "/nothing/at/all"]),
        r#"{"id":7,"price":1.50,"customer":{"name":"Ann"},"items":[{"sku":"a"},{"sku":"b"},3]}"#
    );
    assert_eq!(drop(&["/items/*", "/customer", "/id", "/price"]), r#"{"items":[]}"#);
    let both = ViewSpec { keep: texts(&["/customer"]), drop: texts(&["/customer/card"]), ..ViewSpec::default() };
    assert_eq!(seen(&both, ORDER).unwrap(), r#"{"customer":{"name":"Ann"}}"#);
    assert_eq!(
        seen(&both, r#"{"customer":{"c\u0061rd":1,"name":2}}"#).unwrap(),
        r#"{"customer":{"name":2}}"#,
        "however it is written"
    );
}

#[test]
fn members_are_renamed_and_computed() {
    let spec = ViewSpec {
        keep: texts(&["/id", "/customer/name"]),
        rename: vec![("/customer/name".into(), "/who".into()), ("/nothing".into(), "/x".into())],
        compute: vec![
            ("/flags/dear".into(), "data.price > 1.0".into()),
            ("/where".into(), "attributes.region".into()),
            ("/items".into(), "size(data.items)".into()),
            ("/list".into(), "[1, 2u, 'a', null, 1.0 / 0.0]".into()),
        ],
        ..ViewSpec::default()
    };
    assert_eq!(
        seen(&spec, ORDER).unwrap(),
        r#"{"id":7,"customer":{},"who":"Ann","flags":{"dear":true},"where":"eu","items":3,"list":[1,2,"a",null,null]}"#
    );
}

#[test]
fn attributes_stay_by_name() {
    let view = |attributes| {
        let spec = ViewSpec { name: "v".into(), attributes, ..ViewSpec::default() };
        let seen = View::build(&spec, 0).unwrap().of(&Channel::everyone(), &event("no JSON at all")).unwrap();
        assert_eq!(&seen.data[..], b"no JSON at all", "nobody looks into it");
        seen.attributes.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(view(None), ["region", "secret"]);
    assert_eq!(view(Some(texts(&["region", "other"]))), ["region"]);
    assert_eq!(view(Some(vec![])), [] as [&str; 0]);
}

#[test]
fn what_can_not_be_seen_is_a_failure_without_data() {
    let keep = ViewSpec { keep: texts(&["/customer/name"]), ..ViewSpec::default() };
    for (data, told) in [
        ("s3cr3t", "not JSON"),
        ("\"s3cr3t\"", "expected an object"),
        (r#"{"customer":{"name":"s3cr3t","name":1}}"#, "stands twice"),
        (r#"{"customer":{"name":"s3cr3t"}} x"#, "not JSON"),
    ] {
        let failure = seen(&keep, data).unwrap_err();
        assert!(failure.contains(told) && !failure.contains("s3cr3t"), "{data}: {failure}");
    }
    let compute = |value: &str| ViewSpec { compute: vec![("/x".into(), value.into())], ..ViewSpec::default() };
    for (value, told) in [("data.missing", "there is no"), ("data.id / 0", "division")] {
        let failure = seen(&compute(value), ORDER).unwrap_err();
        assert!(failure.contains(told), "{value}: {failure}");
    }
    let into = ViewSpec { rename: vec![("/price".into(), "/id/x".into())], ..ViewSpec::default() };
    assert!(seen(&into, ORDER).unwrap_err().contains("no object"));
}

#[test]
fn all_that_is_wrong_with_a_view_is_told() {
    let spec = ViewSpec {
        name: RAW.into(),
        keep: texts(&["a", "/~2"]),
        rename: vec![("/a/*".into(), "b".into())],
        compute: vec![("/x".into(), "value.y".into()), ("/y".into(), "1 + 1".into())],
        ..ViewSpec::default()
    };
    let problems = View::build(&spec, 0).unwrap_err();
    let places: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        places,
        ["name", "keep[0]", "keep[1]", "rename[0].from", "rename[0].to", "compute[0].value", "compute[1].value"]
    );
}

#[test]
fn a_failure_that_is_told_holds_nothing_of_the_event() {
    let view = View::build(&ViewSpec { name: "v".into(), ..ViewSpec::default() }, 0).unwrap();
    let told = view.failed(&event("s3cr3t"));
    assert_eq!((&*told.kind, &told.data[..]), (FAILED_TYPE, &br#"{"type":"order.created","view":"v"}"#[..]));
    assert!(told.attributes.is_empty());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), "[a\"~/]{0,3}".prop_map(Value::from)];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ab~/]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_dropped_is_nowhere_and_what_is_left_is_json(
        data in any_json(),
        tokens in prop::collection::vec("(\\*|[ab]|a~0|~1b)", 1..3),
    ) {
        let pointer: String = tokens.iter().map(|token| format!("/{token}")).collect();
        let spec = ViewSpec { drop: vec![pointer], ..ViewSpec::default() };
        if let Ok(seen) = seen(&spec, &data.to_string()) {
            let left: Value = serde_json::from_str(&seen).unwrap();
            prop_assert!(found(&left, &tokens).is_empty(), "{seen}");
        }
    }

    #[test]
    fn what_is_kept_is_what_was_there(data in any_json(), tokens in prop::collection::vec("(\\*|[ab]|a~0|~1b)", 1..3)) {
        let pointer: String = tokens.iter().map(|token| format!("/{token}")).collect();
        let spec = ViewSpec { keep: vec![pointer], ..ViewSpec::default() };
        if let Ok(seen) = seen(&spec, &data.to_string()) {
            let left: Value = serde_json::from_str(&seen).unwrap();
            prop_assert_eq!(found(&left, &tokens), found(&data, &tokens));
        }
    }
}

/// What the tokens lead to, by the definition.
fn found(value: &Value, tokens: &[String]) -> Vec<Value> {
    let Some((first, rest)) = tokens.split_first() else { return vec![value.clone()] };
    match value {
        Value::Array(elements) if first == "*" => elements.iter().flat_map(|element| found(element, rest)).collect(),
        Value::Object(members) if first != "*" => {
            let name = first.replace("~1", "/").replace("~0", "~");
            members.get(&name).map_or_else(Vec::new, |value| found(value, rest))
        }
        _ => Vec::new(),
    }
}
