//! The suite in every world.

use crate::world::{Memory, Standalone};
use crate::{durable, suite};

macro_rules! tests {
    ($world:ident $module:ident $($name:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            super::$module::$name(&super::$world::start()).await;
        }
    )*};
}

macro_rules! mortal_tests {
    ($world:ident $module:ident $($name:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            super::$module::$name(&mut super::$world::start()).await;
        }
    )*};
}

mod memory {
    crate::suite::for_each!(tests Memory suite);
    crate::durable::for_each_mortal!(mortal_tests Memory durable);
}

mod standalone {
    crate::suite::for_each!(tests Standalone suite);
    crate::durable::for_each_mortal!(mortal_tests Standalone durable);
}

mod sentinel {
    use std::sync::Arc;

    use events_gateway::backlog::redis::{Mode, RedisBacklog};
    use events_gateway::backlog::{Listener, Offsets};
    use events_gateway_core::Channel;

    use crate::durable::changed_data_set;
    use crate::servers::Sentinels;
    use crate::suite::{append, batch, channel, placed, places, token};
    use crate::world::{Ear, Limits, Ports, World, options, until};

    impl World for Sentinels {
        fn connect(&self, limits: Limits, listener: Arc<dyn Listener>) -> Arc<dyn Ports> {
            let sentinels = self
                .sentinels
                .iter()
                .map(|sentinel| sentinel.address().parse().unwrap())
                .collect();
            let mode = Mode::Sentinel {
                sentinels,
                service: "main".into(),
                credentials: Default::default(),
            };
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
        ports.register(&channel, &token("r1", 1), 0).await.unwrap();
        let offsets = |offset| Offsets::from([(("t".to_owned(), 0), offset)]);
        let (_, _, kept) = append(&ports, &channel, [1, 2, 3]).await;
        ports.mark("g", &old, &Offsets::new(), &offsets(3)).await.unwrap();
        let (primary, replica) = (&world.nodes[0], &world.nodes[1]);
        primary.command(&["WAIT", "1", "5000"]);
        // The replica stops reading: what comes now stays with the primary, which then dies.
        replica.signal("-STOP");
        let (_, _, lost) = append(&ports, &channel, [4, 5]).await;
        ports.mark("g", &old, &offsets(3), &offsets(5)).await.unwrap();
        until("the owner heard all", || ear.heard(&channel).len() == 5).await;
        world.nodes[0].kill();
        world.nodes[1].signal("-CONT");
        let new = changed_data_set(&ports, &old).await;
        assert_eq!(world.primary(), world.nodes[1].port);

        // Whatever the replica had still got from the socket's buffers: its positions aren't given out again.
        let remembered = ports.remembered("g").await.unwrap();
        until("the owner subscribed again", || ear.resumed.lock().contains(&channel)).await;
        let standing = ports
            .verify(&[(channel.clone(), token("r1", 1))], 0)
            .await
            .remove(0)
            .unwrap();
        assert!(standing.head() > lost);
        assert_eq!(standing.epochs.continue_from(kept), Ok(()));
        let first = remembered.values().next().copied().unwrap_or(0) + 1;
        let again = ports
            .append(batch(&channel, &new, (first..=6).map(placed).collect()))
            .await
            .unwrap();
        assert!(again.head > standing.head());
        let expected: Vec<_> = (1..=6).collect();
        assert_eq!(
            places(&ports, &channel, events_gateway_core::Position(0)).await,
            expected,
            "each once"
        );
        until("the new primary announces", || {
            ear.heard(&channel)
                .last()
                .is_some_and(|(_, event)| event.origin.place == 6)
        })
        .await;
    }
}

mod cluster {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use events_gateway::backlog::redis::{Mode, RedisBacklog};
    use events_gateway::backlog::{BacklogError, Listener};
    use events_gateway_core::{Channel, Position};

    use crate::servers::Cluster;
    use crate::suite::{append, batch, channel, placed, token};
    use crate::world::{Ear, Limits, Ports, World, options, until};

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
        ports.register(&channel, &token("r1", 1), 0).await.unwrap();
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
        append(&ports, &channel, [end]).await;
        until("the new primary announces", || {
            ear.heard(&channel)
                .last()
                .is_some_and(|(_, event)| event.origin.place == end)
        })
        .await;
    }
}
