//! Topics are created and grown, and never made smaller.

use events_gateway_operator_kafka::topics::{Change, Plan, Shortfall, Wanted, plan};

use super::lab::{cluster, kafka, name, set};

fn wanted(name: &str, partitions: i32) -> Wanted {
    Wanted { name: name.to_owned(), partitions: Some(partitions), replication_factor: Some(1), compacted: false }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_created_and_grown_to_what_is_wanted_and_never_shrink() {
    let (kafka, new, small, large) = (kafka().await, name("new"), name("small"), name("large"));
    let cluster = cluster(kafka);
    kafka.create_topic(&small, 1).await.expect("a topic");
    kafka.create_topic(&large, 6).await.expect("a topic");
    let all = [wanted(&new, 3), wanted(&small, 3), wanted(&large, 3)];
    let names = set(&[&new, &small, &large]);
    let first = plan(&all, &cluster.topics(names.clone()).await.expect("an answer"));
    assert_eq!(
        first.shortfalls,
        [Shortfall::Missing { topic: new.clone() }, Shortfall::Partitions { topic: small.clone(), has: 1, wanted: 3 },]
    );
    let outcomes = cluster.apply_topics(first.clone()).await.expect("an answer");
    let done: Vec<_> = outcomes.iter().map(|outcome| (outcome.topic.as_str(), outcome.result.clone())).collect();
    assert_eq!(done, [(new.as_str(), Ok(Change::Created)), (small.as_str(), Ok(Change::Grown))]);
    // As somebody else who made the same plan at the same time.
    let again = cluster.apply_topics(first).await.expect("an answer");
    assert!(again.iter().all(|outcome| outcome.result == Ok(Change::AlreadyDone)), "{again:?}");
    let second = events_gateway_harness::wait::until("all of them to be known", super::lab::BOUND, || async {
        let plan = plan(&all, &cluster.topics(names.clone()).await?);
        Ok(plan.shortfalls.is_empty().then_some(plan))
    });
    assert_eq!(second.await.expect("they are as wanted"), Plan::default());
    let found = cluster.topics(names).await.expect("an answer");
    let counts: Vec<_> =
        found.values().map(|topic| topic.as_ref().ok().and_then(Option::as_ref).expect("a topic")).collect();
    for topic in counts {
        assert!(topic.partitions.len() == 3 || topic.partitions.len() == 6);
        assert_eq!((topic.replication_factor(), topic.under_replicated(), topic.leaderless()), (1, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_the_brokers_refuse_is_told_beside_one_that_they_take() {
    let (good, bad) = (name("good"), name("bad"));
    let cluster = cluster(kafka().await);
    let impossible = Wanted { replication_factor: Some(3), ..wanted(&bad, 1) };
    let names = set(&[&good, &bad]);
    let plan = plan(&[wanted(&good, 1), impossible], &cluster.topics(names).await.expect("an answer"));
    let outcomes = cluster.apply_topics(plan).await.expect("an answer");
    for outcome in outcomes {
        if outcome.topic == good {
            assert_eq!(outcome.result, Ok(Change::Created));
        } else {
            let refused = outcome.result.expect_err("three replicas on one broker");
            assert_eq!(refused.category(), "invalid");
            assert!(refused.to_string().contains(&bad), "{refused}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_keeps_the_last_of_each_key_is_created_as_such() {
    use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
    use rdkafka::client::DefaultClientContext;

    let (kafka, plain, compacted) = (kafka().await, name("plain"), name("compacted"));
    let all = [wanted(&plain, 1), Wanted { compacted: true, ..wanted(&compacted, 1) }];
    let cluster = cluster(kafka);
    let plan = plan(&all, &cluster.topics(set(&[&plain, &compacted])).await.expect("an answer"));
    assert_eq!(cluster.apply_topics(plan).await.expect("an answer").len(), 2);
    let admin: AdminClient<DefaultClientContext> = kafka.client().create().expect("an admin client");
    for (topic, expected) in [(&plain, "delete"), (&compacted, "compact")] {
        let asked = [&ResourceSpecifier::Topic(topic)];
        let described = admin.describe_configs(asked, &AdminOptions::new()).await.expect("an answer").remove(0);
        let policy = described.expect("a topic").get("cleanup.policy").and_then(|entry| entry.value.clone());
        assert_eq!(policy.as_deref(), Some(expected), "{topic}");
    }
}
