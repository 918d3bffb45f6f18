//! Streams whose clients may come back with cursors of their own only.

use crate::*;
use events_gateway_core::cursor::seal::Secret;

fn sharing(store: &Store, name: &str, options: Options) -> Replica {
    let replica = replica(store, name, options);
    replica.hub.set_secret(Secret::new([7; 16]));
    replica
}

fn request(names: &[&str], resume: Resume, holder: &str) -> Subscribe {
    let channels = ChannelSet::new(names.iter().map(|name| channel(name))).unwrap();
    Subscribe { resume, own: Some(holder.into()), ..Subscribe::to(channels, "c1".into()) }
}

#[tokio::test(start_paused = true)]
async fn a_client_resumes_from_its_own_cursor_on_any_replica_and_nobody_else_does() {
    let store = Store::default();
    let (one, two) = (sharing(&store, "1", Options::default()), sharing(&store, "2", Options::default()));
    for (names, start) in [(&["a"][..], 10), (&["a", "b"], 20)] {
        let mut client = one.subscribe(request(names, Resume::Live, "me")).opened().await;
        let opened = client.id.clone();
        one.append("a", start..start + 3).await;
        client.expect("a", start..start + 3).await;
        let mut back = two.subscribe(request(names, Resume::Cursor(client.id.clone()), "me")).opened().await;
        one.append("a", start + 3..start + 4).await;
        back.expect("a", start + 3..start + 4).await;
        let mut earlier = two.subscribe(request(names, Resume::Cursor(opened), "me")).opened().await;
        earlier.expect("a", start..start + 4).await;
        let mut other = two.subscribe(request(names, Resume::Cursor(client.id.clone()), "you")).opened().await;
        for _ in names {
            other.expect_gap("unknown-cursor").await;
        }
        one.append("a", start + 4..start + 5).await;
        other.expect("a", start + 4..start + 5).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_plain_cursor_shows_nobody_the_past_who_may_not_read_it() {
    let store = Store::default();
    let one = sharing(&store, "1", Options::default());
    let mut reader = one.open(&["a"], Resume::Live).opened().await;
    one.append("a", 0..3).await;
    reader.expect("a", 0..1).await;
    let mut client = one.subscribe(request(&["a"], Resume::Cursor(reader.id.clone()), "")).opened().await;
    client.expect_gap("unknown-cursor").await;
    one.append("a", 3..4).await;
    client.expect("a", 3..4).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_secret_there_is_a_gap_and_the_stream_goes_on() {
    let store = Store::default();
    let one = replica(&store, "1", Options::default());
    let client = one.subscribe(request(&["a"], Resume::Live, "me")).opened().await;
    let mut back = one.subscribe(request(&["a"], Resume::Cursor(client.id), "me")).opened().await;
    back.expect_gap("unknown-cursor").await;
    one.append("a", 0..1).await;
    back.expect("a", 0..1).await;
}

#[tokio::test(start_paused = true)]
async fn a_quiet_clients_cursor_is_told_again_before_it_is_too_old() {
    let store = Store::default();
    let within = Duration::from_secs(2);
    let options = Options { resume_within: within, heartbeat: Duration::from_secs(10), ..Options::default() };
    let one = sharing(&store, "1", options);
    one.append("a", 0..1).await;
    let mut client = one.subscribe(request(&["a"], Resume::Live, "me")).opened().await;
    let opened = client.id.clone();
    // The wall clock, which seals are told by, isn't paused.
    std::thread::sleep(within * 2 + within / 10);
    tokio::time::timeout(Duration::from_secs(15), client.next()).await.unwrap_err();
    assert_ne!(client.id, opened, "told with a heartbeat");
    let mut late = one.subscribe(request(&["a"], Resume::Cursor(opened), "me")).opened().await;
    late.expect_gap("unknown-cursor").await;
    let mut back = one.subscribe(request(&["a"], Resume::Cursor(client.id.clone()), "me")).opened().await;
    one.append("a", 1..2).await;
    back.expect("a", 1..2).await;
}
