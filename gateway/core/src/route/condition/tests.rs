use std::fmt::Write as _;
use std::time::Instant;

use super::*;
use crate::Timestamp;
use crate::expression::MAX_EXPRESSION_BYTES;
use crate::record::Record;

const HEADERS: &[(&str, Option<&[u8]>)] =
    &[("kind", Some(b"a")), ("kind", Some(b"b")), ("bin", Some(b"\xff")), ("none", None)];

fn run(condition: &str, value: &str) -> Result<bool, Rejection> {
    let record = Record {
        topic: "orders",
        partition: 0,
        offset: 0,
        time: Timestamp(0),
        key: Some(b"k"),
        headers: HEADERS,
        value: Some(value.as_bytes()),
    };
    Condition::parse(condition).unwrap_or_else(|problem| panic!("{condition}: {problem}")).holds(&Input::new(record))
}

#[test]
fn conditions_compare_key_headers_value_and_topic() {
    let value =
        r#"{"n":1,"big":12345678901234567890,"f":1.5,"s":"größe","l":[{"k":"a"},{"k":"b"}],"t":true,"z":null,"a b":2}"#;
    for (condition, holds) in [
        ("true", true),
        ("topic == 'orders' && key == \"k\"", true),
        ("headers.kind == 'b'", true),
        ("headers['kind'] in ['a', 'c']", false),
        ("'bin' in headers && headers.bin == null && headers.none == null", true),
        ("has(headers.nothing)", false),
        ("value.n == 1 && value.n >= 1 && value.n < 2 && value.n != 3", true),
        ("value.big > 9223372036854775807u", true),
        ("value.f == 1.5", true),
        ("value.s.contains('röß') && value.s.startsWith('gr') && value.s.endsWith('e') && size(value.s) == 5", true),
        ("value.l.exists(x, x.k == 'b')", true),
        ("value.l.all(x, x.k == 'b')", false),
        ("value.l.exists_one(x, x.k == 'b')", true),
        ("value.l[0].k == 'a' && value.l.size() == 2", true),
        ("has(value.n) && !has(value.m)", true),
        ("value.z == null && value.t", true),
        ("value['a b'] == 2", true),
        ("value.n % 2 == 1 && -value.n < 0", true),
        ("value.n == 1 ? value.t : false", true),
        ("int('7') - 1 == 6 && string(value.n) == '1'", true),
        ("value.missing == 1 || true", true),
    ] {
        assert_eq!(run(condition, value), Ok(holds), "{condition}");
    }
    assert_eq!(run("value == null || key == 'k'", "null"), Ok(true));
    assert_eq!(run("topic == 'orders'", "not JSON"), Ok(true), "the value isn't read when nobody asks for it");
}

#[test]
fn what_can_not_be_judged_is_a_rejection_without_data() {
    let value = r#"{"n":1,"s":"s3cr3t","l":[1]}"#;
    for (condition, named) in [
        ("value.missing == 1", "there is no \"missing\""),
        ("value[value.s] == 1", "there is no such member"),
        ("value.s < 1", "type that it can't take"),
        ("value.n.contains('x')", "type that it can't take"),
        ("value.n / 0 == 1", "division by zero"),
        ("value.l[5] == 1", "index"),
        ("value.n", "it gave int"),
        ("value.s", "it gave string"),
        ("int(value.s) == 1", "failed"),
    ] {
        let rejection = run(condition, value).unwrap_err();
        assert_eq!(rejection.reason, Reason::Expression, "{condition}: {rejection}");
        assert!(rejection.detail.contains(named), "{condition}: {rejection}");
        assert!(!rejection.detail.contains("s3cr3t"), "{condition}: {rejection}");
    }
    for value in ["{", "{\"a\":1,\"a\":2}", "1e400", "{} x", "\0"] {
        assert_eq!(run("value.a == 1", value).unwrap_err().reason, Reason::Undecodable, "{value}");
    }
}

#[test]
fn conditions_that_may_not_be_are_refused_before_the_first_record() {
    for (condition, named) in [
        ("", "not CEL"),
        ("value.", "not CEL (line 1, column 7)"),
        ("vlaue.a == 1", "unknown variable \"vlaue\""),
        ("value.a == x", "unknown variable \"x\""),
        ("value.l.exists(x, true) && x", "unknown variable \"x\""),
        ("lower(value.a) == 'x'", "unknown function \"lower\""),
        ("value.a.matches('a+')", "unknown function \"matches\""),
        ("value.a.size(1) == 1", "wrong number of arguments"),
        ("value.a + 'x' == 'ax'", "'+' is not taken"),
        ("value.l.map(x, x) == []", "map and filter"),
        ("value.l.filter(x, x > 1).size() > 1", "map and filter"),
        ("value.l.all(x, x.all(y, y))", "not nested"),
        ("value.l.all(x, x) && value.m.all(x, x)", "at most one macro"),
        ("value.l.exists(x, true) ? value.l.exists(y, true) : false", "at most one macro"),
        ("Message{a: 1}", "messages"),
        ("r'x' == key", "raw strings"),
        ("b'x' == key", "raw strings"),
        ("'''x''' == key", "triple quotes"),
        ("true // why", "comments"),
        ("key == 'a", "a string is not closed"),
        ("(key == 'a'", "a bracket is not closed"),
        ("(key == 'a']", "closes nothing"),
        (")", "closes nothing"),
        ("!!!true", "more than two"),
        ("((((((((( true )))))))))", "nested deeper than 8"),
        ("key == é", "ASCII"),
    ] {
        let problem = Condition::parse(condition).map(|_| ()).expect_err(condition);
        assert!(problem.contains(named), "{condition}: {problem}");
    }
    let long = format!("key == '{}'", "x".repeat(MAX_EXPRESSION_BYTES));
    assert!(Condition::parse(&long).unwrap_err().contains("at most 1024 bytes"));
    assert!(Condition::parse("key == 'a) ] \\' \" }' && key != \"'(\"").is_ok(), "brackets in strings are text");
    let chain = vec!["key == 'a'"; 70].join("||");
    assert!(Condition::parse(&chain).is_ok(), "a long flat chain is fine");
}

/// What passes the bounds is parsed in bounded time: the constructs over which the grammar must look ahead, as long and
/// as deep as the bounds allow.
#[test]
fn whatever_passes_the_bounds_is_parsed_in_bounded_time() {
    let started = Instant::now();
    let fill =
        |unit: &str, last: &str| format!("{}{last}", unit.repeat((MAX_EXPRESSION_BYTES - last.len()) / unit.len()));
    let nested = |open: &str, close: &str| format!("{}key{}", open.repeat(8), close.repeat(8));
    let mut texts = vec![
        fill("!!(a) && ", "a"),
        fill("- -(a) + ", "a"),
        fill("a?b:", "c"),
        fill("a.b.", "c"),
        fill("a[b]", ""),
        fill("a(b).c", ""),
        fill("a<b||", "c"),
        fill("[[a],", ""),
        fill("{a:b}==", "c"),
        fill("a{b:c}.", "d"),
        fill("!!(!!(a))", ""),
        fill("a,", "b"),
        fill(". a", ""),
        fill("(a)(b)", ""),
        fill("a in ", "b"),
        fill("'a' ", ""),
        fill("1.", ""),
        fill("!!a ", ""),
        fill("?:", ""),
        nested("!!(", ")"),
        nested("a(", ")"),
        nested("[a,", "]"),
        nested("{a:", "}"),
        nested("a[", "]"),
        nested("a.b(c,", ")"),
        nested("(a?b:", ")"),
        nested("!!(a||", ")"),
    ];
    let nests: Vec<String> =
        texts.iter().filter(|text| text.len() < 200).map(|text| fill(&format!("{text}||"), "key")).collect();
    texts.extend(nests);
    for text in texts {
        let _ = Condition::parse(&text);
    }
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

#[test]
fn input_over_its_bounds_is_a_rejection() {
    let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(run("value[0] == 1", &list(999)), Ok(true));
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
    assert_eq!(run("value != 'a'", &text(60_000)), Ok(true));
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(run("value != 'a'", &deep(31)), Ok(true));
    for (condition, value) in [
        ("value[0] == 1", list(1000)),
        ("value != 'a'", text(70_000)),
        ("value != 'a'", deep(33)),
        ("value != 'a'", deep(100_000)),
    ] {
        let rejection = run(condition, &value).unwrap_err();
        assert_eq!(rejection.reason, Reason::Expression, "{rejection}");
    }
}

#[test]
fn the_conditions_of_all_routes_share_one_bound() {
    let routes: Vec<_> = (0..40)
        .map(|at| crate::route::RouteSpec {
            name: at.to_string(),
            when: Some("value.l == value.l && value.l == value.l && value.s == 'no'".into()),
            channels: vec!["a".into()],
            ..Default::default()
        })
        .collect();
    let decode = |routes: &[crate::route::RouteSpec]| {
        let value = dear_value(400, 10);
        let headers = &[];
        let value = Some(value.as_bytes());
        let record = Record { topic: "t", partition: 0, offset: 0, time: Timestamp(0), key: None, headers, value };
        crate::envelope::Decoder::build(routes, 1 << 20).unwrap().decode(&record).unwrap_err()
    };
    assert_eq!(decode(&routes[..1]).reason, Reason::Unroutable, "one alone is judged, and doesn't hold");
    assert_eq!(decode(&routes).reason, Reason::Expression);
}

/// The dearest runs that the estimate lets pass, as records of growing size; none may take long. Each is below a
/// millisecond even without optimisation; the bound of the test is for busy machines.
#[test]
fn what_the_estimate_lets_pass_is_cheap() {
    let mut dearest = std::time::Duration::ZERO;
    for condition in DEAR {
        let condition = Condition::parse(condition).unwrap_or_else(|problem| panic!("{condition}: {problem}"));
        for elements in [1, 10, 30, 100, 300, 400] {
            for length in [1, 10, 100, 1000, 10_000, 50_000] {
                let value = dear_value(elements, length);
                let record = Record {
                    topic: "t",
                    partition: 0,
                    offset: 0,
                    time: Timestamp(0),
                    key: None,
                    headers: &[],
                    value: Some(value.as_bytes()),
                };
                // The quickest of some runs: a busy machine preempts the others.
                let quickest = (0..5)
                    .filter_map(|_| {
                        let started = Instant::now();
                        condition.holds(&Input::new(record)).ok().map(|_| started.elapsed())
                    })
                    .min();
                dearest = dearest.max(quickest.unwrap_or_default());
            }
        }
    }
    assert!(dearest.as_millis() < 20, "{dearest:?}");
}

/// Conditions that cost as much as one can.
const DEAR: [&str; 14] = [
    "value.l.all(x, x.k == 'a')",
    "value.l.all(x, x.k == value.s)",
    "value.l.exists(x, value.l != value.l)",
    "value.l.exists(x, value.s.contains(x.k) && false)",
    "value.l.exists_one(x, x.k.contains('y'))",
    "value == value && value == value && value == value && value == value && value == value && value == value",
    "size(value.s) == 1 || size(value.s) == 2 || size(value.s) == 3 || size(value.s) == 4 || size(value.s) == 5",
    "value.l.all(x, size(value.s) > 0)",
    "value.l.all(x, x in value.l)",
    "value.l.all(x, !(1 in value.l))",
    "value.l.all(x, x.k != value.s)",
    "value.l.exists(x, x == value)",
    "value.l.all(value, !(value.k.contains('y') && size(value.k) > 3 && value == 'x'))",
    "[1, 2, 3, 4, 5, 6, 7, 8].exists(x, value.s.contains('y') || value == value.l)",
];

fn dear_value(elements: usize, length: usize) -> String {
    let mut list = String::new();
    for at in 0..elements {
        let _ = write!(list, "{}{{\"k\":\"{at}\"}}", if at == 0 { "" } else { "," });
    }
    format!(r#"{{"s":"{}","l":[{list}]}}"#, "x".repeat(length))
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn any_condition_is_parsed_or_refused_and_run_or_rejected(
            parts in prop::collection::vec(prop::sample::select(vec![
                "value", "key", "headers", ".a", "['a']", "(", ")", "[", "]", "{", "}", "&&", "||", "!", "-", "==", "<", "in", "1",
                "1u", "1.5", "'a'", "null", "true", "?", ":", ",", ".exists(x, ", "has(", "size(", "x", "%", "*", "int(", "e",
            ]), 0..24),
            value in "(\\{\"a\":(\\[1,2\\]|\"x\"|9223372036854775808|-9223372036854775808)\\}|\\PC{0,6})",
        ) {
            let text = parts.join(" ");
            if Condition::parse(&text).is_ok() {
                let _ = run(&text, &value);
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in any::<String>()) {
            let _ = Condition::parse(&text);
        }
    }
}
