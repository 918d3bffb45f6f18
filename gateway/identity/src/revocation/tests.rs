use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000_000;
const DAY: u64 = 24 * 3_600_000;

fn ann() -> Target {
    Target { issuer: "https://id".into(), whom: Whom::Subject("ann".into()) }
}

fn proof(target: &Target, issued: Option<u64>) -> Proof {
    let (subject, token) = match &target.whom {
        Whom::Subject(name) => (name.as_str(), None),
        Whom::Token(id) => ("somebody", Some(id.as_str())),
    };
    Proof::new(&target.issuer, subject, token, issued, None)
}

fn revocation(target: &Target, issued_before: u64) -> Revocation {
    Revocation { target: target.clone(), issued_before, revoked: NOW }
}

fn told(value: &str) -> Result<Told, Malformed> {
    read(Some(ann().key().as_bytes()), Some(value.as_bytes()), NOW)
}

#[test]
fn tokens_issued_before_are_revoked_and_those_without_a_date_too() {
    let mut revocations = Revocations::new(DAY);
    assert_eq!(revocations.add(&revocation(&ann(), NOW)), NOW);
    assert!(revocations.revoke(&proof(&ann(), Some(NOW - 1))));
    assert!(revocations.revoke(&proof(&ann(), None)));
    assert!(!revocations.revoke(&proof(&ann(), Some(NOW))));
    let others = [("https://id", "bob"), ("https://other", "ann")];
    for (issuer, name) in others {
        let other = Target { issuer: issuer.into(), whom: Whom::Subject(name.into()) };
        assert!(!revocations.revoke(&proof(&other, None)), "{issuer} {name}");
    }
}

#[test]
fn a_token_is_revoked_by_its_id_whenever_it_was_issued_and_no_subject_of_that_name_is() {
    let mut revocations = Revocations::new(DAY);
    let token = Target { issuer: "https://id".into(), whom: Whom::Token("ann".into()) };
    revocations.add(&revocation(&token, NOW));
    assert!(revocations.revoke(&proof(&token, Some(NOW + 1))));
    assert!(!revocations.revoke(&proof(&ann(), None)));
}

#[test]
fn a_later_revocation_never_lowers_and_a_lifted_one_is_none() {
    let mut revocations = Revocations::new(DAY);
    revocations.add(&revocation(&ann(), NOW));
    assert_eq!(revocations.add(&revocation(&ann(), NOW - 5_000)), NOW);
    assert!(revocations.revoke(&proof(&ann(), Some(NOW - 1))));
    revocations.lift(&ann());
    assert!(!revocations.revoke(&proof(&ann(), None)) && revocations.is_empty());
}

#[test]
fn a_revocation_is_kept_until_the_longest_token_life_has_passed() {
    let mut revocations = Revocations::new(DAY);
    revocations.add(&revocation(&ann(), NOW - 5_000));
    let told = revocation(&ann(), NOW - 5_000);
    assert!(!revocations.is_over(&told, NOW + DAY - 1) && revocations.is_over(&told, NOW + DAY));
    revocations.forget(NOW + DAY - 1);
    assert!(revocations.revoke(&proof(&ann(), None)));
    revocations.forget(NOW + DAY);
    assert_eq!(revocations.len(), 0);
}

#[test]
fn a_record_says_what_it_has_to_and_the_rest_goes_by_its_time() {
    let expected = |issued_before, revoked| Ok(Told::Revoked(Revocation { target: ann(), issued_before, revoked }));
    assert_eq!(told("{}"), expected(NOW, NOW));
    assert_eq!(told("{\"issued_before\":7}"), expected(7, NOW));
    assert_eq!(told("{\"revoked\":9,\"later\":[1]}"), expected(9, 9));
    assert_eq!(told(&revocation(&ann(), 5).value()), expected(5, NOW));
    let ahead = format!("{{\"issued_before\":{},\"revoked\":{}}}", u64::MAX, u64::MAX);
    assert_eq!(told(&ahead), expected(NOW + MAX_AHEAD, NOW + MAX_AHEAD), "a wrong number locks nobody out for good");
    assert_eq!(read(Some(ann().key().as_bytes()), None, NOW), Ok(Told::Lifted(ann())));
}

#[test]
fn a_record_that_is_another_thing_says_nothing() {
    for value in ["", "null", "[]", "7", "{", "{}x", "{\"a\":1,\"a\":2}", "\u{feff}{}"] {
        assert_eq!(told(value), Err(Malformed::Value), "{value}");
    }
    for value in ["-1", "1.5", "\"7\"", "null", "1e3", "18446744073709551616"] {
        let value = format!("{{\"issued_before\":{value}}}");
        assert_eq!(told(&value), Err(Malformed::Time("issued_before")), "{value}");
    }
    assert_eq!(told(&format!("{{{}}}", " ".repeat(MAX_VALUE_BYTES))), Err(Malformed::Value));
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    for key in [
        "",
        "ann",
        "[]",
        "[\"subject\",\"a\"]",
        "[\"subject\",\"a\",\"b\",\"c\"]",
        "[\"user\",\"a\",\"b\"]",
        "[\"subject\",\"\",\"b\"]",
        "[\"subject\",\"a\",\"\"]",
        "[\"subject\",1,\"b\"]",
        "{\"subject\":\"a\"}",
        &format!("[\"subject\",\"a\",\"{long}\"]"),
        &format!("[\"token\",\"a\",\"{}\"]", "x".repeat(MAX_ID_BYTES + 1)),
        &format!("[\"subject\",\"a\",\"b\"{}]", " ".repeat(MAX_KEY_BYTES)),
    ] {
        assert_eq!(read(Some(key.as_bytes()), Some(b"{}"), NOW), Err(Malformed::Key), "{key}");
    }
    assert_eq!(read(None, Some(b"{}"), NOW), Err(Malformed::Key));
    assert_eq!(read(Some(&[0xff, 0xfe]), Some(b"{}"), NOW), Err(Malformed::Key));
}

fn target() -> impl Strategy<Value = Target> {
    // Few letters, and those that join, quote and escape: what could be taken for another's is likely.
    let name = "[ab\"\\\\,:\\[\\]\u{0}~\u{e4}]{1,4}";
    (name, name, any::<bool>()).prop_map(|(issuer, name, is_token)| Target {
        issuer,
        whom: if is_token { Whom::Token(name) } else { Whom::Subject(name) },
    })
}

proptest! {
    #[test]
    fn two_targets_never_have_one_key_nor_one_digest(one in target(), other in target()) {
        prop_assert_eq!(one.key() == other.key(), one == other);
        prop_assert_eq!(one.digest() == other.digest(), one == other);
    }

    #[test]
    fn a_key_reads_back(target in target()) {
        prop_assert_eq!(Target::read(target.key().as_bytes()), Some(target));
    }

    #[test]
    fn no_record_breaks_the_reader(key in proptest::collection::vec(any::<u8>(), 0..80), value in proptest::collection::vec(any::<u8>(), 0..80), time: u64) {
        let _ = read(Some(&key), Some(&value), time);
    }

    #[test]
    fn the_order_of_revocations_doesnt_matter(times in proptest::collection::vec(0..NOW, 1..8), issued in 0..NOW) {
        let mut revocations = Revocations::new(DAY);
        for time in &times {
            revocations.add(&revocation(&ann(), *time));
        }
        let latest = times.iter().copied().max().unwrap_or_default();
        prop_assert_eq!(revocations.revoke(&proof(&ann(), Some(issued))), issued < latest);
    }
}
