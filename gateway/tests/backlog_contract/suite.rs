//! What holds in every world while nothing is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use events_gateway::backlog::{
    BacklogError, Batch, Breaks, DataSet, MAX_BATCH_BYTES, MAX_PAGE_BYTES, Marked, Offsets, Placed, Token,
};
use events_gateway_core::position::{MAX_EPOCHS, Torn};
use events_gateway_core::source::{Generation, Origin, SourceId};
use events_gateway_core::{Channel, Event, Position, Timestamp};

pub(crate) use crate::registry::*;
use crate::world::{Ear, Limits, Ports, World, until};

pub(crate) fn channel(name: &str) -> Channel {
    Channel::parse(name).unwrap()
}

pub(crate) fn now() -> Timestamp {
    Timestamp(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap())
}

pub(crate) fn token(replica: &str, number: u64) -> Token {
    Token { replica: replica.into(), number }
}

pub(crate) fn source() -> SourceId {
    SourceId::new("orders", "shop.orders", 3)
}

/// An event at a place of generation 1.
pub(crate) fn placed(place: u64) -> Placed {
    from(&source(), place)
}

pub(crate) fn from(source: &SourceId, place: u64) -> Placed {
    let event = Event {
        kind: "created".into(),
        data: Bytes::from(format!("data {place}")),
        time: now(),
        attributes: BTreeMap::new(),
        id: None,
        key: None,
        origin: Origin { source: source.clone(), generation: Generation(1), place },
    };
    Placed { event: Arc::new(event), once: None }
}

pub(crate) fn once(place: u64, id: &str) -> Placed {
    Placed { once: Some(id.into()), ..placed(place) }
}

pub(crate) fn batch(channel: &Channel, data_set: &DataSet, events: Vec<Placed>) -> Batch {
    Batch {
        channel: channel.clone(),
        source: source(),
        generation: Generation(1),
        data_set: data_set.clone(),
        breaks: Breaks::default(),
        events,
    }
}

/// Appends places and answers (stored, repeats, head).
pub(crate) async fn append(
    ports: &Arc<dyn Ports>,
    channel: &Channel,
    places: impl IntoIterator<Item = u64>,
) -> (usize, usize, Position) {
    let data_set = ports.data_set().await.unwrap();
    let appended = ports.append(batch(channel, &data_set, places.into_iter().map(placed).collect())).await.unwrap();
    (appended.stored, appended.repeats, appended.head)
}

/// The places of all entries after a position.
pub(crate) async fn places(ports: &Arc<dyn Ports>, channel: &Channel, after: Position) -> Vec<u64> {
    let page = ports.read(channel, after, 100_000).await.unwrap();
    page.entries.iter().map(|(_, event)| event.origin.place).collect()
}

pub(crate) async fn an_event_comes_back_and_is_announced_as_it_was_appended(world: &dyn World) {
    let channel = channel("round:a~40trip");
    let ear = Arc::new(Ear::default());
    let (ports, other) =
        (world.connect(Limits::default(), ear.clone()), world.connect(Limits::default(), Arc::new(Ear::default())));
    let before = ports.register(&channel, &token("r1", 1), &Breaks::default()).await.unwrap();
    let attributes =
        BTreeMap::from([("agent \"ü\"".to_owned(), "a\r\n\0\u{1F980}".to_owned()), (String::new(), String::new())]);
    let events: Vec<_> = [
        (Bytes::from_static("grüße \u{1F980}\u{2028}".as_bytes()), attributes, Some("id\n1"), Some("key \0")),
        (Bytes::from_static(b"one\r\ntwo\rthree\n\0\n"), BTreeMap::new(), None, Some("")),
        (Bytes::new(), BTreeMap::new(), Some(""), None),
        (Bytes::from("x".repeat(MAX_BATCH_BYTES)), BTreeMap::new(), None, None),
    ]
    .into_iter()
    .zip(7..)
    .map(|((data, attributes, id, key), place)| {
        Arc::new(Event {
            kind: "order.created".into(),
            data,
            time: now(),
            attributes,
            id: id.map(Arc::from),
            key: key.map(Arc::from),
            origin: Origin { source: source(), generation: Generation(1), place },
        })
    })
    .collect();
    let data_set = other.data_set().await.unwrap();
    let given = events.iter().map(|event| Placed { event: Arc::clone(event), once: None }).collect();
    let appended = other.append(batch(&channel, &data_set, given)).await.unwrap();
    assert_eq!((appended.stored, appended.repeats), (4, 0));
    assert_eq!(appended.head.0, before.head().0 + 4);

    let page = ports.read(&channel, before.head(), 100).await.unwrap();
    assert_eq!(page.standing.head(), appended.head);
    let (read, positions): (Vec<_>, Vec<_>) =
        page.entries.iter().map(|(position, event)| (event.clone(), position.0)).unzip();
    assert_eq!(read, events);
    assert_eq!(positions, (before.head().0 + 1..=appended.head.0).collect::<Vec<_>>());
    until("the batch is announced", || ear.heard(&channel).len() == 4).await;
    assert_eq!(ear.heard(&channel), page.entries);
    assert_eq!(ear.announced.lock()[0].epoch, before.epochs.current().start);
}

pub(crate) async fn positions_are_contiguous_and_pages_too(world: &dyn World) {
    let channel = channel("contiguous");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let (_, _, first) = append(&ports, &channel, [1]).await;
    for start in [2, 30, 31] {
        let (stored, _, _) = append(&ports, &channel, start..start + if start == 2 { 20 } else { 1 }).await;
        assert!(stored > 0);
    }
    let page = ports.read(&channel, Position(first.0 - 1), 10).await.unwrap();
    assert_eq!(page.entries.len(), 10);
    let rest = ports.read(&channel, page.entries[9].0, 100).await.unwrap();
    let positions: Vec<_> = page.entries.iter().chain(&rest.entries).map(|(position, _)| position.0).collect();
    assert_eq!(positions, (first.0..=rest.standing.head().0).collect::<Vec<_>>());
    assert_eq!(rest.standing.epochs.as_slice().len(), 1);
    let end = ports.read(&channel, rest.standing.head(), 10).await.unwrap();
    assert!(end.entries.is_empty());
    assert!(ports.read(&channel, Position(u64::MAX), 10).await.unwrap().entries.is_empty());
}

pub(crate) async fn repeats_are_told_by_place_and_generation(world: &dyn World) {
    let channel = channel("repeats");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let (stored, repeats, head) = append(&ports, &channel, [5, 6, 7]).await;
    assert_eq!((stored, repeats), (3, 0));
    assert_eq!(append(&ports, &channel, [5, 6, 7]).await, (0, 3, head));
    assert_eq!(append(&ports, &channel, [6, 7, 8]).await, (1, 2, head.next()));
    assert_eq!(append(&ports, &channel, [0]).await, (0, 1, head.next()), "below the first");

    let data_set = ports.data_set().await.unwrap();
    let with = |generation| Batch { generation: Generation(generation), ..batch(&channel, &data_set, vec![placed(5)]) };
    let higher = ports.append(with(2)).await.unwrap();
    assert_eq!((higher.stored, higher.head.0), (1, head.0 + 2), "offsets have started over");
    assert_eq!(ports.append(with(2)).await.unwrap().repeats, 1);
    for refused in [vec![], vec![placed(60), placed(60)], (60..561).map(placed).collect()] {
        let refused = ports.append(Batch { events: refused, ..with(2) }).await;
        assert!(matches!(refused, Err(BacklogError::Refused(_))), "{refused:?}");
    }
    let lower = ports.append(Batch { events: vec![placed(50)], ..with(1) }).await.unwrap();
    assert_eq!((lower.stored, lower.repeats), (0, 1), "a straggler of the former generation");
    let other = Batch { source: SourceId::new("orders", "shop.orders", 4), ..with(1) };
    assert_eq!(ports.append(other).await.unwrap().stored, 1, "each source has places of its own");
}

pub(crate) async fn an_id_is_a_repeat_only_within_its_source_and_generation(world: &dyn World) {
    let channel = channel("once");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let data_set = ports.data_set().await.unwrap();
    let first = ports.append(batch(&channel, &data_set, vec![once(1, "a"), once(2, "a"), once(3, "b")])).await.unwrap();
    assert_eq!((first.stored, first.repeats), (2, 1));
    let again = ports.append(batch(&channel, &data_set, vec![once(4, "a")])).await.unwrap();
    assert_eq!((again.stored, again.repeats, again.head), (0, 1, first.head));
    let skipped = ports.append(batch(&channel, &data_set, vec![placed(4)])).await.unwrap();
    assert_eq!(skipped.repeats, 1, "what was skipped by its id has raised the place");
    let redriven = ports.append(batch(&channel, &data_set, vec![placed(5)])).await.unwrap();
    assert_eq!(redriven.stored, 1, "no id, only the place");
    let other = Batch { source: SourceId::new("orders", "other", 0), ..batch(&channel, &data_set, vec![once(1, "a")]) };
    assert_eq!(ports.append(other).await.unwrap().stored, 1);
    let later = Batch { generation: Generation(2), ..batch(&channel, &data_set, vec![once(1, "a")]) };
    assert_eq!(ports.append(later).await.unwrap().stored, 1);
}

pub(crate) async fn the_last_thousand_ids_are_known(world: &dyn World) {
    let channel = channel("thousand");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let data_set = ports.data_set().await.unwrap();
    for start in [1, 401, 801] {
        let events = (start..(start + 400).min(1_002)).map(|place| once(place, &format!("id {place}"))).collect();
        ports.append(batch(&channel, &data_set, events)).await.unwrap();
    }
    let events = vec![once(2_000, "id 2"), once(2_001, "id 1001"), once(2_002, "id 1")];
    let appended = ports.append(batch(&channel, &data_set, events)).await.unwrap();
    assert_eq!((appended.stored, appended.repeats), (1, 2), "1,001 ids came since the first");
}

pub(crate) async fn two_appenders_of_one_channel_share_its_positions(world: &dyn World) {
    let channel = channel("shared");
    let ear = Arc::new(Ear::default());
    let ports = world.connect(Limits::default(), ear.clone());
    let before = ports.register(&channel, &token("r1", 1), &Breaks::default()).await.unwrap();
    let appenders = (0..2).map(|partition| {
        let (ports, channel) = (world.connect(Limits::default(), Arc::new(Ear::default())), channel.clone());
        tokio::spawn(async move {
            let data_set = ports.data_set().await.unwrap();
            for place in 0..100 {
                let source = SourceId::new("orders", "shared", partition);
                let events = [2 * place, 2 * place + 1].map(|place| from(&source, place)).to_vec();
                let given = Batch { source, ..batch(&channel, &data_set, events) };
                assert_eq!(ports.append(given).await.unwrap().stored, 2);
            }
        })
    });
    for appender in appenders.collect::<Vec<_>>() {
        appender.await.unwrap();
    }
    until("everything is announced", || ear.heard(&channel).len() >= 400).await;
    let heard: Vec<_> = ear.heard(&channel).iter().map(|(position, _)| position.0).collect();
    assert_eq!(heard, (before.head().0 + 1..=before.head().0 + 400).collect::<Vec<_>>());
    for partition in 0..2 {
        let source = SourceId::new("orders", "shared", partition);
        let page = ports.read(&channel, before.head(), 1_000).await.unwrap();
        let places =
            page.entries.iter().filter(|(_, event)| event.origin.source == source).map(|(_, event)| event.origin.place);
        assert_eq!(places.collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    }
}

pub(crate) async fn what_is_read_after_registering_and_what_is_announced_leave_no_hole(world: &dyn World) {
    let appender = world.connect(Limits::default(), Arc::new(Ear::default()));
    for round in 0..10 {
        let channel = channel(&format!("race:{round}"));
        let ear = Arc::new(Ear::default());
        let ports = world.connect(Limits::default(), ear.clone());
        let appending = {
            let (appender, channel) = (Arc::clone(&appender), channel.clone());
            tokio::spawn(async move {
                let data_set = appender.data_set().await.unwrap();
                for place in 0..60 {
                    appender.append(batch(&channel, &data_set, vec![placed(place)])).await.unwrap();
                }
            })
        };
        let standing = ports.register(&channel, &token("r1", round), &Breaks::default()).await.unwrap();
        let read = ports.read(&channel, Position(0), 1_000).await.unwrap();
        assert!(read.standing.head() >= standing.head());
        appending.await.unwrap();
        let mut places: Vec<_> = read.entries.iter().map(|(_, event)| event.origin.place).collect();
        let known = read.standing.head();
        until("the rest is announced", || {
            ear.heard(&channel).last().map_or(places.len() == 60, |(_, event)| event.origin.place == 59)
        })
        .await;
        places.extend(
            ear.heard(&channel).iter().filter(|(position, _)| *position > known).map(|(_, event)| event.origin.place),
        );
        assert_eq!(places, (0..60).collect::<Vec<_>>());
    }
}

pub(crate) async fn a_break_tears_the_epoch_once(world: &dyn World) {
    let channel = channel("breaks");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let data_set = ports.data_set().await.unwrap();
    let with =
        |number, place| Batch { breaks: Breaks::of("g", number), ..batch(&channel, &data_set, vec![placed(place)]) };
    let first = ports.append(with(3, 1)).await.unwrap().head;
    let read = async || ports.read(&channel, Position(0), 10).await.unwrap().standing;
    assert_eq!(read().await.epochs.as_slice().len(), 1, "a new channel has nothing to tear");
    let second = ports.append(with(4, 2)).await.unwrap().head;
    ports.append(with(4, 3)).await.unwrap();
    ports.append(with(2, 4)).await.unwrap();
    let standing = read().await;
    let epochs = standing.epochs.as_slice();
    assert_eq!(epochs.len(), 2);
    assert_eq!((epochs[0].end, epochs[0].torn), (first, None));
    assert_eq!((epochs[1].start, epochs[1].torn), (second, Some(Torn::Source)));
    assert!(second.0 >= first.0 + (1 << 20));
    assert!(!standing.epochs.continue_from(first));
    let registered = ports.register(&channel, &token("r1", 1), &Breaks::of("g", 9)).await.unwrap();
    assert_eq!(registered.epochs.as_slice().len(), 3, "registering tells clients that were away too");
    assert_eq!(registered.head().0 + 1, registered.epochs.current().start.0);
    for number in 10..40 {
        ports.append(with(number, number)).await.unwrap();
    }
    assert_eq!(read().await.epochs.as_slice().len(), MAX_EPOCHS);
}

pub(crate) async fn each_group_tears_by_its_own_number(world: &dyn World) {
    let channel = channel("breaks:groups");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let epochs = async |breaks: &Breaks| {
        ports.register(&channel, &token("r1", 1), breaks).await.unwrap().epochs.as_slice().to_vec()
    };
    let one = Breaks::of("a", 1_000);
    assert_eq!(epochs(&one).await.len(), 1, "a new channel has nothing to tear");
    let both = one.raised("b", 7).unwrap();
    assert_eq!(epochs(&both).await.last().unwrap().torn, Some(Torn::Source), "though lower than the other's");
    assert_eq!(epochs(&both).await.len(), 2);
    assert_eq!(epochs(&Breaks::of("b", 7)).await.len(), 2, "who knows less tears nothing");
    assert_eq!(epochs(&both.raised("b", 8).unwrap()).await.len(), 3);
    let kept = self::channel("breaks:kept");
    ports.keep(&kept).await.unwrap();
    let head = ports.read(&kept, Position(0), 1).await.unwrap().standing.head();
    let registered = ports.register(&kept, &token("r1", 1), &both).await.unwrap();
    assert!(!registered.epochs.continue_from(head), "who made it knew of no break: it may have missed one");
}

pub(crate) async fn another_data_set_is_refused_and_nothing_written(world: &dyn World) {
    let channel = channel("other-data-set");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let data_set = ports.data_set().await.unwrap();
    let wrong = DataSet(Arc::new(data_set.0.keys().map(|primary| (primary.clone(), "0".repeat(40))).collect()));
    for wrong in [wrong, DataSet::default()] {
        let refused = ports.append(batch(&channel, &wrong, vec![placed(1)])).await;
        assert!(matches!(refused, Err(BacklogError::DataSetChanged)), "{refused:?}");
        let marked =
            ports.mark("other", &wrong, &Offsets::new(), &Offsets::from([(("t".into(), 0), 1)])).await.unwrap();
        assert_eq!(marked, Marked::Forgotten);
    }
    assert_eq!(append(&ports, &channel, [1]).await.0, 1);
}

pub(crate) async fn a_key_of_another_type_is_refused_for_good(world: &dyn World) {
    let channel = channel("spoilt");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    world.spoil(&channel);
    let data_set = ports.data_set().await.unwrap();
    let refused = ports.append(batch(&channel, &data_set, vec![placed(1)])).await;
    assert!(matches!(refused, Err(BacklogError::Refused(_))), "{refused:?}");
    let refused = ports.register(&channel, &token("r1", 1), &Breaks::default()).await;
    assert!(matches!(refused, Err(BacklogError::Refused(_))), "{refused:?}");
    assert!(matches!(ports.keep(&channel).await, Err(BacklogError::Refused(_))));
    assert!(ports.owners(&channel).await.unwrap().is_empty());
}

pub(crate) async fn a_page_is_bounded_in_bytes_but_holds_an_entry(world: &dyn World) {
    let channel = channel("pages");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let data_set = ports.data_set().await.unwrap();
    let large = |place: u64, bytes: usize| Placed {
        event: Arc::new(Event { data: vec![b'x'; bytes].into(), ..(*placed(place).event).clone() }),
        once: None,
    };
    for (place, bytes) in [(0, 1), (1, MAX_PAGE_BYTES + 1), (2, 1)] {
        ports.append(batch(&channel, &data_set, vec![large(place, bytes)])).await.unwrap();
    }
    for place in 3..60 {
        ports.append(batch(&channel, &data_set, vec![large(place, 200 << 10)])).await.unwrap();
    }
    let (mut places, mut counts, mut after) = (Vec::new(), Vec::new(), Position(0));
    while places.len() < 60 {
        let page = ports.read(&channel, after, 100).await.unwrap();
        after = page.entries.last().expect("one at least").0;
        counts.push(page.entries.len());
        places.extend(page.entries.iter().map(|(_, event)| event.origin.place));
    }
    assert_eq!(places, (0..60).collect::<Vec<_>>());
    assert_eq!(counts[..2], [1, 1], "a large one alone");
    assert!(counts[2..].iter().all(|count| (1..=21).contains(count)), "{counts:?}");
}

pub(crate) async fn a_backlog_is_trimmed_by_count(world: &dyn World) {
    let channel = channel("count");
    let ports = world.connect(Limits { events: 100, ..Limits::default() }, Arc::new(Ear::default()));
    for start in (0..1_000).step_by(50) {
        append(&ports, &channel, start..start + 50).await;
    }
    let left = places(&ports, &channel, Position(0)).await;
    assert!((100..=300).contains(&left.len()), "{} are left", left.len());
    assert_eq!(left, (1_000 - left.len() as u64..1_000).collect::<Vec<_>>(), "the newest, contiguous");
}

pub(crate) async fn a_backlog_is_trimmed_by_age(world: &dyn World) {
    let channel = channel("age");
    let limits = Limits { age: Duration::from_secs(2), ..Limits::default() };
    let ports = world.connect(limits, Arc::new(Ear::default()));
    let owned = [(channel.clone(), token("r1", 1))];
    ports.register(&channel, &owned[0].1, &Breaks::default()).await.unwrap();
    let (_, _, head) = append(&ports, &channel, [1, 2, 3]).await;
    assert_eq!(places(&ports, &channel, Position(0)).await, [1, 2, 3]);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !places(&ports, &channel, Position(0)).await.is_empty() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(
            ports.verify(&owned, &Breaks::default()).await[0].as_ref().unwrap().head(),
            head,
            "trimming moves no position"
        );
    }
    let old = Event { time: Timestamp(now().0 - 60_000), ..(*placed(4).event).clone() };
    let data_set = ports.data_set().await.unwrap();
    let late = Placed { event: Arc::new(old), once: None };
    assert_eq!(ports.append(batch(&channel, &data_set, vec![late])).await.unwrap().stored, 1);
    assert!(places(&ports, &channel, Position(0)).await.is_empty(), "what came too late isn't kept");
    let head = head.next();
    assert_eq!(append(&ports, &channel, [4, 5]).await, (1, 1, head.next()), "what was trimmed isn't forgotten");
    assert_eq!(places(&ports, &channel, Position(0)).await, [5]);
}

/// Calls `$macro` with the names of all of them.
macro_rules! for_each {
    ($macro:ident $($more:tt)*) => {
        $macro! { $($more)*
            an_event_comes_back_and_is_announced_as_it_was_appended,
            positions_are_contiguous_and_pages_too,
            repeats_are_told_by_place_and_generation,
            an_id_is_a_repeat_only_within_its_source_and_generation,
            the_last_thousand_ids_are_known,
            two_appenders_of_one_channel_share_its_positions,
            what_is_read_after_registering_and_what_is_announced_leave_no_hole,
            only_the_token_that_registered_unregisters,
            verify_answers_in_order_and_keeps_ownership,
            a_break_tears_the_epoch_once,
            each_group_tears_by_its_own_number,
            another_data_set_is_refused_and_nothing_written,
            a_key_of_another_type_is_refused_for_good,
            marks_are_remembered_until_they_fall,
            closed_before_grows_and_is_bounded_by_the_servers_time,
            a_page_is_bounded_in_bytes_but_holds_an_entry,
            a_backlog_is_trimmed_by_count,
            a_backlog_is_trimmed_by_age,
            a_lease_is_taken_once_renewed_and_lost,
            a_ticket_is_taken_once_and_lapses,
            the_first_secret_is_everybodys_until_nobody_asks,
            confirmations_are_told_until_they_lapse,
            a_quota_counts_what_live_holders_say,
            connections_and_control_are_told,
        }
    };
}
pub(crate) use for_each;
