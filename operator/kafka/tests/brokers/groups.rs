//! Groups of both protocols, and their lag.

use events_gateway_operator_kafka::{Protocol, State};

use super::lab::{Joined, cluster, group, kafka, name, produce, readers, set, until_committed, until_group};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_of_both_protocols_are_described_in_one_call() {
    let (kafka, topic) = (kafka().await, name("described"));
    let cluster = cluster(kafka);
    kafka.create_topic(&topic, 1).await.expect("a topic");
    let (new, old, none) = (name("new"), name("old"), name("none"));
    let members = [(Protocol::Consumer, &new), (Protocol::Classic, &old)]
        .map(|(protocol, group)| Joined::new(kafka, protocol, group, &topic));
    for name in [&new, &old] {
        until_group(&cluster, name, "stable", |group| group.state == State::Stable).await;
    }
    let groups = cluster.groups(set(&[&new, &old, &none])).await.expect("an answer");
    assert_eq!(groups.len(), 3);
    for (name, protocol) in [(&new, Protocol::Consumer), (&old, Protocol::Classic)] {
        let group = groups[name].as_ref().expect("a description");
        assert_eq!(group.protocol, Some(protocol));
        assert_eq!(group.members.len(), 1);
        assert_eq!((group.members[0].client_id.as_str(), group.members[0].host.as_str()), ("a-member", "127.0.0.1"));
        assert_eq!(group.coordinator.as_deref(), Some(kafka.bootstrap().as_str()));
        assert!(!group.is_empty());
    }
    let group_of_nobody = groups[&none].as_ref().expect("a description");
    assert_eq!(group_of_nobody.state, State::Absent);
    assert!(group_of_nobody.is_empty());
    for (member, name) in members.into_iter().zip([&new, &old]) {
        member.leave(&cluster, name).await;
        assert!(matches!(group(&cluster, name).await.state, State::Empty | State::Absent));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_is_told_by_partition_and_what_was_never_committed_as_such() {
    let (kafka, topic, group) = (kafka().await, name("lag"), name("lagging"));
    let cluster = cluster(kafka);
    kafka.create_topic(&topic, 3).await.expect("a topic");
    produce(kafka, &topic, 0, 5).await;
    produce(kafka, &topic, 1, 4).await;
    let before = cluster.lag(readers(&group, &[&topic])).await.expect("an answer");
    let before = before[&group].as_ref().expect("a lag");
    assert_eq!((before.total(), before.uncommitted()), (0, 3));
    let member = Joined::new(kafka, Protocol::Consumer, &group, &topic);
    until_committed(kafka, &group, &topic, &[Some(5), Some(4), None]).await;
    member.leave(&cluster, &group).await;
    produce(kafka, &topic, 0, 7).await;
    let wanted = [(group.clone(), set(&[&topic, "there-is-none"])), ("nobody".to_owned(), set(&[&topic]))];
    let all = cluster.lag(wanted.into()).await.expect("an answer");
    let lag = all[&group].as_ref().expect("a lag");
    let seen: Vec<_> = lag.partitions.iter().map(|one| (one.partition, one.committed, one.end, one.lag())).collect();
    assert_eq!(seen, [(0, Some(5), Some(12), Some(7)), (1, Some(4), Some(4), Some(0)), (2, None, Some(0), None)]);
    assert_eq!((lag.total(), lag.uncommitted()), (7, 1));
    assert_eq!(lag.missing, ["there-is-none"]);
    assert_eq!(all["nobody"].as_ref().expect("a lag").uncommitted(), 3);
}
