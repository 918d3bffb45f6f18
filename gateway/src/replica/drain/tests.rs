//! Drains in paused time.

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::*;
use crate::backlog::Lease;
use crate::replica::connections::{Connections, Place};
use crate::replica::fake::FakeDirectory;

/// Streams that end a moment after they are told to.
struct Held {
    places: Arc<Mutex<Vec<Option<Place>>>>,
    closed: Arc<Mutex<Vec<(usize, Instant, Closing)>>>,
}

impl Held {
    fn open(connections: &Arc<Connections>, count: usize) -> Self {
        let held = Self { places: Arc::default(), closed: Arc::default() };
        for number in 0..count {
            let mut place = connections.admit().unwrap();
            let (places, closed) = (Arc::downgrade(&held.places), held.closed.clone());
            let close = Arc::new(move |closing| {
                closed.lock().push((number, Instant::now(), closing));
                let place = places.upgrade().and_then(|places| places.lock()[number].take());
                drop(place);
            });
            place.fill(crate::replica::connections::tests::entry(&number.to_string()), close);
            held.places.lock().push(Some(place));
        }
        held
    }

    fn count(&self) -> usize {
        self.closed.lock().len()
    }
}

fn options() -> Options {
    Options { settle: Duration::from_secs(2), closes_per_second: 100.0, ..Options::default() }
}

fn nothing_to_hand_over() -> HandOver {
    Arc::new(|_| Box::pin(std::future::ready(())))
}

fn drain(replica: &Arc<Replica>, directory: &Arc<FakeDirectory>, options: Options) -> Arc<Drain> {
    Drain::new(replica.clone(), directory.clone(), nothing_to_hand_over(), options)
}

fn lease_of(replica: &str, state: ReplicaState, connections: u64) -> Lease {
    Lease {
        replica: replica.to_owned(),
        pod: String::new(),
        address: String::new(),
        started: events_gateway_core::Timestamp(0),
        version: String::new(),
        state,
        connections,
        rates: Default::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn streams_are_closed_oldest_first_at_the_rate_and_told_to_spread_their_return() {
    let (replica, directory) = (Replica::new(1_000), FakeDirectory::new());
    let held = Held::open(replica.connections(), 500);
    let began = Instant::now();
    assert_eq!(drain(&replica, &directory, options()).run().await, Drained::Empty);
    let closed = held.closed.lock().clone();
    assert!(closed.iter().map(|(number, ..)| *number).eq(0..500));
    assert!(closed[0].1 - began >= Duration::from_secs(2), "settles first");
    let took = closed[499].1 - closed[0].1;
    assert!((Duration::from_millis(4_800)..Duration::from_millis(5_200)).contains(&took), "{took:?}");
    let waits: Vec<_> = closed.iter().map(|(.., closing)| closing.reconnect_after_ms).collect();
    assert!(waits.iter().all(|wait| *wait <= 5_000));
    assert!(waits.iter().any(|wait| *wait < 1_000) && waits.iter().any(|wait| *wait > 4_000));
    assert!(closed.iter().all(|(.., closing)| closing.reason == DisconnectReason::Drain && closing.retryable));
    assert_eq!(replica.state(), ReplicaState::Draining);
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_shared_with_the_others_that_drain() {
    let (replica, directory) = (Replica::new(1_000), FakeDirectory::new());
    directory.insert(lease_of("other", ReplicaState::Draining, 900));
    directory.insert(lease_of("serving", ReplicaState::Serving, 5_000));
    let held = Held::open(replica.connections(), 100);
    let running = tokio::spawn({
        let drain = drain(&replica, &directory, options());
        async move { drain.run().await }
    });
    tokio::time::sleep(Duration::from_millis(4_000)).await;
    // 10 of 100 in a second are ours, fewer as we have fewer.
    assert!((15..=21).contains(&held.count()), "{}", held.count());
    directory.forget();
    assert_eq!(running.await.unwrap(), Drained::Empty);
}

#[tokio::test(start_paused = true)]
async fn what_is_open_at_the_time_out_is_closed_at_once() {
    let (replica, directory) = (Replica::new(1_000), FakeDirectory::new());
    let held = Held::open(replica.connections(), 1_000);
    let options = Options { timeout: Duration::from_secs(5), ..options() };
    let began = Instant::now();
    let drained = drain(&replica, &directory, options).run().await;
    let Drained::TimedOut { rest } = drained else { panic!("{drained:?}") };
    assert!((650..=750).contains(&rest), "{rest}");
    assert_eq!(held.count(), 1_000);
    assert!(began.elapsed() < Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_directory_holds_nothing_up() {
    let (replica, directory) = (Replica::new(1_000), FakeDirectory::new());
    directory.away(true);
    let held = Held::open(replica.connections(), 100);
    assert_eq!(drain(&replica, &directory, options()).run().await, Drained::Empty);
    assert_eq!(held.count(), 100);
}

#[tokio::test(start_paused = true)]
async fn undoing_stops_the_closing_and_takes_part_again() {
    let (replica, directory) = (Replica::new(1_000), FakeDirectory::new());
    let held = Held::open(replica.connections(), 1_000);
    let calls: Arc<Mutex<Vec<bool>>> = Arc::default();
    let hand_over: HandOver = {
        let calls = calls.clone();
        Arc::new(move |over| {
            calls.lock().push(over);
            Box::pin(std::future::ready(()))
        })
    };
    let drain = Drain::new(replica.clone(), directory, hand_over, options());
    tokio::spawn(drain.clone().follow());
    assert!(drain.begin());
    assert!(!drain.begin(), "once is enough");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(drain.undo());
    let closed = held.count();
    assert!((100..=300).contains(&closed), "{closed}");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(held.count(), closed);
    assert_eq!(*calls.lock(), [true, false]);
    assert_eq!(replica.state(), ReplicaState::Serving);
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_that_hangs_is_given_up_at_the_time_out() {
    let (replica, directory) = (Replica::new(10), FakeDirectory::new());
    let hangs = Arc::new(Notify::new());
    let hand_over: HandOver = Arc::new(move |_| {
        let hangs = hangs.clone();
        Box::pin(async move { hangs.notified().await })
    });
    let began = Instant::now();
    let drained = Drain::new(replica, directory, hand_over, options()).run().await;
    assert_eq!(drained, Drained::Empty);
    let took = began.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(31)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_signal_drains_and_the_second_aborts() {
    let signals = |seconds: &[u64]| {
        let began = Instant::now();
        futures_util::stream::iter(seconds.to_vec())
            .then(move |second| sleep_until(began + Duration::from_secs(second)))
    };
    let (replica, directory) = (Replica::new(1_000), FakeDirectory::new());
    let held = Held::open(replica.connections(), 500);
    let drain = drain(&replica, &directory, options());
    assert_eq!(drain.on_signals(signals(&[1, 5])).await, Ending::Aborted);
    assert!((1..500).contains(&held.count()));
    assert_eq!(drain.on_signals(signals(&[0])).await, Ending::Drained(Drained::Empty));
    assert_eq!(held.count(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_signal_goes_on_with_a_drain_and_repeats_none() {
    let signal_after = |wait: u64| {
        let signal = futures_util::stream::once(sleep(Duration::from_secs(wait))).map(|()| ());
        signal.chain(futures_util::stream::pending())
    };
    // (streams, when the signal comes, when the process may end, of the drain's 10 s)
    for (streams, signal, ends) in [(10_000, 6, 10..13), (100, 6, 6..7), (100, 60, 60..61)] {
        let (replica, directory) = (Replica::new(10_000), FakeDirectory::new());
        let held = Held::open(replica.connections(), streams);
        let options = Options { timeout: Duration::from_secs(10), ..options() };
        let drain = drain(&replica, &directory, options);
        tokio::spawn(drain.clone().follow());
        let began = Instant::now();
        assert_eq!(drain.course(), None);
        drain.begin();
        assert_eq!(drain.course(), Some(Course { began, ended: false }));
        assert!(matches!(drain.on_signals(signal_after(signal)).await, Ending::Drained(_)));
        let took = began.elapsed().as_secs();
        assert!(ends.contains(&took), "{streams} streams, signal after {signal} s: {took} s");
        assert_eq!(held.count(), streams);
        assert_eq!(drain.course(), Some(Course { began, ended: true }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_was_undone_begins_anew() {
    let (replica, directory) = (Replica::new(1_000), FakeDirectory::new());
    let drain = drain(&replica, &directory, options());
    tokio::spawn(drain.clone().follow());
    for round in 0..2 {
        let held = Held::open(replica.connections(), 100);
        let began = Instant::now();
        assert!(drain.begin());
        while !drain.course().unwrap().ended {
            sleep(TICK).await;
        }
        assert_eq!(held.count(), 100, "round {round}");
        assert!(began.elapsed() >= Duration::from_secs(2), "settles in each");
        assert!(drain.undo());
        assert_eq!(drain.course(), None);
        sleep(TICK).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_keeps_the_rate_whoever_else_follows_the_state() {
    for is_draining_already in [false, true] {
        let (replica, directory) = (Replica::new(1_000), FakeDirectory::new());
        let held = Held::open(replica.connections(), 500);
        let drain = drain(&replica, &directory, options());
        let follower = tokio::spawn(drain.clone().follow());
        if is_draining_already {
            drain.begin();
        }
        let signal = futures_util::stream::once(sleep(Duration::from_secs(3))).map(|()| ());
        let signals = signal.chain(futures_util::stream::pending());
        assert_eq!(drain.on_signals(signals).await, Ending::Drained(Drained::Empty));
        let closed: Vec<Instant> = held.closed.lock().iter().map(|(_, at, _)| *at).collect();
        let second = Duration::from_secs(1);
        let most = closed.iter().map(|from| closed.iter().filter(|at| **at >= *from && **at - *from < second).count());
        assert!(most.max().unwrap() <= 110, "closes in any second");
        assert!(!follower.is_finished(), "it ends the process when it ends");
    }
}
