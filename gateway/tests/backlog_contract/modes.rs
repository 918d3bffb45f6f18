//! The suite in every world.

macro_rules! tests {
    ($world:ident $module:ident $($name:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            crate::$module::$name(&$world::start()).await;
        }
    )*};
}

macro_rules! mortal_tests {
    ($world:ident $module:ident $($name:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            crate::$module::$name(&mut $world::start()).await;
        }
    )*};
}

mod memory {
    use crate::world::Memory;

    crate::suite::for_each!(tests Memory suite);
    crate::durable::for_each_mortal!(mortal_tests Memory durable);
}

mod standalone {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use events_gateway::backlog::{BacklogError, Breaks};

    use crate::suite::{append, batch, channel, placed, token};
    use crate::world::{Ear, Limits, Standalone, World as _, until};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_entry_that_somebody_else_wrote_begins_an_epoch_and_blocks_nothing() {
        let world = Standalone::start();
        let channel = channel("foreign");
        let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
        let (_, _, head) = append(&ports, &channel, [1]).await;
        world.server.text(&["XADD", "egw:{foreign}:backlog", &format!("{}-0", head.0 + 5), "a", "b"]);
        let (stored, _, above) = append(&ports, &channel, [2, 3]).await;
        assert_eq!(stored, 2);
        let page = ports.read(&channel, events_gateway_core::Position(above.0 - 2), 10).await.unwrap();
        assert_eq!(page.entries.len(), 2);
        assert_eq!(page.standing.epochs.as_slice().len(), 2);
        assert!(page.standing.epochs.current().start.0 > head.0 + (1 << 20));
        let data_set = ports.data_set().await.unwrap();
        world.server.command(&["HSET", "egw:{foreign}:meta", "format", "9"]);
        let later = ports.append(batch(&channel, &data_set, vec![placed(9)])).await;
        assert!(matches!(later, Err(BacklogError::Unavailable(_))), "a later release's meta: {later:?}");
        world.server.command(&["HSET", "egw:{foreign}:meta", "format", "1", "last", "x"]);
        let refused = ports.append(batch(&channel, &data_set, vec![placed(9)])).await;
        assert!(matches!(refused, Err(BacklogError::Refused(_))), "{refused:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_that_falls_silent_fails_calls_in_time_and_is_found_again() {
        let world = Standalone::start();
        let (channel, ear) = (channel("silent"), Arc::new(Ear::default()));
        let ports = world.connect(Limits::default(), ear.clone());
        let data_set = ports.data_set().await.unwrap();
        ports.register(&channel, &token("r1", 1), &Breaks::default()).await.unwrap();
        world.server.signal("-STOP");
        let asked = Instant::now();
        let refused = ports.append(batch(&channel, &data_set, vec![placed(1)])).await;
        assert!(matches!(refused, Err(BacklogError::Unavailable(_))), "{refused:?}");
        assert!(asked.elapsed() < Duration::from_secs(6));
        world.server.signal("-CONT");
        until("both links are replaced", || ear.resumed.lock().contains(&channel)).await;
        // The first call's fate was unknown: whether it was done or not, the event is there once.
        let (_, _, head) = append(&ports, &channel, [1]).await;
        let page = ports.read(&channel, events_gateway_core::Position(0), 10).await.unwrap();
        assert_eq!(page.entries.len(), 1);
        assert_eq!(page.entries[0].0, head);
    }

    crate::suite::for_each!(tests Standalone suite);
    crate::durable::for_each_mortal!(mortal_tests Standalone durable);
}

/// A server on which the gateway may do no more than docs/redis.md says.
mod guarded {
    use std::sync::Arc;

    use events_gateway::backlog::Listener;
    use events_gateway::backlog::redis::{Credentials, Mode, Options, RedisBacklog};
    use events_gateway_core::Channel;

    use crate::world::{Limits, Ports, Standalone, World, options};

    struct Guarded(Standalone);

    impl Guarded {
        fn start() -> Self {
            let world = Standalone::start();
            let docs = include_str!("../../../docs/redis.md");
            let rule = docs.lines().find(|line| line.starts_with("ACL SETUSER events-gateway ")).unwrap();
            world.server.command(&rule.split(' ').collect::<Vec<_>>());
            world.server.command(&["ACL", "LOG", "RESET"]);
            Self(world)
        }
    }

    impl Drop for Guarded {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                let denied: Vec<redis::Value> =
                    redis::from_redis_value(self.0.server.command(&["ACL", "LOG"])).unwrap();
                assert!(denied.is_empty(), "{denied:?}");
            }
        }
    }

    impl World for Guarded {
        fn connect(&self, limits: Limits, listener: Arc<dyn Listener>) -> Arc<dyn Ports> {
            let mode = Mode::Standalone { address: self.0.server.address().parse().unwrap() };
            let credentials = Credentials { username: Some("events-gateway".into()), password: Some("SECRET".into()) };
            Arc::new(RedisBacklog::start(Options { credentials, ..options(mode, limits) }, listener).unwrap())
        }

        fn spoil(&self, channel: &Channel) {
            self.0.spoil(channel);
        }
    }

    crate::suite::for_each!(tests Guarded suite);
}

/// A server that speaks TLS and demands a client's certificate.
mod tls {
    use std::sync::Arc;

    use events_gateway::backlog::redis::{Mode, Options, RedisBacklog, Tls};
    use events_gateway::backlog::{BacklogError, Listener, Watermarks as _};
    use events_gateway_core::Channel;

    use crate::servers::{Certificates, Server, free_port};
    use crate::world::{Ear, Limits, Ports, World, options};

    struct Encrypted {
        server: Server,
        port: u16,
        certificates: Certificates,
    }

    impl Encrypted {
        fn start() -> Self {
            let (certificates, port) = (Certificates::make(), free_port());
            let path = |name| certificates.path(name);
            let arguments = [
                "--tls-port",
                &port.to_string(),
                "--tls-cert-file",
                &path("server.crt"),
                "--tls-key-file",
                &path("server.key"),
                "--tls-ca-cert-file",
                &path("ca.crt"),
                "--tls-auth-clients",
                "yes",
            ];
            Self { server: Server::start(&arguments), port, certificates }
        }

        fn options(&self, limits: Limits, tls: Tls) -> Options {
            let mode = Mode::Standalone { address: format!("127.0.0.1:{}", self.port).parse().unwrap() };
            Options { tls: Some(tls), ..options(mode, limits) }
        }
    }

    impl World for Encrypted {
        fn connect(&self, limits: Limits, listener: Arc<dyn Listener>) -> Arc<dyn Ports> {
            let pem = |name| self.certificates.pem(name);
            let tls = Tls { authorities: Some(pem("ca.crt")), identity: Some((pem("client.crt"), pem("client.key"))) };
            Arc::new(RedisBacklog::start(self.options(limits, tls), listener).unwrap())
        }

        fn spoil(&self, channel: &Channel) {
            self.server.command(&["SET", &format!("egw:{{{channel}}}:backlog"), "something else"]);
        }
    }

    macro_rules! in_turn {
        ($world:ident $($name:ident,)*) => { $( println!(stringify!($name)); crate::suite::$name(&$world).await; )* };
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_contract_holds() {
        let world = Encrypted::start();
        crate::suite::for_each!(in_turn world);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_of_another_authority_is_not_trusted() {
        let (world, other) = (Encrypted::start(), Certificates::make());
        let tls = Tls {
            authorities: Some(other.pem("ca.crt")),
            identity: Some((world.certificates.pem("client.crt"), world.certificates.pem("client.key"))),
        };
        let options =
            Options { call_timeout: std::time::Duration::from_secs(1), ..world.options(Limits::default(), tls) };
        let refused = RedisBacklog::start(options, Arc::new(Ear::default())).unwrap().data_set().await;
        let Err(BacklogError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
        assert!(reason.contains("certificate"), "{reason}");
        let unreadable = Tls { authorities: Some(b"-----BEGIN CERTIFICATE-----\nx".to_vec()), identity: None };
        assert!(RedisBacklog::start(world.options(Limits::default(), unreadable), Arc::new(Ear::default())).is_err());
    }
}

/// Servers that can't keep what the gateway promises, and misunderstandings.
mod unfit {
    use std::sync::Arc;
    use std::time::Duration;

    use events_gateway::backlog::redis::{Address, Credentials, Mode, Options, RedisBacklog};
    use events_gateway::backlog::{BacklogError, Watermarks as _};

    use crate::servers::Server;
    use crate::world::{Ear, Limits, options};

    async fn reason(changed: Options) -> String {
        let changed = Options { call_timeout: Duration::from_secs(1), ..changed };
        let refused = RedisBacklog::start(changed, Arc::new(Ear::default())).unwrap().data_set().await;
        let Err(BacklogError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
        reason
    }

    fn at(server: &Server) -> Options {
        options(Mode::Standalone { address: server.address().parse().unwrap() }, Limits::default())
    }

    #[tokio::test]
    async fn an_unfit_server_is_named_with_the_reason() {
        let evicting = Server::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
        assert!(reason(at(&evicting)).await.contains("noeviction"));
        let clustered = Server::start(&["--cluster-enabled", "yes"]);
        assert!(reason(at(&clustered)).await.contains("the mode must be cluster"));
        let replica = Server::start(&["--replicaof", "127.0.0.1", "1"]);
        assert!(reason(at(&replica)).await.contains("replica"));
        let guarded = Server::start(&[]);
        guarded.command(&["CONFIG", "SET", "requirepass", "right"]);
        let credentials = Credentials { username: None, password: Some("wrong".into()) };
        let refused = reason(Options { credentials, ..at(&guarded) }).await.to_lowercase();
        assert!(refused.contains("password") || refused.contains("auth"), "{refused}");
        let nobody = Options {
            mode: Mode::Standalone { address: Address { host: "127.0.0.1".into(), port: 1 } },
            ..at(&guarded)
        };
        assert!(reason(nobody).await.contains("127.0.0.1:1"));
    }
}

mod sentinel {
    use std::sync::Arc;

    use events_gateway::backlog::redis::{Mode, RedisBacklog};
    use events_gateway::backlog::{Breaks, Listener, Offsets};
    use events_gateway_core::Channel;

    use crate::durable::changed_data_set;
    use crate::servers::Sentinels;
    use crate::suite::{append, batch, channel, placed, places, token};
    use crate::world::{Ear, Limits, Ports, World, options, until};

    impl World for Sentinels {
        fn connect(&self, limits: Limits, listener: Arc<dyn Listener>) -> Arc<dyn Ports> {
            let sentinels = self.sentinels.iter().map(|sentinel| sentinel.address().parse().unwrap()).collect();
            let mode = Mode::Sentinel { sentinels, service: "main".into(), credentials: Default::default() };
            Arc::new(RedisBacklog::start(options(mode, limits), listener).unwrap())
        }

        fn spoil(&self, channel: &Channel) {
            self.nodes[0].command(&["SET", &format!("egw:{{{channel}}}:backlog"), "something else"]);
        }
    }

    macro_rules! in_turn {
        ($world:ident $($name:ident,)*) => { $( println!(stringify!($name)); crate::suite::$name(&$world).await; )* };
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_contract_holds_and_a_failover_that_loses_the_tail_is_noticed() {
        let world = Sentinels::start();
        crate::suite::for_each!(in_turn world);
        a_failover_that_loses_the_tail_begins_an_epoch_above(world).await;
    }

    async fn a_failover_that_loses_the_tail_begins_an_epoch_above(mut world: Sentinels) {
        let channel = channel("failover");
        let ear = Arc::new(Ear::default());
        let ports = world.connect(Limits::default(), ear.clone());
        let old = ports.data_set().await.unwrap();
        ports.register(&channel, &token("r1", 1), &Breaks::default()).await.unwrap();
        let offsets = |offset| Offsets::from([(("t".to_owned(), 0), offset)]);
        let (_, _, kept) = append(&ports, &channel, [1, 2, 3]).await;
        ports.mark("g", &old, &Offsets::new(), &offsets(3)).await.unwrap();
        let (primary, replica) = (&world.nodes[0], &world.nodes[1]);
        primary.command(&["WAIT", "1", "5000"]);
        // The replica stops and its link is cut: what comes now stays with the primary, which then dies.
        replica.signal("-STOP");
        primary.command(&["CLIENT", "KILL", "TYPE", "replica"]);
        let (_, _, lost) = append(&ports, &channel, [4, 5]).await;
        ports.mark("g", &old, &offsets(3), &offsets(5)).await.unwrap();
        until("the owner heard all", || ear.heard(&channel).len() == 5).await;
        world.nodes[0].kill();
        world.nodes[1].signal("-CONT");
        let new = changed_data_set(&ports, &old).await;
        assert_eq!(world.primary(), world.nodes[1].port);

        assert_eq!(ports.remembered("g").await.unwrap().offsets, offsets(3), "the tail is lost");
        until("the owner subscribed again", || ear.resumed.lock().contains(&channel)).await;
        let standing = ports.verify(&[(channel.clone(), token("r1", 1))], &Breaks::default()).await.remove(0).unwrap();
        assert!(standing.head() > lost);
        assert!(standing.epochs.continue_from(kept));
        let again = ports.append(batch(&channel, &new, (4..=6).map(placed).collect())).await.unwrap();
        assert!(again.head > standing.head());
        let expected: Vec<_> = (1..=6).collect();
        assert_eq!(places(&ports, &channel, events_gateway_core::Position(0)).await, expected, "each once");
        until("the new primary announces", || {
            ear.heard(&channel).last().is_some_and(|(_, event)| event.origin.place == 6)
        })
        .await;
    }
}

mod cluster {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use events_gateway::backlog::redis::{Mode, RedisBacklog};
    use events_gateway::backlog::{BacklogError, Breaks, Listener};
    use events_gateway_core::{Channel, Position};

    use crate::servers::Cluster;
    use crate::suite::{append, batch, channel, placed, token};
    use crate::world::{Ear, Limits, Ports, World, options, until, until_async};

    impl World for Cluster {
        fn connect(&self, limits: Limits, listener: Arc<dyn Listener>) -> Arc<dyn Ports> {
            let nodes = vec![self.nodes[0].address().parse().unwrap()];
            Arc::new(RedisBacklog::start(options(Mode::Cluster { nodes }, limits), listener).unwrap())
        }

        fn spoil(&self, channel: &Channel) {
            let key = format!("egw:{{{channel}}}:backlog");
            self.nodes[self.owner(self.slot(channel))].command(&["SET", &key, "something else"]);
        }
    }

    impl Cluster {
        fn slot(&self, channel: &Channel) -> u16 {
            redis::from_redis_value(self.nodes[0].command(&["CLUSTER", "KEYSLOT", channel.as_str()])).unwrap()
        }
    }

    macro_rules! in_turn {
        ($world:ident $($name:ident,)*) => { $( println!(stringify!($name)); crate::suite::$name(&$world).await; )* };
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_contract_holds_and_a_slot_moves_under_way() {
        let world = Cluster::start();
        crate::suite::for_each!(in_turn world);
        a_slot_moves_while_appending_and_nothing_is_lost_or_repeated(world).await;
    }

    async fn a_slot_moves_while_appending_and_nothing_is_lost_or_repeated(world: Cluster) {
        let channel = channel("moving");
        let ear = Arc::new(Ear::default());
        let ports = world.connect(Limits::default(), ear.clone());
        let data_set = ports.data_set().await.unwrap();
        assert_eq!(data_set.0.len(), 3);
        ports.register(&channel, &token("r1", 1), &Breaks::default()).await.unwrap();
        append(&ports, &channel, [0]).await;
        let moved = Arc::new(AtomicBool::new(false));
        let appending = {
            let (ports, channel, moved) = (Arc::clone(&ports), channel.clone(), Arc::clone(&moved));
            tokio::spawn(async move {
                let mut place = 1;
                let mut after = 0;
                while after < 50 {
                    after += u64::from(moved.load(Ordering::Relaxed));
                    loop {
                        match ports.append(batch(&channel, &data_set, vec![placed(place)])).await {
                            Ok(appended) => break assert!(appended.stored + appended.repeats == 1),
                            Err(BacklogError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    place += 1;
                }
                place
            })
        };
        let world = Arc::new(world);
        let moving = Arc::clone(&world);
        let slot = world.slot(&channel);
        let from = world.owner(slot);
        tokio::task::spawn_blocking(move || moving.migrate(slot, from, (from + 1) % 3, Duration::from_millis(100)))
            .await
            .unwrap();
        moved.store(true, Ordering::Relaxed);
        let end = appending.await.unwrap();
        let page = ports.read(&channel, Position(0), 1_000_000).await.unwrap();
        let places: Vec<_> = page.entries.iter().map(|(_, event)| event.origin.place).collect();
        assert_eq!(places, (0..end).collect::<Vec<_>>(), "each once, in order");
        for (before, after) in page.entries.iter().zip(&page.entries[1..]) {
            assert_eq!(page.standing.epochs.next_after(before.0), Some(after.0));
        }
        until("the owner subscribed again", || ear.resumed.lock().contains(&channel)).await;
        // A subscription may be ended again while the move settles, which is told as another resumption; then they flow.
        let mut places = end..;
        until_async("the new primary announces", async || {
            append(&ports, &channel, [places.next().unwrap()]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            ear.heard(&channel).last().is_some_and(|(_, event)| event.origin.place >= end)
        })
        .await;
    }
}
