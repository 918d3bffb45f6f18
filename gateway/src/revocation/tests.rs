//! What revocations do here, with time that we make pass, and the topic on a broker that is played.

use rdkafka::mocking::MockCluster;

use super::reader::Reader;
use super::revoker::Revoker;
use super::*;
use crate::backlog::ConnectionEntry;
use crate::replica::connections::Place;
use crate::replica::connections::tests::entry;
use crate::source::kafka::options::Client;

const ISSUER: &str = "https://id";
const DAY: Duration = Duration::from_secs(24 * 3_600);
const NOW: u64 = 1_800_000_000_000;

fn options() -> Options {
    Options {
        retention: DAY,
        cut_off_after: Duration::from_secs(30),
        disconnects: false,
        most: 100,
        reconnect: Reconnect { after: Duration::from_secs(1), jitter: Duration::ZERO },
    }
}

fn subject(name: &str) -> Target {
    Target { issuer: ISSUER.into(), whom: Whom::Subject(name.into()) }
}

fn proof(name: &str, issued: u64) -> Proof {
    Proof::new(ISSUER, name, Some(&format!("token of {name}")), Some(issued), None)
}

fn apply(revocations: &Revocations, target: &Target, issued_before: u64) {
    let revocation = Revocation { target: target.clone(), issued_before, revoked: NOW };
    revocations.apply(Some(target.key().as_bytes()), Some(revocation.value().as_bytes()), NOW).unwrap();
}

type Ended = Arc<Mutex<Vec<(String, DisconnectReason)>>>;

fn open(connections: &Arc<Connections>, id: &str, proof: Option<Proof>, ended: &Ended) -> Place {
    let (ended, name) = (ended.clone(), id.to_owned());
    let mut place = connections.admit().unwrap();
    let close = Arc::new(move |closing: Closing| ended.lock().push((name.clone(), closing.reason)));
    place.fill(ConnectionEntry { proof, issuer: proof.map(|_| ISSUER.into()), ..entry(id) }, close);
    place
}

#[tokio::test(start_paused = true)]
async fn nobody_is_proven_before_the_topic_was_read_and_the_revoked_never() {
    let revocations = Revocations::new(options(), &Connections::new(10));
    apply(&revocations, &subject("ann"), NOW);
    assert_eq!(revocations.judge(&proof("bob", NOW)), Err(TokenError::NoRevocations));
    assert_eq!(revocations.judge(&proof("ann", NOW - 1)), Err(TokenError::Revoked));
    revocations.read_as_of(Instant::now());
    assert_eq!(revocations.judge(&proof("bob", NOW)), Ok(()));
    assert_eq!(revocations.judge(&proof("ann", NOW)), Ok(()));
    assert_eq!(revocations.judge(&proof("ann", NOW - 1)), Err(TokenError::Revoked));
}

#[tokio::test(start_paused = true)]
async fn open_streams_of_the_revoked_are_ended_and_no_others() {
    let (connections, ended) = (Connections::new(10), Ended::default());
    let revocations = Revocations::new(options(), &connections);
    revocations.read_as_of(Instant::now());
    let _places = [
        open(&connections, "old", Some(proof("ann", NOW - 1)), &ended),
        open(&connections, "new", Some(proof("ann", NOW)), &ended),
        open(&connections, "bob", Some(proof("bob", 0)), &ended),
        open(&connections, "nobody", None, &ended),
    ];
    apply(&revocations, &subject("ann"), NOW);
    assert_eq!(*ended.lock(), [("old".to_owned(), DisconnectReason::Revoked)]);
    let token = Target { issuer: ISSUER.into(), whom: Whom::Token("token of bob".into()) };
    apply(&revocations, &token, 0);
    assert_eq!(ended.lock().last().unwrap().0, "bob");
    assert!(!DisconnectReason::Revoked.is_retryable());
    // Judged before the revocation came, and listed after it.
    let _late = open(&connections, "late", Some(proof("ann", NOW - 1)), &ended);
    assert_eq!(ended.lock().last().unwrap(), &("late".to_owned(), DisconnectReason::Revoked));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_says_nothing_is_counted_and_a_lifted_revocation_is_none() {
    let revocations = Revocations::new(options(), &Connections::new(10));
    revocations.read_as_of(Instant::now());
    assert!(revocations.apply(Some(b"ann"), Some(b"{}"), NOW).is_err());
    assert!(revocations.apply(None, None, NOW).is_err());
    apply(&revocations, &subject("ann"), NOW);
    assert_eq!(revocations.apply(Some(subject("ann").key().as_bytes()), None, NOW), Ok(()));
    assert_eq!(revocations.judge(&proof("ann", 0)), Ok(()));
    let counts: Vec<u64> = revocations.counts().map(|(_, count)| count).collect();
    assert_eq!(counts, [1, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn with_more_revocations_than_can_be_remembered_nobody_is_proven_and_what_is_over_takes_no_room() {
    let (connections, ended) = (Connections::new(10), Ended::default());
    let revocations = Revocations::new(Options { most: 2, ..options() }, &connections);
    revocations.read_as_of(Instant::now());
    let _place = open(&connections, "cid", Some(proof("cid", 0)), &ended);
    let over = Revocation { target: subject("old"), issued_before: 5, revoked: 5 };
    revocations.apply(Some(over.target.key().as_bytes()), Some(over.value().as_bytes()), 5).unwrap();
    for name in ["ann", "bob", "ann"] {
        apply(&revocations, &subject(name), NOW);
    }
    assert_eq!((revocations.len(), revocations.judge(&proof("dan", 0))), (2, Ok(())));
    apply(&revocations, &subject("cid"), NOW);
    assert_eq!(revocations.len(), 2);
    assert_eq!(ended.lock().len(), 1, "its stream ends all the same");
    assert_eq!(revocations.judge(&proof("cid", 0)), Err(TokenError::NoRevocations));
    assert_eq!(revocations.judge(&proof("ann", 0)), Err(TokenError::Revoked));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_cut_off_keeps_its_streams_unless_it_is_to_end_them() {
    for disconnects in [false, true] {
        let (connections, ended) = (Connections::new(1_000), Ended::default());
        let revocations = Revocations::new(Options { disconnects, ..options() }, &connections);
        tokio::spawn(revocations.clone().keep());
        revocations.read_as_of(Instant::now());
        let mut places: Vec<Place> = (0..PAGE + 50)
            .map(|number| open(&connections, &number.to_string(), Some(proof("ann", NOW)), &ended))
            .collect();
        places.push(open(&connections, "nobody", None, &ended));
        tokio::time::sleep(Duration::from_secs(29)).await;
        assert!(!revocations.is_cut_off() && ended.lock().is_empty());
        assert_eq!(revocations.judge(&proof("ann", NOW)), Ok(()));
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(revocations.is_cut_off());
        let expected = if disconnects { PAGE + 50 } else { 0 };
        assert_eq!(ended.lock().len(), expected);
        assert!(ended.lock().iter().all(|(id, reason)| id != "nobody" && reason.is_retryable()));
        assert_eq!(revocations.judge(&proof("bob", NOW)).is_err(), disconnects);
        revocations.read_as_of(Instant::now());
        assert_eq!(revocations.judge(&proof("bob", NOW)), Ok(()));
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(ended.lock().len(), expected);
    }
}

/// Waits in real time: threads of the client library work.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn client(cluster: &MockCluster<'_, rdkafka::producer::DefaultProducerContext>) -> Client {
    Client { bootstrap: cluster.bootstrap_servers(), ..Client::default() }
}

fn reading(client: &Client) -> Arc<Revocations> {
    let revocations = Revocations::new(options(), &Connections::new(10));
    tokio::spawn(Reader::new(client.clone(), "revocations", revocations.clone()).unwrap().run());
    revocations
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reader_reads_the_whole_topic_and_says_how_far() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("revocations", 3, 1).unwrap();
    let client = client(&cluster);
    let first = reading(&client);
    let revoker = Revoker::new(client.clone(), "revocations", first.clone()).unwrap();
    until("an empty topic is read", || first.judge(&proof("ann", 0)).is_ok()).await;
    let mut places = Vec::new();
    for name in ["ann", "bob", "cid", "dan"] {
        places.push(revoker.revoke(subject(name), crate::clock::now().0).await.unwrap().1);
    }
    until("they are in force", || {
        ["ann", "bob", "cid", "dan"].iter().all(|name| first.judge(&proof(name, 0)).is_err())
    })
    .await;
    let reaches = |revocations: &Revocations, place: &crate::producer::topic::Place| {
        revocations.applied().borrow().get(&place.partition).is_some_and(|next| *next > place.offset as u64)
    };
    until("it says so", || places.iter().all(|place| reaches(&first, place))).await;
    // One that starts later, in no group, has all of it before it proves anybody.
    let second = reading(&client);
    until("it is read", || second.judge(&proof("eve", 0)).is_ok()).await;
    assert_eq!((second.len(), second.judge(&proof("dan", 0))), (4, Err(TokenError::Revoked)));
    until("it says so too", || places.iter().all(|place| reaches(&second, place))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_over_by_less_is_written_again() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("revocations", 1, 1).unwrap();
    let client = client(&cluster);
    let first = reading(&client);
    let revoker = Revoker::new(client.clone(), "revocations", first.clone()).unwrap();
    until("the topic is read", || first.judge(&proof("eve", 0)).is_ok()).await;
    let before = crate::clock::now().0;
    revoker.revoke(subject("ann"), before).await.unwrap();
    until("it is in force", || first.issued_before(&subject("ann")) == Some(before)).await;
    // Whoever asks for less gets what is in force.
    assert_eq!(revoker.revoke(subject("ann"), 5).await.unwrap().0.issued_before, before);
    // A command of somebody else, who doesn't know it.
    let blind = Revoker::new(client.clone(), "revocations", Revocations::new(options(), &Connections::new(1))).unwrap();
    blind.revoke(subject("ann"), 5).await.unwrap();
    // One that is over by itself writes over it just the same.
    let over = Revocation { target: subject("bob"), issued_before: 5, revoked: 5 };
    apply(&first, &subject("bob"), before);
    first.apply(Some(over.target.key().as_bytes()), Some(over.value().as_bytes()), 5).unwrap();
    assert_eq!(first.issued_before(&subject("bob")), Some(before));
    assert_eq!(first.lowered(10).iter().filter(|(target, _)| *target == subject("bob")).count(), 1);
    until("it is noticed", || !first.lowered.lock().is_empty()).await;
    assert_eq!(first.issued_before(&subject("ann")), Some(before));
    tokio::spawn(revoker.mend());
    until("it is mended", || first.lowered.lock().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_topic_or_its_brokers_nobody_is_proven_and_it_heals() {
    let cluster = MockCluster::new(1).unwrap();
    let client = client(&cluster);
    cluster.broker_down(1).unwrap();
    let revocations = reading(&client);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(revocations.judge(&proof("ann", 0)), Err(TokenError::NoRevocations));
    cluster.create_topic("revocations", 1, 1).unwrap();
    cluster.broker_up(1).unwrap();
    until("it is read", || revocations.judge(&proof("ann", 0)).is_ok()).await;
}
