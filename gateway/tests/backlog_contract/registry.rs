//! What holds in every world of owners, watermarks, leases and connections.

use std::sync::Arc;
use std::time::Duration;

use events_gateway::backlog::{Applied, Breaks, ConnectionEntry, Hold, Lease, Marked, Offsets, ReplicaState, Taken};
use events_gateway_core::Timestamp;

use crate::suite::{append, channel, now, token};
use crate::world::{Ear, Limits, World, until};

pub(crate) async fn only_the_token_that_registered_unregisters(world: &dyn World) {
    let channel = channel("tokens");
    let ear = Arc::new(Ear::default());
    let ports = world.connect(Limits::default(), ear.clone());
    ports.register(&channel, &token("r1", 1), &Breaks::default()).await.unwrap();
    ports.register(&channel, &token("r1", 2), &Breaks::default()).await.unwrap();
    ports.register(&channel, &token("r1", 2), &Breaks::default()).await.unwrap();
    ports.unregister(&channel, &token("r1", 1)).await.unwrap();
    ports.unregister(&channel, &token("r2", 2)).await.unwrap();
    let owners = ports.owners(&channel).await.unwrap();
    assert_eq!(owners.iter().map(|(replica, _)| &**replica).collect::<Vec<_>>(), ["r1"]);
    let lapses = owners[0].1.millis_since(now());
    assert!((30_000..=46_000).contains(&lapses), "{lapses} ms");
    append(&ports, &channel, [1]).await;
    until("the owner still hears", || ear.heard(&channel).len() == 1).await;
    ports.unregister(&channel, &token("r1", 2)).await.unwrap();
    assert!(ports.owners(&channel).await.unwrap().is_empty());
    // The subscription ends a moment later: soon nothing more is heard, while another channel's announcements still are.
    let marker = self::channel("tokens:marker");
    ports.register(&marker, &token("r1", 3), &Breaks::default()).await.unwrap();
    for place in 2.. {
        assert!(place < 100, "announcements stop");
        let before = ear.heard(&channel).len();
        append(&ports, &channel, [place]).await;
        append(&ports, &marker, [place]).await;
        until("the marker is heard", || ear.heard(&marker).len() as u64 == place - 1).await;
        if ear.heard(&channel).len() == before {
            break;
        }
    }
}

pub(crate) async fn verify_answers_in_order_and_keeps_ownership(world: &dyn World) {
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let owned: Vec<_> = (0..50).map(|number| (channel(&format!("verify:{number}")), token("r1", number))).collect();
    let mut heads = Vec::new();
    for (channel, token) in &owned {
        ports.register(channel, token, &Breaks::default()).await.unwrap();
        heads.push(append(&ports, channel, [token.number]).await.2);
    }
    let standings = ports.verify(&owned, &Breaks::default()).await;
    let found: Vec<_> = standings.into_iter().map(|standing| standing.unwrap().head()).collect();
    assert_eq!(found, heads);
    assert_eq!(ports.owners(&owned[49].0).await.unwrap().len(), 1);
}

pub(crate) async fn marks_are_remembered_until_they_fall(world: &dyn World) {
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let data_set = ports.data_set().await.unwrap();
    let offsets = |list: &[(i32, u64)]| -> Offsets {
        list.iter().map(|&(partition, offset)| (("shop.orders".to_owned(), partition), offset)).collect()
    };
    let group = "marks {of} a:group";
    let remembered = async || ports.remembered(group).await.unwrap();
    let first = remembered().await;
    assert_eq!(first.offsets, Offsets::new());
    let mark = async |marked: &[(i32, u64)], next: &[(i32, u64)]| {
        ports.mark(group, &data_set, &offsets(marked), &offsets(next)).await.unwrap()
    };
    assert_eq!(mark(&[], &[(0, 5), (1, 7)]).await, Marked::Stored);
    assert_eq!(mark(&[(0, 5), (1, 7)], &[(0, 9)]).await, Marked::Stored);
    assert_eq!(remembered().await.offsets, offsets(&[(0, 9), (1, 7)]));
    assert_eq!(mark(&[(0, 10)], &[(0, 11)]).await, Marked::Forgotten, "lower");
    assert_eq!(mark(&[(2, 1)], &[(2, 2)]).await, Marked::Forgotten, "gone");
    assert_eq!(remembered().await.offsets, offsets(&[(0, 9), (1, 7)]));
    assert_eq!(mark(&[], &[(0, 3)]).await, Marked::Stored, "after a rewind");
    let last = remembered().await;
    assert_eq!(last.offsets, offsets(&[(0, 3), (1, 7)]));
    assert!(!first.life.is_empty() && last.life == first.life, "one memory has one name");
    assert_ne!(ports.remembered("another group").await.unwrap().life, first.life);
}

pub(crate) async fn closed_before_grows_and_is_bounded_by_the_servers_time(world: &dyn World) {
    let channel = channel("session:42");
    let ear = Arc::new(Ear::default());
    let ports = world.connect(Limits::default(), ear.clone());
    assert_eq!(ports.register(&channel, &token("r1", 1), &Breaks::default()).await.unwrap().closed_before, None);
    let early = Timestamp(now().0 - 60_000);
    assert_eq!(ports.close_before(&channel, early).await.unwrap(), early);
    assert_eq!(ports.close_before(&channel, Timestamp(early.0 - 1)).await.unwrap(), early);
    let late = ports.close_before(&channel, Timestamp(u64::MAX)).await.unwrap();
    assert!(late > early && late <= now(), "{late:?}");
    assert_eq!(
        ports.verify(&[(channel.clone(), token("r1", 1))], &Breaks::default()).await[0].as_ref().unwrap().closed_before,
        Some(late)
    );
    until("the owner hears of each", || ear.closed.lock().len() == 3).await;
    assert_eq!(*ear.closed.lock(), [(channel.clone(), early), (channel.clone(), early), (channel.clone(), late)]);
    let unowned = self::channel("session:43");
    assert_eq!(ports.close_before(&unowned, early).await.unwrap(), early);
    assert_eq!(ports.register(&unowned, &token("r1", 2), &Breaks::default()).await.unwrap().closed_before, Some(early));
}

pub(crate) async fn a_lease_is_taken_once_renewed_and_lost(world: &dyn World) {
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let lease = Lease {
        replica: "lease:1".into(),
        pod: "gateway-0".into(),
        address: "10.0.0.1:8080".into(),
        started: now(),
        version: "0.1.0".into(),
        state: ReplicaState::Serving,
        connections: 3,
        rates: Default::default(),
    };
    let long = Duration::from_secs(60);
    assert!(!ports.renew(&lease, long, false).await.unwrap(), "nothing to renew");
    assert!(ports.renew(&lease, long, true).await.unwrap());
    assert!(!ports.renew(&lease, long, true).await.unwrap(), "an id is taken once");
    let draining = Lease { state: ReplicaState::Draining, ..lease.clone() };
    assert!(ports.renew(&draining, long, false).await.unwrap());
    assert_eq!(ports.leases().await.unwrap(), std::slice::from_ref(&draining));
    assert!(ports.renew(&draining, Duration::from_millis(50), false).await.unwrap());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !ports.leases().await.unwrap().is_empty() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!ports.renew(&lease, long, false).await.unwrap(), "what was lost isn't renewed");
    assert!(ports.renew(&Lease { replica: "lease:2".into(), ..lease }, long, true).await.unwrap());
    ports.release("lease:2").await.unwrap();
    assert!(ports.leases().await.unwrap().is_empty());
}

pub(crate) async fn the_first_secret_is_everybodys_until_nobody_asks(world: &dyn World) {
    let one = world.connect(Limits::default(), Arc::new(Ear::default()));
    let other = world.connect(Limits::default(), Arc::new(Ear::default()));
    let long = Duration::from_secs(3_600);
    let told = tokio::join!(one.share_secret("of one", long), other.share_secret("of other", long));
    let (of_one, of_other) = (told.0.unwrap(), told.1.unwrap());
    assert_eq!(of_one, of_other, "whoever was first");
    assert!(["of one", "of other"].contains(&&*of_one), "{of_one}");
    assert_eq!(other.share_secret("later", long).await.unwrap(), of_one);
    assert_eq!(one.share_secret("briefly", Duration::from_millis(30)).await.unwrap(), of_one);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(one.share_secret("new", long).await.unwrap(), "new");
}

pub(crate) async fn a_ticket_is_taken_once_and_lapses(world: &dyn World) {
    let one = world.connect(Limits::default(), Arc::new(Ear::default()));
    let other = world.connect(Limits::default(), Arc::new(Ear::default()));
    let long = Duration::from_secs(60);
    one.keep_ticket("first_-1", "{\"a\":\"ü\"}", long).await.unwrap();
    one.keep_ticket("second", "2", long).await.unwrap();
    assert_eq!(other.take_ticket("first_-1").await.unwrap(), Taken::Now("{\"a\":\"ü\"}".into()));
    assert_eq!(one.take_ticket("first_-1").await.unwrap(), Taken::Before);
    assert_eq!(other.take_ticket("first_-1").await.unwrap(), Taken::Before);
    assert_eq!(one.take_ticket("third").await.unwrap(), Taken::Never);
    // Of all who try at once, one has it.
    let tries = futures_util::future::join_all((0..20).map(|number| {
        let ports = if number % 2 == 0 { &one } else { &other };
        ports.take_ticket("second")
    }));
    let taken = tries.await.into_iter().filter(|taken| matches!(taken, Ok(Taken::Now(_)))).count();
    assert_eq!(taken, 1);
    one.keep_ticket("brief", "x", Duration::from_millis(30)).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    tokio::time::sleep(Duration::from_millis(60)).await;
    while one.take_ticket("brief").await.unwrap() != Taken::Never {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn confirmations_are_told_until_they_lapse(world: &dyn World) {
    let one = world.connect(Limits::default(), Arc::new(Ear::default()));
    let other = world.connect(Limits::default(), Arc::new(Ear::default()));
    let long = Duration::from_secs(60);
    assert_eq!(other.confirmed("r7").await.unwrap(), None);
    one.confirm("r7", &Applied::new(), long).await.unwrap();
    assert_eq!(other.confirmed("r7").await.unwrap(), Some(Applied::new()));
    let applied = Applied::from([(0, 3), (11, u64::MAX)]);
    one.confirm("r7", &applied, long).await.unwrap();
    assert_eq!(other.confirmed("r7").await.unwrap(), Some(applied.clone()));
    assert_eq!(other.confirmed("r8").await.unwrap(), None);
    one.release("r7").await.unwrap();
    assert_eq!(other.confirmed("r7").await.unwrap(), None);
    one.confirm("r7", &applied, Duration::from_millis(30)).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while other.confirmed("r7").await.unwrap().is_some() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) async fn connections_and_control_are_told(world: &dyn World) {
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let entry = |name: &str| ConnectionEntry {
        connection: name.into(),
        subject: Some("alice ü".into()),
        issuer: Some("https://id".into()),
        proof: None,
        channels: vec![channel("orders"), channel("user:42")],
        since: now(),
        address: "[::1]:4711".into(),
        agent: "Mozilla/5.0 (\"x\")".into(),
    };
    let (a, b) = (entry("a"), entry("b"));
    let ttl = Duration::from_secs(60);
    ports.record("r9", &[a.clone(), b.clone()], &[], ttl).await.unwrap();
    ports.record("r9", &[], &["a".into()], ttl).await.unwrap();
    assert_eq!(ports.connections("r9").await.unwrap(), [b]);
    ports.release("r9").await.unwrap();
    assert!(ports.connections("r9").await.unwrap().is_empty());

    let control = ports.control("some group").await.unwrap();
    assert_eq!((control.paused, control.breaks), (false, 0));
    ports.set_paused("some group", true).await.unwrap();
    let raise = async |known, cause| ports.raise_breaks("some group", known, cause).await.unwrap();
    let first = raise(0, None).await;
    assert!(first >= now().0 - 5_000, "no lower than what a server that lost it may have given");
    let ahead = first + 1_000_000_000;
    assert_eq!(raise(ahead, None).await, ahead + 1, "above what the caller knows");
    let third = raise(0, Some("flushed")).await;
    assert_eq!(third, ahead + 2, "above what it was");
    assert_eq!(raise(ahead, Some("flushed")).await, third, "once for each cause");
    assert_eq!(raise(third, Some("flushed again")).await, third + 1);
    assert_eq!((raise(0, None).await, raise(0, None).await), (third + 2, third + 3), "skips of their own");
    let control = ports.control("some group").await.unwrap();
    assert_eq!((control.paused, control.breaks), (true, third + 3));
    ports.set_paused("some group", false).await.unwrap();
    assert!(!ports.control("some group").await.unwrap().paused);
}

pub(crate) async fn a_quota_counts_what_live_holders_say(world: &dyn World) {
    let one = world.connect(Limits::default(), Arc::new(Ear::default()));
    let other = world.connect(Limits::default(), Arc::new(Ear::default()));
    let live = ["r1".to_owned(), "r2".to_owned()];
    let (long, brief) = (Duration::from_secs(600), Duration::from_millis(50));
    let hold = |quota, holder, count, most| Hold { quota, holder, count, most, live: &live, lease: long, expiry: long };
    assert!(one.hold(hold("a-_1", "r1", 2, 3)).await.unwrap());
    assert!(other.hold(hold("a-_1", "r2", 1, 3)).await.unwrap());
    assert!(!other.hold(hold("a-_1", "r2", 2, 3)).await.unwrap(), "four are too many");
    assert!(one.hold(hold("a-_1", "r1", 2, 3)).await.unwrap(), "the same may be said again");
    assert!(one.hold(hold("b", "r1", 3, 3)).await.unwrap(), "another quota is another");
    assert!(one.hold(hold("a-_1", "r1", 1, u32::MAX)).await.unwrap());
    assert!(other.hold(hold("a-_1", "r2", 2, 3)).await.unwrap(), "one was given back");
    assert!(one.hold(hold("a-_1", "r1", 9, u32::MAX)).await.unwrap(), "what is so is told");
    assert!(!other.hold(hold("a-_1", "r2", 2, 3)).await.unwrap());
    assert!(one.hold(hold("a-_1", "r1", 0, u32::MAX)).await.unwrap());
    assert!(other.hold(hold("a-_1", "r2", 3, 3)).await.unwrap(), "none are none");
    assert!(!one.hold(hold("a-_1", "r1", 1, 3)).await.unwrap());

    // Who isn't known to be alive counts for a lease, and then no more.
    let alone = ["r1".to_owned()];
    let without = |lease| Hold { live: &alone, lease, ..hold("a-_1", "r1", 1, 3) };
    assert!(!one.hold(without(long)).await.unwrap());
    tokio::time::sleep(brief * 2).await;
    assert!(!one.hold(hold("a-_1", "r1", 1, 3)).await.unwrap(), "who is alive counts however long ago it said so");
    assert!(one.hold(without(brief)).await.unwrap());
    assert!(one.hold(hold("a-_1", "r1", 3, 3)).await.unwrap(), "and is forgotten");

    // A quota of which nobody says anything any more is forgotten too.
    assert!(one.hold(Hold { expiry: brief, ..hold("c", "r1", 3, 3) }).await.unwrap());
    tokio::time::sleep(brief * 2).await;
    assert!(other.hold(hold("c", "r2", 3, 3)).await.unwrap());

    // Of many at once exactly as many get in as there is room for.
    let tries = futures_util::future::join_all((0..20).map(|number| {
        let holder = ["h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8", "h9"][number % 10];
        let ports = if number % 2 == 0 { &one } else { &other };
        ports.hold(hold("d", holder, 1, 4))
    }));
    let taken = tries.await.into_iter().filter(|taken| matches!(taken, Ok(true))).count();
    assert!((4..=8).contains(&taken), "four, and those of them that said it again: {taken}");
    assert!(!one.hold(hold("d", "late", 1, 4)).await.unwrap());
}
