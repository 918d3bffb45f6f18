//! What a stream gives its client, on the in-memory backlog with paused time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use events_gateway::backlog::memory::{self, Keep, MemoryBacklog, Store};
use events_gateway::backlog::{Backlog, Batch, Breaks, Placed, Watermarks};
use events_gateway::clock;
use events_gateway::hub::{Hub, HubListener, Options, Resume, Stream, Subscribe};
use events_gateway_core::cursor::ChannelSet;
use events_gateway_core::disconnect::{Closing, DisconnectReason};
use events_gateway_core::join::{Bounds, Overflow, Pending};
use events_gateway_core::source::{Generation, Origin, SourceId};
use events_gateway_core::{Channel, Event, Timestamp};
use futures_util::StreamExt;

struct Replica {
    hub: Arc<Hub>,
    backlog: Arc<MemoryBacklog>,
    /// What is added to the time of events and of openings, in ms.
    later: AtomicU64,
}

fn replica(store: &Store, name: &str, options: Options) -> Replica {
    let listener = Arc::new(HubListener::default());
    let backlog = Arc::new(store.connect(memory::Options::default(), listener.clone()));
    let hub = Hub::new(backlog.clone(), options, name);
    listener.connect(Arc::clone(&hub));
    tokio::spawn(Arc::clone(&hub).verify());
    Replica { hub, backlog, later: AtomicU64::new(0) }
}

fn channel(name: &str) -> Channel {
    Channel::parse(name).unwrap()
}

impl Replica {
    fn now(&self) -> Timestamp {
        Timestamp(clock::now().0 + self.later.load(Ordering::Relaxed))
    }

    fn open(&self, channels: &[&str], resume: Resume) -> Client {
        self.open_for(channels, resume, None)
    }

    /// Opens a stream whose right to be open ends after so long.
    fn open_for(&self, channels: &[&str], resume: Resume, lasts: Option<Duration>) -> Client {
        let opened = self.now();
        let channels = ChannelSet::new(channels.iter().map(|name| channel(name))).unwrap();
        let ends = lasts.map(|lasts| Timestamp(opened.0 + lasts.as_millis() as u64));
        let request = Subscribe { resume, opened, ends, ..Subscribe::to(channels, "c1".into()) };
        self.subscribe(request)
    }

    fn subscribe(&self, request: Subscribe) -> Client {
        let stream = self.hub.subscribe(request).unwrap();
        Client { stream, text: String::new(), id: String::new() }
    }

    async fn append(&self, name: &str, places: std::ops::Range<u64>) {
        self.append_keyed(name, places, |_| None).await;
    }

    async fn append_keyed(&self, name: &str, places: std::ops::Range<u64>, key: impl Fn(u64) -> Option<Arc<str>>) {
        self.append_with(name, places, key, "").await;
    }

    async fn append_with(
        &self,
        name: &str,
        places: std::ops::Range<u64>,
        key: impl Fn(u64) -> Option<Arc<str>>,
        rest: &str,
    ) {
        let source = SourceId::new("b", name, 0);
        let events = places
            .map(|place| Placed {
                event: Arc::new(Event {
                    kind: "n".into(),
                    data: Bytes::from(format!("{name} {place}{rest}")),
                    time: self.now(),
                    attributes: Default::default(),
                    id: None,
                    key: key(place),
                    origin: Origin { source: source.clone(), generation: Generation(1), place },
                }),
                once: None,
            })
            .collect();
        let batch = Batch {
            channel: channel(name),
            source: source.clone(),
            generation: Generation(1),
            data_set: self.backlog.data_set().await.unwrap(),
            breaks: Breaks::default(),
            events,
        };
        self.backlog.append(batch).await.unwrap();
    }
}

/// A client that takes blocks off its stream.
struct Client {
    stream: Stream,
    text: String,
    id: String,
}

impl Client {
    /// The next block that has an event or an id, as `type: data`; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let (mut kind, mut data) = ("message".to_owned(), Vec::new());
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => self.id = id.to_owned(),
                        Some(("event", name)) => kind = name.to_owned(),
                        Some(("data", line)) => data.push(line.to_owned()),
                        _ => {}
                    }
                }
                if !data.is_empty() {
                    return Some(format!("{kind}: {}", data.join("\n")));
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(120), self.stream.next()).await.expect("a chunk");
            self.text.push_str(std::str::from_utf8(&chunk?).unwrap());
        }
    }

    async fn opened(mut self) -> Self {
        let open = self.next().await.unwrap();
        assert!(open.starts_with("gateway.open: {\"connection\":\"c1\""), "{open}");
        assert!(!self.id.is_empty(), "a client that dies before its first event resumes rightly");
        self
    }

    async fn expect(&mut self, name: &str, places: std::ops::Range<u64>) {
        for place in places {
            assert_eq!(self.next().await.unwrap(), format!("n: {name} {place}"));
        }
    }

    async fn expect_gap(&mut self, reason: &str) -> String {
        let gap = self.next().await.unwrap();
        assert!(gap.starts_with("gateway.gap: ") && gap.contains(&format!("\"reason\":\"{reason}\"")), "{gap}");
        gap
    }

    async fn expect_silence(&mut self) {
        let waited = tokio::time::timeout(Duration::from_secs(5), self.next()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
}

fn small_ring() -> Options {
    Options { ring: Bounds { events: 4, bytes: 1 << 20 }, heartbeat: Duration::from_secs(100), ..Options::default() }
}

mod hub {
    mod filtered;
    mod own;
}

#[tokio::test(start_paused = true)]
async fn live_events_arrive_in_order_whichever_replica_appended_them() {
    let store = Store::default();
    let (one, two) = (replica(&store, "1", Options::default()), replica(&store, "2", Options::default()));
    let mut client = one.open(&["a", "b"], Resume::Live).opened().await;
    two.append("a", 0..3).await;
    client.expect("a", 0..3).await;
    one.append("b", 0..2).await;
    client.expect("b", 0..2).await;
    client.expect_silence().await;
}

#[tokio::test(start_paused = true)]
async fn a_cursor_resumes_from_memory_from_the_backlog_and_on_another_replica() {
    let store = Store::default();
    let (one, two) = (replica(&store, "1", small_ring()), replica(&store, "2", small_ring()));
    let mut client = one.open(&["a"], Resume::Live).opened().await;
    one.append("a", 0..1).await;
    client.expect("a", 0..1).await;
    let cursor = client.id.clone();
    one.append("a", 1..3).await;
    one.open(&["a"], Resume::Cursor(cursor.clone())).opened().await.expect("a", 1..3).await;
    one.append("a", 3..40).await;
    let reads = one.hub.counters().page_reads.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(reads, 0, "so far the ring had it all");
    one.open(&["a"], Resume::Cursor(cursor.clone())).opened().await.expect("a", 1..40).await;
    let mut elsewhere = two.open(&["a"], Resume::Cursor(cursor)).opened().await;
    elsewhere.expect("a", 1..40).await;
    two.append("a", 40..41).await;
    elsewhere.expect("a", 40..41).await;
}

#[tokio::test(start_paused = true)]
async fn many_who_resume_together_share_their_reads() {
    let store = Store::default();
    let (one, two) = (replica(&store, "1", Options::default()), replica(&store, "2", Options::default()));
    let client = one.open(&["a"], Resume::Live).opened().await;
    one.append("a", 0..100).await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(tokio::spawn({
            let mut client = two.open(&["a"], Resume::Cursor(client.id.clone()));
            async move {
                client.next().await;
                client.expect("a", 0..100).await;
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    let reads = two.hub.counters().page_reads.load(std::sync::atomic::Ordering::Relaxed);
    assert!((1..=4).contains(&reads), "{reads} reads for 200 clients");
}

#[tokio::test(start_paused = true)]
async fn earliest_starts_with_what_is_retained_and_an_unknown_cursor_says_so() {
    let store = Store::default();
    let one = replica(&store, "1", Options::default());
    one.append("a", 0..5).await;
    one.open(&["a"], Resume::Earliest).opened().await.expect("a", 0..5).await;
    let mut client = one.open(&["a"], Resume::Cursor("garbage".into())).opened().await;
    client.expect_gap("unknown-cursor").await;
    one.append("a", 5..6).await;
    client.expect("a", 5..6).await;
}

#[tokio::test(start_paused = true)]
async fn announcements_lost_while_cut_off_are_repaired() {
    let store = Store::default();
    let (one, two) = (replica(&store, "1", Options::default()), replica(&store, "2", Options::default()));
    let mut client = one.open(&["a"], Resume::Live).opened().await;
    one.backlog.cut_off();
    two.append("a", 0..300).await;
    one.backlog.reconnect();
    client.expect("a", 0..300).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_kept_everything_tells_no_gap() {
    let store = Store::default();
    let one = replica(&store, "1", Options::default());
    let mut client = one.open(&["a"], Resume::Live).opened().await;
    one.append("a", 0..5).await;
    client.expect("a", 0..5).await;
    store.restart(Keep::Everything);
    one.append("a", 3..8).await;
    client.expect("a", 5..8).await;
    let cursor = client.id.clone();
    one.append("a", 8..9).await;
    one.open(&["a"], Resume::Cursor(cursor)).opened().await.expect("a", 8..9).await;
}

#[tokio::test(start_paused = true)]
async fn a_flush_is_told_to_those_who_stay_and_those_who_come_back() {
    let store = Store::default();
    let one = replica(&store, "1", Options::default());
    let mut client = one.open(&["a"], Resume::Live).opened().await;
    one.append("a", 0..5).await;
    client.expect("a", 0..5).await;
    let cursor = client.id.clone();
    store.restart(Keep::Nothing);
    one.append("a", 5..6).await;
    client.expect_gap("epoch").await;
    client.expect("a", 5..6).await;
    let mut back = one.open(&["a"], Resume::Cursor(cursor)).opened().await;
    assert!(back.expect_gap("epoch").await.contains("\"may_repeat\":true"));
    back.expect("a", 5..6).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_beats_and_ages() {
    let store = Store::default();
    let options = Options {
        max_age: Some(Duration::from_secs(100)),
        max_age_jitter: Duration::from_secs(10),
        ..Options::default()
    };
    let one = replica(&store, "1", options);
    let mut client = one.open(&["a"], Resume::Live).opened().await;
    let started = tokio::time::Instant::now();
    let beat = client.stream.next().await.unwrap();
    assert_eq!(&beat[..], b":\n\n");
    assert_eq!(started.elapsed().as_secs(), 15);
    let closing = client.next().await.unwrap();
    assert!(closing.starts_with(r#"gateway.closing: {"reason":"max-age","retryable":true"#), "{closing}");
    assert!((100..=111).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert_eq!(client.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_right_to_it_and_says_so_before() {
    let store = Store::default();
    let one = replica(&store, "1", Options { heartbeat: Duration::from_secs(600), ..Options::default() });
    let started = tokio::time::Instant::now();
    let mut client = one.open_for(&["a"], Resume::Live, Some(Duration::from_secs(100))).opened().await;
    assert_eq!(client.next().await.as_deref(), Some(r#"gateway.expiring: {"expires_in_ms":30000}"#));
    assert_eq!(started.elapsed().as_secs(), 70);
    let closing = client.next().await.unwrap();
    assert!(closing.starts_with(r#"gateway.closing: {"reason":"token-expired","retryable":true"#), "{closing}");
    assert_eq!(started.elapsed().as_secs(), 100);
    assert_eq!(client.next().await, None);

    let mut short = one.open_for(&["a"], Resume::Live, Some(Duration::from_secs(10))).opened().await;
    assert!(short.next().await.unwrap().starts_with("gateway.expiring: {\"expires_in_ms\":"), "told at once");
    assert!(short.next().await.unwrap().contains("token-expired"));
    let mut over = one.open_for(&["a"], Resume::Live, Some(Duration::ZERO));
    let chunk = over.stream.next().await.unwrap();
    assert!(String::from_utf8_lossy(&chunk).contains("token-expired"), "{chunk:?}");
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_closes_what_was_opened_before_and_nothing_later() {
    let store = Store::default();
    let (one, two) = (replica(&store, "1", Options::default()), replica(&store, "2", Options::default()));
    let mut client = one.open(&["a"], Resume::Live).opened().await;
    // The server's clock bounds the command's; the connection has to be older than both.
    std::thread::sleep(Duration::from_millis(5));
    two.backlog.close_before(&channel("a"), clock::now()).await.unwrap();
    let closing = client.next().await.unwrap();
    assert!(closing.starts_with(r#"gateway.closing: {"reason":"disconnected","retryable":false"#), "{closing}");
    let mut later = one.open(&["a"], Resume::Live).opened().await;
    two.append("a", 0..1).await;
    later.expect("a", 0..1).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_closed_by_its_handle() {
    let store = Store::default();
    let one = replica(&store, "1", Options::default());
    let mut client = one.open(&["a"], Resume::Live).opened().await;
    client.stream.handle().close(Closing::new(DisconnectReason::Drain, 1_234));
    let closing = client.next().await.unwrap();
    assert_eq!(closing, r#"gateway.closing: {"reason":"drain","retryable":true,"reconnect_after_ms":1234}"#);
    assert_eq!(client.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_opens_without_the_backlog_and_gets_what_came_since() {
    let store = Store::default();
    let (one, two) = (replica(&store, "1", Options::default()), replica(&store, "2", Options::default()));
    two.append("a", 0..1).await;
    one.backlog.cut_off();
    for replica in [&one, &two] {
        replica.later.store(60_000, Ordering::Relaxed);
    }
    let mut client = one.open(&["a"], Resume::Live).opened().await;
    two.append("a", 1..3).await;
    one.backlog.reconnect();
    client.expect("a", 1..3).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_opened_without_the_backlog_is_told_if_that_was_lost_since() {
    let store = Store::default();
    let (one, two) = (replica(&store, "1", Options::default()), replica(&store, "2", Options::default()));
    two.append("a", 0..1).await;
    one.backlog.cut_off();
    let mut client = one.open(&["a"], Resume::Live).opened().await;
    two.append("a", 1..3).await;
    store.flush();
    two.append("a", 3..4).await;
    one.backlog.reconnect();
    client.expect_gap("epoch").await;
    client.expect("a", 3..4).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_served_as_its_channels_policy_says() {
    for (overflow, expected) in [
        (Overflow::Disconnect, vec!["gateway.closing"]),
        (Overflow::DropOldest, vec!["gateway.gap", "n: a 8", "n: a 9"]),
        (Overflow::LatestPerKey, vec!["gateway.gap", "n: a 8", "n: a 9"]),
    ] {
        let store = Store::default();
        let pending = Pending { events: 2, overflow, ..Pending::default() };
        let one = replica(&store, "1", Options { pending: Arc::new(move |_| pending), ..Options::default() });
        let mut client = one.open(&["a"], Resume::Live).opened().await;
        one.append("a", 0..1).await;
        client.expect("a", 0..1).await;
        one.append_keyed("a", 1..10, |place| Some(if place % 2 == 0 { "even".into() } else { "odd".into() })).await;
        for expected in expected {
            let got = client.next().await.unwrap();
            assert!(got.starts_with(expected), "{overflow:?}: {got}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_lingers_and_is_given_up() {
    let store = Store::default();
    let one = replica(&store, "1", Options::default());
    let client = one.open(&["a"], Resume::Live).opened().await;
    assert_eq!(one.hub.feeds(), 1);
    drop(client);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut again = one.open(&["a"], Resume::Live).opened().await;
    one.append("a", 0..1).await;
    again.expect("a", 0..1).await;
    drop(again);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(one.hub.feeds(), 0);
}

#[tokio::test(start_paused = true)]
async fn there_is_room_for_so_many_channels_and_for_any_number_of_streams_of_them() {
    let store = Store::default();
    let one = replica(&store, "1", Options { max_channels: 2, ..Options::default() });
    let of = |names: &[&str]| ChannelSet::new(names.iter().map(|name| Channel::parse(name).unwrap())).unwrap();
    let client = one.open(&["a", "b"], Resume::Live).opened().await;
    assert!(one.hub.has_room(&of(&["b", "a"])));
    assert!(!one.hub.has_room(&of(&["a", "c"])));
    drop(client);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(one.hub.has_room(&of(&["c", "d"])) && !one.hub.has_room(&of(&["c", "d", "e"])));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_always_has_more_than_a_chunk_keeps_no_other_waiting() {
    let options = Options {
        ring: Bounds { events: 100_000, bytes: 64 << 20 },
        pending: Arc::new(|_| Pending { events: 100_000, bytes: 64 << 20, overflow: Overflow::Disconnect }),
        ..Options::default()
    };
    let replica = replica(&Store::default(), "r1", options);
    let mut client = replica.open(&["busy", "quiet"], Resume::Live).opened().await;
    // Each line grows by its field name: what is written is more than what was asked for.
    let flood = async |places| replica.append_with("busy", places, |_| None, &"\n".repeat(4_000)).await;
    flood(0..30).await;
    replica.append("quiet", 0..1).await;
    let first = client.stream.next().await.unwrap();
    assert!(first.len() >= 64 << 10, "{} bytes are no chunk", first.len());
    flood(30..60).await;
    let second = client.stream.next().await.unwrap();
    assert!(std::str::from_utf8(&second).unwrap().contains("data: quiet 0"), "it is served before more of the other");
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_large_events_reads_small_pages_and_misses_nothing() {
    let store = Store::default();
    let (one, two) = (replica(&store, "1", small_ring()), replica(&store, "2", small_ring()));
    let mut client = one.open(&["a"], Resume::Live).opened().await;
    let large = format!(" {}", "x".repeat(1 << 18));
    for place in 0..100 {
        two.append_with("a", place..place + 1, |_| None, &large).await;
        let got = client.next().await.unwrap();
        assert!(got.starts_with(&format!("n: a {place} xxx")), "{place}");
    }
    let mut late = two.open(&["a"], Resume::Earliest).opened().await;
    for place in 0..100 {
        assert!(late.next().await.unwrap().starts_with(&format!("n: a {place} xxx")), "{place}");
    }
    let reads = two.hub.counters().page_reads.load(std::sync::atomic::Ordering::Relaxed);
    assert!(reads >= 2, "{reads} reads");
}

#[tokio::test(start_paused = true)]
async fn replays_that_stand_far_apart_do_not_wait_for_each_others_pages() {
    let store = Store::default();
    let (one, two) = (replica(&store, "1", small_ring()), replica(&store, "2", small_ring()));
    let mut client = one.open(&["a"], Resume::Live).opened().await;
    let mut cursors = vec![client.id.clone()];
    for batch in 0..20 {
        one.append("a", batch * 100..batch * 100 + 100).await;
        one.open(&["a"], Resume::Cursor(cursors[batch as usize].clone()))
            .opened()
            .await
            .expect("a", batch * 100..batch * 100 + 100)
            .await;
        client = one.open(&["a"], Resume::Live).opened().await;
        cursors.push(client.id.clone());
    }
    let began = tokio::time::Instant::now();
    let mut readers = Vec::new();
    for (batch, cursor) in cursors.into_iter().enumerate() {
        let mut reader = two.open(&["a"], Resume::Cursor(cursor));
        readers.push(tokio::spawn(async move {
            reader.next().await;
            reader.expect("a", batch as u64 * 100..2_000).await;
        }));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}: nobody waits for a heartbeat", began.elapsed());
}
