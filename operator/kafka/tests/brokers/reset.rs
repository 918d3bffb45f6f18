//! Groups begin elsewhere.

use std::collections::BTreeMap;

use events_gateway_harness::Kafka;
use events_gateway_operator_kafka::reset::{Change, Plan, Target};
use events_gateway_operator_kafka::{Cluster, Protocol};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::lab::{BOUND, Joined, SINCE, cluster, kafka, name, now, produce, readers, until_committed, until_group};

/// A group that has read all of a topic with two partitions, 10 and 6 records, and has left again.
async fn read(kafka: &Kafka, cluster: &Cluster, protocol: Protocol) -> (String, String) {
    let (topic, group) = (name("reset"), name("resetting"));
    kafka.create_topic(&topic, 2).await.expect("a topic");
    produce(kafka, &topic, 0, 10).await;
    produce(kafka, &topic, 1, 6).await;
    let member = Joined::new(kafka, protocol, &group, &topic);
    until_committed(kafka, &group, &topic, &[Some(10), Some(6)]).await;
    member.leave(cluster, &group).await;
    (topic, group)
}

fn planned(plan: &Plan) -> Vec<(Option<i64>, i64)> {
    assert_eq!(plan.problems().count(), 0, "{plan:?}");
    plan.partitions.iter().map(|plan| (plan.from, plan.to)).collect()
}

fn changes(outcomes: &[events_gateway_operator_kafka::reset::Outcome]) -> Vec<Change> {
    outcomes.iter().map(|outcome| *outcome.result.as_ref().expect("it is done")).collect()
}

/// The texts beside the committed offsets.
async fn metadata(kafka: &Kafka, group: &str, topic: &str) -> Vec<String> {
    let mut config = kafka.client();
    config.set("group.id", group);
    let topic = topic.to_owned();
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create().expect("a consumer");
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&topic, 0, 1);
        let committed = consumer.committed_offsets(list, BOUND).expect("offsets");
        committed.elements().iter().map(|element| element.metadata().to_owned()).collect()
    })
    .await
    .expect("it runs")
}

async fn every_target(protocol: Protocol) {
    let kafka = kafka().await;
    let cluster = cluster(kafka);
    let (topic, group) = read(kafka, &cluster, protocol).await;
    assert_eq!(metadata(kafka, &group, &topic).await, ["mine", "mine"]);
    let offsets: BTreeMap<(String, i32), i64> = [((topic.clone(), 0), 7)].into();
    kafka.delete_records(&topic, 0, 2).await.expect("the log begins at 2");
    let targets = [
        (Target::Earliest, vec![(Some(10), 2), (Some(6), 0)], 14),
        (Target::Latest, vec![(Some(2), 10), (Some(0), 6)], -14),
        (Target::Time(*SINCE + 3_500), vec![(Some(10), 4), (Some(6), 4)], 8),
        (Target::Time(*SINCE - 1), vec![(Some(4), 2), (Some(4), 0)], 6),
        (Target::Ago(1_000), vec![(Some(2), 10), (Some(0), 6)], -14),
        (Target::Offsets(offsets), vec![(Some(10), 7)], 3),
    ];
    for (target, expected, records) in targets {
        let plan = cluster.plan_reset(readers(&group, &[&topic]), target.clone()).await.expect("a plan");
        assert_eq!(planned(&plan), expected.iter().map(|(from, to)| (*from, *to)).collect::<Vec<_>>(), "{target:?}");
        assert_eq!(plan.records(), records, "{target:?}");
        let set = cluster.apply_reset(plan.clone()).await.expect("an empty group");
        assert!(changes(&set).iter().all(|change| *change == Change::Set), "{target:?}: {set:?}");
        let again = cluster.apply_reset(plan).await.expect("an empty group");
        assert!(changes(&again).iter().all(|change| *change == Change::AlreadyThere), "{target:?}: {again:?}");
    }
    // Counted from now: the time lies between two records, give or take how long this takes.
    let ago = now() - (*SINCE + 3_500);
    let plan = cluster.plan_reset(readers(&group, &[&topic]), Target::Ago(ago)).await.expect("a plan");
    assert!(plan.time.is_some_and(|time| time >= *SINCE + 3_500), "{plan:?}");
    assert!(plan.partitions.iter().all(|plan| plan.to >= 4), "{plan:?}");
    assert_eq!(kafka.committed(&group, &topic, 2).await.expect("offsets"), [Some(7), Some(6)], "a plan sets nothing");
    assert_eq!(metadata(kafka, &group, &topic).await, ["", ""]);
    // The group goes on where it was put.
    let member = Joined::new(kafka, protocol, &group, &topic);
    until_committed(kafka, &group, &topic, &[Some(10), Some(6)]).await;
    member.leave(&cluster, &group).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_the_new_protocol_is_put_wherever_is_wanted() {
    every_target(Protocol::Consumer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_the_classic_protocol_is_put_wherever_is_wanted() {
    every_target(Protocol::Classic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_with_members_is_refused_with_their_names_and_left_alone() {
    let kafka = kafka().await;
    let cluster = cluster(kafka);
    for protocol in [Protocol::Consumer, Protocol::Classic] {
        let (topic, group) = read(kafka, &cluster, protocol).await;
        let member = Joined::new(kafka, protocol, &group, &topic);
        until_group(&cluster, &group, "joined", |group| !group.is_empty() && !group.members.is_empty()).await;
        let plan = cluster.plan_reset(readers(&group, &[&topic]), Target::Earliest).await.expect("a plan");
        let refused = cluster.apply_reset(plan).await.expect_err("it has a member");
        assert_eq!(refused.category(), "in-use");
        assert!(refused.to_string().contains("a-member from 127.0.0.1"), "{refused}");
        assert!(refused.to_string().contains(&group), "{refused}");
        assert_eq!(kafka.committed(&group, &topic, 2).await.expect("offsets"), [Some(10), Some(6)]);
        member.leave(&cluster, &group).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_never_was_is_put_somewhere_before_its_first_member_comes() {
    let kafka = kafka().await;
    let cluster = cluster(kafka);
    let (topic, group) = (name("early"), name("unborn"));
    kafka.create_topic(&topic, 2).await.expect("a topic");
    produce(kafka, &topic, 0, 3).await;
    let plan = cluster.plan_reset(readers(&group, &[&topic]), Target::Latest).await.expect("a plan");
    assert_eq!((planned(&plan), plan.records()), (vec![(None, 3), (None, 0)], 0));
    assert_eq!(changes(&cluster.apply_reset(plan).await.expect("nobody is there")), [Change::Set; 2]);
    assert_eq!(kafka.committed(&group, &topic, 2).await.expect("offsets"), [Some(3), Some(0)]);
    produce(kafka, &topic, 0, 1).await;
    let member = Joined::new(kafka, Protocol::Consumer, &group, &topic);
    until_committed(kafka, &group, &topic, &[Some(4), Some(0)]).await;
    let joined = until_group(&cluster, &group, "joined", |group| !group.members.is_empty()).await;
    assert_eq!(joined.protocol, Some(Protocol::Consumer));
    member.leave(&cluster, &group).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_outside_the_log_and_topics_that_are_not_there_are_told_and_not_set() {
    let kafka = kafka().await;
    let cluster = cluster(kafka);
    let (topic, group) = read(kafka, &cluster, Protocol::Consumer).await;
    let offsets = [((topic.clone(), 0), 11), ((topic.clone(), 1), 3), (("nowhere".to_owned(), 0), 0)];
    let readers = readers(&group, &[&topic, "nowhere"]);
    let plan = cluster.plan_reset(readers.clone(), Target::Offsets(offsets.into())).await.expect("a plan");
    let problems: Vec<_> = plan.problems().filter_map(|plan| plan.problem.as_deref()).collect();
    assert_eq!(problems, ["there is no topic nowhere", "the log has the offsets 0 to 10, not 11"]);
    assert_eq!(changes(&cluster.apply_reset(plan).await.expect("the rest")), [Change::Set]);
    assert_eq!(kafka.committed(&group, &topic, 2).await.expect("offsets"), [Some(10), Some(3)]);
    let missing = cluster.plan_reset(readers, Target::Earliest).await.expect_err("a topic is missing");
    assert_eq!(missing.category(), "not-found");
    assert!(missing.to_string().contains("nowhere"), "{missing}");
}
