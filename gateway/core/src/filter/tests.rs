use super::table::{Seat, Table};
use super::*;
use crate::Timestamp;
use crate::source::{Generation, Origin, SourceId};
use bytes::Bytes;
use proptest::prelude::*;

pub(crate) fn event(kind: &str, attributes: &[(&str, &str)], data: &str) -> Event {
    Event {
        kind: kind.into(),
        data: Bytes::copy_from_slice(data.as_bytes()),
        time: Timestamp(1),
        attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        id: None,
        key: None,
        origin: Origin { source: SourceId::new("b", "t", 0), generation: Generation(1), place: 1 },
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn filter(types: &[&str], terms: &[(&[&str], &[&str])]) -> Filter {
    let terms = terms.iter().map(|(names, values)| (texts(names), texts(values))).collect();
    Filter::new(texts(types), terms, None).unwrap()
}

fn passes(filter: &Filter, event: &Event) -> bool {
    filter.passes(&Channel::parse("orders").unwrap(), event)
}

#[test]
fn types_are_alternatives_and_attributes_are_all_required() {
    let created = event("order.created", &[("region", "eu"), ("agent", "a7")], "{}");
    assert!(passes(&filter(&[], &[]), &created));
    assert!(passes(&filter(&["order.*", "payment.*"], &[]), &created));
    assert!(!passes(&filter(&["payment.*"], &[]), &created));
    assert!(passes(&filter(&[], &[(&["region"], &["us", "eu"])]), &created));
    assert!(!passes(&filter(&[], &[(&["region"], &["eu"]), (&["agent"], &["a8"])]), &created));
    assert!(!passes(&filter(&[], &[(&["nothing"], &["eu"])]), &created));
    assert!(passes(&filter(&[], &[(&["sender", "agent"], &["a7"])]), &created), "one of the attributes will do");
}

#[test]
fn an_expression_reads_the_event_and_what_it_can_not_judge_does_not_pass() {
    let dear =
        NamedFilter::parse("dear", "type == 'order.created' && data.total > 100 && channel == 'orders'").unwrap();
    let dear = Filter::new(vec![], vec![], Some(dear)).unwrap();
    assert!(passes(&dear, &event("order.created", &[], r#"{"total":101}"#)));
    assert!(!passes(&dear, &event("order.created", &[], r#"{"total":99}"#)));
    assert!(!passes(&dear, &event("order.created", &[], "no JSON")));
    assert!(!passes(&dear, &event("order.created", &[], "{}")));
    assert!(
        NamedFilter::parse("x", "value.total > 1").unwrap_err().contains("known are channel, type, attributes, data")
    );
}

#[test]
fn filters_are_bounded_and_equal_when_written_alike() {
    let many: Vec<String> = (0..17).map(|index| format!("t{index}")).collect();
    assert_eq!(Filter::new(many, vec![], None), Err(FilterError::TooMany(17)));
    for text in ["", "a\nb", &"x".repeat(201)] {
        assert_eq!(Filter::new(texts(&[text]), vec![], None), Err(FilterError::Text), "{text}");
    }
    assert_eq!(Filter::new(texts(&["*a*b*c*d*"]), vec![], None), Err(FilterError::Stars));
    assert_eq!(filter(&["b", "a", "a"], &[(&["x"], &["2", "1"])]), filter(&["a", "b"], &[(&["x"], &["1", "2"])]));
}

#[test]
fn verdicts_say_nothing_of_filters_that_came_later_not_even_on_a_slot_that_was_anothers() {
    let (channel, event) = (Channel::parse("a").unwrap(), event("x", &[], ""));
    let mut table = Table::default();
    let first = table.add(filter(&["x"], &[]));
    let verdicts = table.judge(&channel, &event);
    assert_eq!(verdicts.of(first), Some(true));
    table.remove(first);
    assert!(table.is_empty());
    let second = table.add(filter(&["y"], &[]));
    assert_eq!(verdicts.of(second), None);
    assert_eq!(table.judge(&channel, &event).of(second), Some(false));
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let text = prop::sample::select(vec!["a", "b", "c", "a*", "*b"]);
    let value = prop::sample::select(vec!["1", "2", "3"]);
    let name = prop::sample::select(vec!["p", "q"]);
    let term = (prop::collection::vec(name, 1..3), prop::collection::vec(value, 1..3));
    (prop::collection::vec(text, 0..3), prop::collection::vec(term, 0..3)).prop_map(|(types, terms)| {
        let terms = terms.into_iter().map(|(names, values)| (texts(&names), texts(&values))).collect();
        Filter::new(texts(&types), terms, None).unwrap()
    })
}

proptest! {
    #[test]
    fn a_table_says_of_each_filter_what_the_filter_says(
        steps in prop::collection::vec((any_filter(), any::<bool>()), 1..40),
        kind in "[abc]{1,2}",
        attributes in prop::collection::btree_map("[pqr]", "[1234]", 0..3),
    ) {
        let (channel, mut event) = (Channel::parse("a").unwrap(), event(&kind, &[], ""));
        event.attributes = attributes;
        let mut table = Table::default();
        let mut seated: Vec<(Seat, Filter)> = Vec::new();
        for (filter, removes) in steps {
            if removes && !seated.is_empty() {
                table.remove(seated.remove(0).0);
            }
            seated.push((table.add(filter.clone()), filter));
        }
        prop_assert_eq!(table.len(), seated.len());
        let verdicts = table.judge(&channel, &event);
        for (seat, filter) in &seated {
            prop_assert_eq!(verdicts.of(*seat), Some(filter.passes(&channel, &event)));
        }
        for (seat, _) in seated {
            table.remove(seat);
        }
        prop_assert!(table.is_empty());
    }
}
