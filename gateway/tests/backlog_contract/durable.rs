//! What holds when the server loses its connections, its data, or some of it.

use std::sync::Arc;
use std::time::Duration;

use events_gateway::backlog::{BacklogError, Breaks, DataSet, Lease, Marked, Offsets, ReplicaState};
use events_gateway_core::Position;

use crate::suite::{append, batch, channel, now, placed, places, token};
use crate::world::{Ear, Keep, Limits, Mortal, Ports, until};

/// The data set, as soon as the server can be asked again and it is another than `before`.
pub(crate) async fn changed_data_set(ports: &Arc<dyn Ports>, before: &DataSet) -> DataSet {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        match ports.data_set().await {
            Ok(found) if found != *before => return found,
            other => assert!(tokio::time::Instant::now() < deadline, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn forgotten(ports: &Arc<dyn Ports>, data_set: &DataSet, marked: u64) -> Option<Offsets> {
    let offsets = |offset| Offsets::from([(("t".to_owned(), 0), offset)]);
    match ports.mark("g", data_set, &offsets(marked), &offsets(marked + 1)).await.unwrap() {
        Marked::Stored => None,
        Marked::Forgotten => Some(ports.remembered("g").await.unwrap().offsets),
    }
}

pub(crate) async fn a_restart_with_its_data_begins_an_epoch_above_that_forgets_nothing(world: &mut dyn Mortal) {
    let channel = channel("restart:with");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let old = ports.data_set().await.unwrap();
    let (_, _, head) = append(&ports, &channel, [1, 2, 3]).await;
    assert_eq!(forgotten(&ports, &old, 0).await, Some(Offsets::new()));
    let offsets = Offsets::from([(("t".to_owned(), 0), 3)]);
    assert_eq!(ports.mark("g", &old, &Offsets::new(), &offsets).await.unwrap(), Marked::Stored);
    world.restart(Keep::Everything);
    let new = changed_data_set(&ports, &old).await;
    let refused = ports.append(batch(&channel, &old, vec![placed(4)])).await;
    assert!(matches!(refused, Err(BacklogError::DataSetChanged)), "{refused:?}");
    assert_eq!(places(&ports, &channel, Position(0)).await, [1, 2, 3]);
    assert_eq!(forgotten(&ports, &old, 3).await, Some(offsets), "another data set, though it remembers");
    assert_eq!(forgotten(&ports, &new, 3).await, None);

    let appended = ports.append(batch(&channel, &new, vec![placed(3), placed(4)])).await.unwrap();
    assert_eq!((appended.stored, appended.repeats), (1, 1), "repeats are still known");
    assert!(appended.head.0 >= head.0 + (1 << 20));
    let page = ports.read(&channel, head, 10).await.unwrap();
    let epochs = page.standing.epochs.as_slice();
    assert_eq!(epochs.len(), 2);
    assert_eq!((epochs[0].end, epochs[1].start, epochs[1].torn), (head, appended.head, None));
    assert!(page.standing.epochs.continue_from(head), "nothing was lost");
    assert_eq!(page.entries[0].0, appended.head);
}

pub(crate) async fn a_restart_without_its_data_begins_an_epoch_above_all_that_were(world: &mut dyn Mortal) {
    let channel = channel("restart:without");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let old = ports.data_set().await.unwrap();
    let (_, _, head) = append(&ports, &channel, [1, 2, 3]).await;
    assert_eq!(
        ports.mark("g", &old, &Offsets::new(), &Offsets::from([(("t".to_owned(), 0), 3)])).await.unwrap(),
        Marked::Stored
    );
    world.restart(Keep::Nothing);
    let new = changed_data_set(&ports, &old).await;
    let refused = ports.append(batch(&channel, &old, vec![placed(4)])).await;
    assert!(matches!(refused, Err(BacklogError::DataSetChanged)), "{refused:?}");
    assert_eq!(forgotten(&ports, &new, 3).await, Some(Offsets::new()));
    let appended = ports.append(batch(&channel, &new, vec![placed(2)])).await.unwrap();
    assert_eq!(appended.stored, 1);
    assert!(appended.head > head);
    let standing = ports.read(&channel, Position(0), 10).await.unwrap().standing;
    assert_eq!(standing.epochs.as_slice().len(), 1);
    assert!(!standing.epochs.continue_from(head), "a cursor of the lost life is told a gap");
}

pub(crate) async fn a_flush_is_noticed_by_mark_and_register(world: &mut dyn Mortal) {
    let channel = channel("flush");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let data_set = ports.data_set().await.unwrap();
    let before = ports.register(&channel, &token("r1", 1), &Breaks::default()).await.unwrap();
    append(&ports, &channel, [1, 2, 3]).await;
    assert_eq!(
        ports.mark("g", &data_set, &Offsets::new(), &Offsets::from([(("t".to_owned(), 0), 3)])).await.unwrap(),
        Marked::Stored
    );
    let lease = Lease {
        replica: "r1".into(),
        pod: String::new(),
        address: String::new(),
        started: now(),
        version: String::new(),
        state: ReplicaState::Serving,
        connections: 0,
        rates: Default::default(),
    };
    assert!(ports.renew(&lease, Duration::from_secs(60), true).await.unwrap());
    let life = ports.remembered("g").await.unwrap().life;
    world.flush();
    assert_ne!(ports.remembered("g").await.unwrap().life, life);
    assert_eq!(forgotten(&ports, &data_set, 3).await, Some(Offsets::new()));
    assert!(!ports.renew(&lease, Duration::from_secs(60), false).await.unwrap(), "the lease is lost");
    let standing = ports.verify(&[(channel.clone(), token("r1", 1))], &Breaks::default()).await.remove(0).unwrap();
    assert!(standing.epochs.current().start > before.epochs.current().start);
    assert!(!standing.epochs.continue_from(before.head()));
    assert_eq!(ports.owners(&channel).await.unwrap().len(), 1, "verify has made it an owner again");
    assert_eq!(append(&ports, &channel, [3]).await.0, 1, "what was lost can be appended again");
}

pub(crate) async fn an_old_snapshot_is_noticed_and_its_positions_are_not_given_out_again(world: &mut dyn Mortal) {
    let channel = channel("snapshot");
    let ports = world.connect(Limits::default(), Arc::new(Ear::default()));
    let old = ports.data_set().await.unwrap();
    let offsets = |offset| Offsets::from([(("t".to_owned(), 0), offset)]);
    let (_, _, kept) = append(&ports, &channel, [1, 2, 3]).await;
    assert_eq!(ports.mark("g", &old, &Offsets::new(), &offsets(3)).await.unwrap(), Marked::Stored);
    world.snapshot();
    let (_, _, lost) = append(&ports, &channel, [4, 5]).await;
    assert_eq!(ports.mark("g", &old, &offsets(3), &offsets(5)).await.unwrap(), Marked::Stored);
    world.restart(Keep::Snapshot);
    let new = changed_data_set(&ports, &old).await;
    assert_eq!(forgotten(&ports, &new, 5).await, Some(offsets(3)), "rewind to what it remembers");
    let registered = ports.register(&channel, &token("r1", 1), &Breaks::default()).await.unwrap();
    assert!(registered.head() > lost);
    let appended = ports.append(batch(&channel, &new, vec![placed(4), placed(5)])).await.unwrap();
    assert_eq!(appended.stored, 2);
    assert_eq!(appended.head.0, registered.head().0 + 2, "whoever comes second joins the epoch");
    let standing = ports.read(&channel, kept, 10).await.unwrap().standing;
    assert!(standing.epochs.continue_from(kept));
    assert!(!standing.epochs.continue_from(lost));
    assert_eq!(places(&ports, &channel, kept).await, [4, 5]);
}

pub(crate) async fn owners_hear_that_they_resumed_and_then_every_announcement(world: &mut dyn Mortal) {
    let ear = Arc::new(Ear::default());
    let ports = world.connect(Limits::default(), ear.clone());
    let owned: Vec<_> = (0..20).map(|number| (channel(&format!("resumed:{number}")), token("r1", number))).collect();
    for (channel, token) in &owned {
        ports.register(channel, token, &Breaks::default()).await.unwrap();
    }
    ports.unregister(&owned[19].0, &owned[19].1).await.unwrap();
    let old = ports.data_set().await.unwrap();
    assert!(ear.resumed.lock().is_empty());
    world.restart(Keep::Everything);
    until("all are resumed", || ear.resumed.lock().len() >= 19).await;
    let mut resumed = ear.resumed.lock().clone();
    resumed.sort();
    let mut expected: Vec<_> = owned[..19].iter().map(|(channel, _)| channel.clone()).collect();
    expected.sort();
    assert_eq!(resumed, expected);
    let new = changed_data_set(&ports, &old).await;
    assert!(ports.verify(&owned[..19], &Breaks::default()).await.iter().all(Result::is_ok));
    for (channel, _) in &owned[..19] {
        ports.append(batch(channel, &new, vec![placed(1)])).await.unwrap();
    }
    until("all are announced", || owned[..19].iter().all(|(channel, _)| ear.heard(channel).len() == 1)).await;
}

macro_rules! for_each_mortal {
    ($macro:ident $($more:tt)*) => {
        $macro! { $($more)*
            a_restart_with_its_data_begins_an_epoch_above_that_forgets_nothing,
            a_restart_without_its_data_begins_an_epoch_above_all_that_were,
            a_flush_is_noticed_by_mark_and_register,
            an_old_snapshot_is_noticed_and_its_positions_are_not_given_out_again,
            owners_hear_that_they_resumed_and_then_every_announcement,
        }
    };
}
pub(crate) use for_each_mortal;
