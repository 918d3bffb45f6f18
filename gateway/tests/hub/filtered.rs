//! Streams with filters and views.

use crate::*;
use events_gateway::hub::Wire;
use events_gateway_core::disconnect::DisconnectReason;
use events_gateway_core::filter::Filter;
use events_gateway_core::sse::Format;
use events_gateway_core::view::{View, ViewSpec};
use std::sync::atomic::Ordering::Relaxed;

/// Events `places` of a channel; each has its place as the attribute `place`, its parity as type.
async fn append(replica: &Replica, name: &str, places: std::ops::Range<u64>) {
    let source = SourceId::new("b", name, 0);
    let events = places.map(|place| Placed {
        event: Arc::new(Event {
            kind: if place % 2 == 0 { "even" } else { "odd" }.into(),
            data: Bytes::from(format!(r#"{{"place":{place},"secret":"s3cr3t"}}"#)),
            time: replica.now(),
            attributes: [("place".to_owned(), place.to_string())].into(),
            id: None,
            key: None,
            origin: Origin { source: source.clone(), generation: Generation(1), place },
        }),
        once: None,
    });
    let batch = Batch {
        channel: channel(name),
        source: source.clone(),
        generation: Generation(1),
        data_set: replica.backlog.data_set().await.unwrap(),
        breaks: Breaks::default(),
        events: events.collect(),
    };
    replica.backlog.append(batch).await.unwrap();
}

fn of_places(places: &[&str]) -> Filter {
    let values = places.iter().map(|place| (*place).to_owned()).collect();
    Filter::new(vec![], vec![(vec!["place".to_owned()], values)], None).unwrap()
}

fn of_types(types: &[&str]) -> Filter {
    Filter::new(types.iter().map(|kind| (*kind).to_owned()).collect(), vec![], None).unwrap()
}

fn request(names: &[&str], resume: Resume, filter: Filter) -> Subscribe {
    let channels = ChannelSet::new(names.iter().map(|name| channel(name))).unwrap();
    Subscribe { resume, filter: Some(filter), ..Subscribe::to(channels, "c1".into()) }
}

fn place_of(event: &str) -> u64 {
    let (_, data) = event.split_once(": ").unwrap();
    serde_json::from_str::<serde_json::Value>(data).unwrap()["place"].as_u64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_filter_leaves_out_is_no_gap_live_from_memory_or_from_the_backlog() {
    let store = Store::default();
    let (one, two) = (replica(&store, "1", small_ring()), replica(&store, "2", small_ring()));
    let mut live = one.subscribe(request(&["a"], Resume::Live, of_types(&["odd"]))).opened().await;
    let before = live.id.clone();
    for place in (0..300).step_by(2) {
        append(&one, "a", place..place + 2).await;
        assert_eq!(place_of(&live.next().await.unwrap()), place + 1);
    }
    let mut later = two.subscribe(request(&["a"], Resume::Cursor(before), of_places(&["7", "290"]))).opened().await;
    for place in [7, 290] {
        assert_eq!(place_of(&later.next().await.unwrap()), place);
    }
    let cursor = later.id.clone();
    later.expect_silence().await;
    let mut rest = one.subscribe(request(&["a"], Resume::Cursor(cursor), of_types(&["even"]))).opened().await;
    for place in (292..300).step_by(2) {
        assert_eq!(place_of(&rest.next().await.unwrap()), place, "a cursor means the same whatever the filter");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cursor_moves_over_what_is_left_out_with_the_heartbeat() {
    let store = Store::default();
    let one = replica(&store, "1", Options::default());
    let mut client = one.subscribe(request(&["a"], Resume::Live, of_places(&["none"]))).opened().await;
    let opened = client.id.clone();
    append(&one, "a", 0..10).await;
    tokio::time::timeout(Duration::from_secs(40), client.next()).await.unwrap_err();
    assert_ne!(client.id, opened);
    let mut raw = one.open(&["a"], Resume::Cursor(client.id.clone())).opened().await;
    append(&one, "a", 10..11).await;
    assert_eq!(place_of(&raw.next().await.unwrap()), 10);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_reads_messages_hears_of_a_cursor_that_moves_without_an_event() {
    let store = Store::default();
    let one = replica(&store, "1", Options::default());
    let asked =
        Subscribe { format: Format::Envelope, named: false, ..request(&["a"], Resume::Live, of_places(&["none"])) };
    let mut client = one.subscribe(asked).opened().await;
    let opened = client.id.clone();
    append(&one, "a", 0..10).await;
    assert_eq!(client.next().await.unwrap(), "gateway.cursor: {}");
    assert_ne!(client.id, opened);
    client.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn only_those_are_woken_whom_an_event_is_for_and_none_falls_behind() {
    let store = Store::default();
    let options = Options { heartbeat: Duration::from_secs(1_000), ..Options::default() };
    let one = replica(&store, "1", options);
    let mut client = one.subscribe(request(&["a"], Resume::Live, of_places(&["5000"]))).opened().await;
    let woken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = woken.clone();
    let reader = tokio::spawn(async move {
        let mut next = Box::pin(client.next());
        std::future::poll_fn(|cx| {
            counter.fetch_add(1, Relaxed);
            next.as_mut().poll(cx)
        })
        .await
    });
    tokio::task::yield_now().await;
    for place in 0..=5_000 {
        append(&one, "a", place..place + 1).await;
        tokio::task::yield_now().await;
    }
    let event = reader.await.unwrap();
    assert_eq!(place_of(&event.unwrap()), 5_000, "and no overflow on the way");
    let woken = woken.load(Relaxed);
    assert!((1..10).contains(&woken), "{woken}");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_long_passed_by_has_all_of_a_burst_that_is_wanted_here_and_there() {
    let store = Store::default();
    let options = Options { ring: Bounds { events: 64, bytes: 1 << 20 }, ..Options::default() };
    let one = replica(&store, "1", options);
    let wanted = ["1001", "1003", "1004", "1020", "1030"];
    let mut client = one.subscribe(request(&["a"], Resume::Live, of_places(&wanted))).opened().await;
    for place in (0..1_000).step_by(10) {
        append(&one, "a", place..place + 10).await;
    }
    append(&one, "a", 1_000..1_010).await;
    append(&one, "a", 1_010..1_040).await;
    for place in wanted {
        assert_eq!(place_of(&client.next().await.unwrap()).to_string(), place, "and no overflow on the way");
    }
}

#[tokio::test(start_paused = true)]
async fn whom_the_last_events_passed_by_goes_on_when_they_are_forgotten() {
    let store = Store::default();
    let options = Options {
        ring_age: Duration::ZERO,
        verify: Duration::from_secs(10),
        heartbeat: Duration::from_secs(10_000),
        ..Options::default()
    };
    let one = replica(&store, "1", options);
    let mut client = one.subscribe(request(&["a"], Resume::Live, of_places(&["20"]))).opened().await;
    let reader = tokio::spawn(async move { client.next().await.unwrap() });
    for place in 0..20 {
        append(&one, "a", place..place + 1).await;
        // What is forgotten goes by the clock of the machine, in ms.
        std::thread::sleep(Duration::from_millis(2));
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    append(&one, "a", 20..21).await;
    assert_eq!(place_of(&reader.await.unwrap()), 20, "and no overflow on the way");
}

#[tokio::test(start_paused = true)]
async fn there_are_so_many_distinct_filters_and_no_more() {
    let store = Store::default();
    let one = replica(&store, "1", Options { max_filters: 2, ..Options::default() });
    let first = one.hub.subscribe(request(&["a", "b"], Resume::Live, of_places(&["1"]))).unwrap();
    let _same = one.hub.subscribe(request(&["c"], Resume::Live, of_places(&["1"]))).unwrap();
    let second = one.hub.subscribe(request(&["a"], Resume::Live, of_places(&["2"]))).unwrap();
    let refused = one.hub.subscribe(request(&["a"], Resume::Live, of_places(&["3"])));
    assert_eq!(refused.map(drop), Err(DisconnectReason::FilterLimit));
    assert_eq!(one.hub.filters(), 2);
    drop((first, second));
    assert!(one.hub.subscribe(request(&["a"], Resume::Live, of_places(&["3"]))).is_ok());
}

fn view(spec: &ViewSpec, index: usize) -> Arc<View> {
    Arc::new(View::build(spec, index).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_view_shows_what_it_leaves_and_filters_see_no_more() {
    let store = Store::default();
    let one = replica(&store, "1", Options::default());
    let spec = ViewSpec {
        name: "public".into(),
        keep: vec!["/place".into()],
        attributes: Some(vec![]),
        ..ViewSpec::default()
    };
    let public = view(&spec, 0);
    let by_view = |filter| Subscribe { views: vec![Some(public.clone())], ..request(&["a"], Resume::Earliest, filter) };
    let mut seen = one.subscribe(by_view(of_types(&["even"]))).opened().await;
    let mut guessing = one.subscribe(by_view(of_places(&["0", "1", "2"]))).opened().await;
    append(&one, "a", 0..3).await;
    assert_eq!(seen.next().await.unwrap(), r#"even: {"place":0}"#);
    assert_eq!(seen.next().await.unwrap(), r#"even: {"place":2}"#);
    guessing.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn a_failing_view_withholds_or_tells_and_never_ends_a_stream() {
    let store = Store::default();
    let one = replica(&store, "1", Options::default());
    let spec = |name: &str, tells| ViewSpec {
        name: name.into(),
        compute: vec![("/x".into(), "1 / (data.place - 1)".into())],
        tells_failures: tells,
        ..ViewSpec::default()
    };
    let open = |view| {
        let channels = ChannelSet::new([channel("a")]).unwrap();
        one.subscribe(Subscribe { views: vec![Some(view)], ..Subscribe::to(channels, "c1".into()) }).opened()
    };
    let mut withheld = open(view(&spec("withholds", false), 0)).await;
    let mut told = open(view(&spec("tells", true), 1)).await;
    append(&one, "a", 0..3).await;
    let places = [withheld.next().await.unwrap(), withheld.next().await.unwrap()].map(|event| place_of(&event));
    assert_eq!(places, [0, 2]);
    assert_eq!(place_of(&told.next().await.unwrap()), 0);
    assert_eq!(told.next().await.unwrap(), r#"gateway.failed: {"type":"odd","view":"tells"}"#);
    assert_eq!(place_of(&told.next().await.unwrap()), 2);
    assert_eq!(one.hub.counters().view_failures.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_of_a_websocket_is_written_as_messages() {
    let store = Store::default();
    let one = replica(&store, "1", Options::default());
    let channels = ChannelSet::new([channel("a")]).unwrap();
    let wire = Wire::WebSocket("s-1".into());
    let mut stream = one.hub.subscribe(Subscribe { wire, ..Subscribe::to(channels, "c1".into()) }).unwrap();
    let mut next = async || {
        let frame = tokio::time::timeout(Duration::from_secs(60), stream.next()).await.unwrap().unwrap();
        let at = if frame[1] == 126 { 4 } else { 2 };
        serde_json::from_slice::<serde_json::Value>(&frame[at..]).unwrap()
    };
    let subscribed = next().await;
    assert_eq!((subscribed["type"].as_str(), subscribed["id"].as_str()), (Some("subscribed"), Some("s-1")));
    append(&one, "a", 0..1).await;
    let event = next().await;
    assert_eq!(event["event"], "even");
    assert_eq!(event["data"], r#"{"place":0,"secret":"s3cr3t"}"#);
    assert!(event["cursor"].as_str().unwrap() > subscribed["cursor"].as_str().unwrap());
}
