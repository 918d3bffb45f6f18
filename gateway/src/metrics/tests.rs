use super::sources::{Consumed, build, consumer};
use super::*;

#[test]
fn the_reference_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = table::reference();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), page, "run again with UPDATE_GENERATED=1");
}

#[test]
fn names_are_distinct_and_say_their_kind() {
    let mut names: Vec<_> = table::ALL.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), table::ALL.len());
    for row in table::ALL {
        assert_eq!(row.name.ends_with("_total"), row.kind == Type::Counter, "{}", row.name);
        assert!(row.name.starts_with("events_gateway_") || row.name.starts_with("process_"), "{}", row.name);
    }
}

#[test]
fn a_scrape_copies_what_the_sources_count() {
    let metrics = Metrics::default();
    metrics.add(build());
    metrics.add(process::source());
    for binding in ["orders", "a\"b"] {
        metrics.add(consumer(binding.to_owned(), || Consumed {
            records: 7,
            dead_letters: vec![("oversized", 2)],
            lag: vec![("t".to_owned(), 3, 11)],
            is_up: true,
            ..Consumed::default()
        }));
    }
    metrics.add(Box::new(|sheet| {
        let buckets = [(0.001, 1), (0.005, 0), (f64::INFINITY, 4)];
        sheet.histogram(&table::LATENCY, buckets.into_iter(), 2.5);
    }));
    let text = metrics.text();
    for line in [
        "# HELP events_gateway_records_total Records read from Kafka, repeats and rejected ones included.",
        "# TYPE events_gateway_records_total counter",
        "events_gateway_records_total{binding=\"orders\"} 7",
        "events_gateway_records_total{binding=\"a\\\"b\"} 7",
        "events_gateway_dead_letters_total{binding=\"orders\",reason=\"oversized\"} 2",
        "events_gateway_lag_records{binding=\"orders\",topic=\"t\",partition=\"3\"} 11",
        "events_gateway_kafka_up{binding=\"orders\"} 1",
        "events_gateway_delivery_latency_seconds_bucket{le=\"0.005\"} 1",
        "events_gateway_delivery_latency_seconds_bucket{le=\"+Inf\"} 5",
        "events_gateway_delivery_latency_seconds_sum 2.5",
        "events_gateway_delivery_latency_seconds_count 5",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    assert!(text.contains("process_resident_memory_bytes "));
    assert_eq!(text.matches("# TYPE events_gateway_records_total").count(), 1);
}
