use proptest::prelude::*;
use serde_json::json;

use super::*;

fn pattern(text: &str) -> AccessPattern {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn channel(name: &str) -> Channel {
    Channel::parse(name).unwrap()
}

fn claims() -> Map<String, Value> {
    let claims = json!({
        "tenant": "a~b", "number": 7, "fraction": 1.5, "flag": true, "processes": ["p1", "p:2", 3, null, ["x"]],
        "realm_access": { "roles": ["editor", "viewer"] }, "a/b": "slash", "url:x": "colon",
    });
    claims.as_object().unwrap().clone()
}

fn covers(text: &str, name: &str, wanted: &str) -> bool {
    let claims = claims();
    let subject = Subject { issuer: "https://id", name, claims: &claims };
    pattern(text).covers(Some(&subject), &channel(wanted))
}

#[test]
fn a_placeholder_is_exactly_one_segment_whatever_it_holds() {
    for (name, own, others) in [
        ("42", "user:42", &["user:4", "user:422", "user:42:x", "user"][..]),
        ("auth0|5f", "user:auth0~7C5f", &["user:auth0", "user:5f"]),
        ("7:private", "user:7~3Aprivate", &["user:7:private", "user:7"]),
        ("a@b.c", "user:a~40b.c", &["user:a", "user:b.c"]),
        ("*", "user:~2A", &["user:x", "user:1"]),
        ("{sub}", "user:~7Bsub~7D", &["user:x"]),
        ("a~3Ab", "user:a~7E3Ab", &["user:a~3Ab", "user:a:b"]),
    ] {
        assert!(covers("user:{sub}", name, own), "{name}");
        for other in others {
            assert!(!covers("user:{sub}", name, other), "{name} {other}");
        }
    }
}

#[test]
fn claims_are_found_by_pointer_and_arrays_element_by_element() {
    for (text, wanted, expected) in [
        ("tenant:{claims./tenant}", "tenant:a~7Eb", true),
        ("n:{claims./number}", "n:7", true),
        ("n:{claims./fraction}", "n:1.5", false),
        ("n:{claims./flag}", "n:true", false),
        ("process:{claims./processes/0}", "process:p1", true),
        ("process:{claims./processes/0}", "process:p~3A2", false),
        ("process:{claims./processes/*}", "process:p~3A2", true),
        ("process:{claims./processes/*}", "process:3", true),
        ("process:{claims./processes/*}", "process:x", false),
        ("process:{claims./processes}", "process:p1", false),
        ("process:{claims./tenant/*}", "process:a~7Eb", false),
        ("x:{claims./a~1b}", "x:slash", true),
        ("x:{claims./url:x}:y", "x:colon:y", true),
        ("x:{claims./absent}", "x:y", false),
        ("{claims./realm_access/roles/0}:*", "editor:1", true),
        ("orders:**", "orders:1:2", true),
        ("orders:*:{sub}", "orders:9:me", true),
    ] {
        assert_eq!(covers(text, "me", wanted), expected, "{text} {wanted}");
    }
}

#[test]
fn the_firehose_is_granted_by_its_name_alone() {
    for (text, expected) in [("all", true), ("*", false), ("**", false), ("{sub}", false), ("{claims./tenant}", false)]
    {
        assert_eq!(covers(text, "all", "all"), expected, "{text}");
    }
}

#[test]
fn nobody_in_particular_has_no_claims() {
    assert!(!pattern("user:{sub}").covers(None, &channel("user:x")));
    assert!(!pattern("t:{claims./tenant}").covers(None, &channel("t:x")));
    assert!(pattern("public:*").covers(None, &channel("public:x")));
}

#[test]
fn what_is_no_pattern_is_refused() {
    for text in [
        "",
        "a:",
        "user:{sub",
        "user:sub}",
        "user:{name}",
        "user:{claims.x}",
        "user:x{sub}",
        "user:{sub}x",
        "{}",
        "a:**:b",
        "a b",
        "{sub}{sub}",
        "user:{claims.}",
    ] {
        assert!(text.parse::<AccessPattern>().is_err(), "{text}");
    }
    assert_eq!(pattern("user:{sub}").to_string(), "user:{sub}");
}

#[test]
fn rights_are_those_of_all_rules_that_are_for_a_subject() {
    let rules = Rules(vec![
        Rule { everyone: true, subscribe: vec![pattern("news")], ..Rule::default() },
        Rule { subscribe: vec![pattern("user:{sub}")], replay: vec![pattern("user:{sub}")], ..Rule::default() },
        Rule {
            issuer: Some("https://id".into()),
            claims: vec![("/realm_access/roles".into(), "editor".into())],
            publish: vec![pattern("**")],
            ..Rule::default()
        },
        Rule { claims: vec![("/tenant".into(), "other".into())], subscribe: vec![pattern("**")], ..Rule::default() },
    ]);
    let claims = claims();
    let me = Subject { issuer: "https://id", name: "me", claims: &claims };
    let elsewhere = Subject { issuer: "https://other", ..me };
    let may = |right, subject: Option<&Subject<'_>>, name: &str| rules.grant(right, subject, &channel(name));
    assert!(may(Right::Subscribe, None, "news") && !may(Right::Subscribe, None, "user:me"));
    assert!(!may(Right::Publish, None, "news") && !may(Right::Replay, None, "news"));
    assert!(may(Right::Subscribe, Some(&me), "news") && may(Right::Subscribe, Some(&me), "user:me"));
    assert!(may(Right::Replay, Some(&me), "user:me") && !may(Right::Replay, Some(&me), "user:you"));
    assert!(may(Right::Publish, Some(&me), "anything") && !may(Right::Publish, Some(&me), "all"));
    assert!(!may(Right::Publish, Some(&elsewhere), "anything"));
    assert!(!may(Right::Subscribe, Some(&me), "user:you"));
    assert!(!Rules::default().grant(Right::Subscribe, Some(&me), &channel("news")), "denied is what nobody granted");
}

proptest! {
    #[test]
    fn two_subjects_never_have_one_channel(one in "\\PC{1,20}", other in "\\PC{1,20}") {
        prop_assume!(one != other);
        let own = channel(&format!("user:{}", escape_segment(&one).unwrap()));
        let claims = Map::new();
        let subject = |name| Subject { issuer: "i", name, claims: &claims };
        let own_channels = pattern("user:{sub}");
        prop_assert!(own_channels.covers(Some(&subject(&one)), &own));
        prop_assert!(!own_channels.covers(Some(&subject(&other)), &own));
    }

    #[test]
    fn any_text_is_a_pattern_or_refused(text in "[a-z*:{}./~]{0,16}") {
        if let Ok(pattern) = text.parse::<AccessPattern>() {
            prop_assert_eq!(pattern.to_string(), text);
        }
    }
}
