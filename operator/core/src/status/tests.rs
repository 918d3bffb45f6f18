use events_gateway_resources::condition::ConditionStatus::{self, False, True};
use events_gateway_resources::text::Timestamp as Told;
use serde_json::{Value, json};

use super::*;
use crate::validate::{Surroundings, validate};

struct World {
    gateway: EventsGateway,
    deployment: Value,
    pods: Vec<PodView>,
}

fn world() -> World {
    let gateway = serde_json::from_value(json!({
        "apiVersion": "eventsgateway.dev/v1alpha1",
        "kind": "EventsGateway",
        "metadata": { "name": "events", "namespace": "shop", "uid": "u", "generation": 3 },
        "spec": {
            "redis": { "nodes": ["redis:6379"] },
            "kafka": { "bootstrap": ["kafka:9092"], "bindings": [{ "name": "events", "topics": ["events"] }] },
        },
    }))
    .unwrap();
    let deployment = json!({
        "metadata": { "generation": 1 },
        "spec": { "replicas": 2, "selector": {}, "template": {} },
        "status": { "observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2 },
    });
    World { gateway, deployment, pods: Vec::new() }
}

fn pod(name: &str, connections: u64) -> PodView {
    let status = json!({
        "replica": "r", "pod": name, "version": "1", "state": "serving", "drained": false,
        "connections": connections, "channels": 1, "redis": { "up": true },
        "kafka": [{ "binding": "events", "group": "g", "up": true, "paused": false, "lag": 4, "assigned": 1 }],
    });
    let answer = Answer::Some(Box::new(serde_json::from_value(status).unwrap()));
    PodView { name: name.into(), ready: true, ending: false, created: None, trouble: None, answer }
}

impl World {
    fn observed(&self, change: impl FnOnce(&mut Observation<'_>)) -> EventsGatewayStatus {
        let surroundings = Surroundings { default_image: "gateway:1".into(), ..Surroundings::default() };
        let proven = validate(&self.gateway, &surroundings);
        let deployment: Deployment = serde_json::from_value(self.deployment.clone()).unwrap();
        let mut observation = Observation {
            gateway: &self.gateway,
            proven: proven.as_ref().map_err(Vec::as_slice),
            deployment: Some(&deployment),
            pods: &self.pods,
            wanted: wanted(&self.gateway),
            draining: Vec::new(),
            activity: Activity::Settled,
            paused: None,
            failure: None,
            autoscaler: AutoscalerView::default(),
            exposure: ExposureView::default(),
            asks_brokers: true,
            groups: Some(Vec::new()),
            protocol: None,
            kafka_problems: Vec::new(),
            consumption_paused: None,
            now: "2026-11-25T10:00:00Z".parse().unwrap(),
        };
        change(&mut observation);
        observation.status()
    }
}

fn said(status: &EventsGatewayStatus, kind: &str) -> (ConditionStatus, String, String) {
    let condition = status.conditions.iter().find(|condition| condition.kind.0 == kind).unwrap();
    (condition.status, condition.reason.0.clone(), condition.message.0.clone())
}

#[test]
fn a_gateway_that_serves_is_ready_and_its_connections_are_added_up() {
    let mut world = world();
    world.pods = vec![pod("a", 3), pod("b", 5)];
    let status = world.observed(|_| {});
    assert_eq!(said(&status, "Ready"), (True, "Serving".into(), "2 of 2 replicas are ready".into()));
    assert_eq!(said(&status, "Degraded").0, False);
    assert_eq!(said(&status, "RedisReady").0, True);
    assert_eq!(said(&status, "KafkaReady").0, True);
    let connections = status.connections.unwrap();
    assert_eq!((connections.total, connections.max_per_replica), (8, 5));
    assert_eq!((status.observed_generation, status.replicas), (Some(3), Some(2)));
    assert_eq!(status.image.unwrap().0, "gateway:1");
}

#[test]
fn status_tells_the_wanted_count_without_surge_and_ending_pods() {
    let mut world = world();
    world.deployment["status"]["replicas"] = json!(4);
    assert_eq!(world.observed(|_| {}).replicas, Some(2));
}

#[test]
fn a_mere_scale_leaves_ready_as_it_is() {
    let mut world = world();
    world.pods = vec![pod("a", 3), pod("b", 5)];
    world.deployment["spec"]["replicas"] = json!(5);
    world.deployment["metadata"]["generation"] = json!(2);
    let status = world.observed(|_| {});
    assert_eq!(said(&status, "Ready").0, True);
    assert_eq!(said(&status, "Degraded").0, False, "new replicas take a moment");
}

#[test]
fn a_replica_that_is_not_ready_a_minute_after_it_was_made_is_told() {
    let mut world = world();
    let late = |created: &str| PodView {
        ready: false,
        created: Some(created.parse().unwrap()),
        answer: Answer::NotAsked,
        ..pod("b", 0)
    };
    world.pods = vec![pod("a", 3), late("2026-11-25T09:59:01Z")];
    assert_eq!(said(&world.observed(|_| {}), "Degraded").0, False);
    world.pods[1] = late("2026-11-25T09:59:00Z");
    assert_eq!(said(&world.observed(|_| {}), "Degraded").1, "ReplicasMissing");
    world.pods[1].ending = true;
    assert_eq!(said(&world.observed(|_| {}), "Degraded").0, False);
}

#[test]
fn a_replica_that_is_silent_is_told_once_it_had_time_to_answer() {
    let mut world = world();
    let silent = |created: &str| PodView {
        created: Some(created.parse().unwrap()),
        answer: Answer::None("refused".into()),
        ..pod("b", 0)
    };
    world.pods = vec![pod("a", 3), silent("2026-11-25T09:59:01Z")];
    assert_eq!(said(&world.observed(|_| {}), "Degraded").0, False);
    world.pods[1] = silent("2026-11-25T09:59:00Z");
    let (_, reason, message) = said(&world.observed(|_| {}), "Degraded");
    assert_eq!((&*reason, &*message), ("ReplicasSilent", "1 ready replica doesn't answer the operator; b: refused"));
}

#[test]
fn what_consumers_complain_of_is_told_in_their_words() {
    let mut world = world();
    world.pods = vec![pod("a", 3), pod("b", 5)];
    let Answer::Some(status) = &mut world.pods[1].answer else { panic!("it answers") };
    (status.kafka[0].up, status.kafka[0].trouble) = (false, Some("not authorized for topic events".into()));
    let (ready, reason, message) = said(&world.observed(|_| {}), "KafkaReady");
    assert_eq!((ready, &*reason), (False, "ConsumersFailing"));
    assert_eq!(message, "events: not authorized for topic events");
}

#[test]
fn lag_is_what_the_replicas_tell_once_they_have_all_partitions() {
    let mut world = world();
    world.pods = vec![pod("a", 3), pod("b", 5)];
    let group = |partitions: i32| Group {
        binding: "events".into(),
        group_id: "g".into(),
        state: None,
        members: Some(2),
        partitions: Some(partitions),
        lag: Some(2_500),
        drift: Vec::new(),
    };
    let lag = |partitions: i32| {
        let status = world.observed(|seen| seen.groups = Some(vec![group(partitions)]));
        (status.lag, status.groups[0].lag)
    };
    assert_eq!(lag(2), (Some(8), Some(8)), "each has one partition and 4 records that wait");
    assert_eq!(lag(3), (Some(2_500), Some(2_500)), "nobody knows of the third");
}

#[test]
fn without_the_brokers_the_replicas_tell_whether_they_are_consumed() {
    let mut world = world();
    let status =
        |world: &World, asks_brokers| world.observed(|seen| (seen.groups, seen.asks_brokers) = (None, asks_brokers));
    world.pods = vec![pod("a", 3), pod("b", 5)];
    assert_eq!(said(&status(&world, true), "KafkaReady").1, "NotLooked");
    let told = status(&world, false);
    assert_eq!(said(&told, "KafkaReady").1, "Consuming");
    assert_eq!(told.lag, Some(8), "of the partitions that they have");
}

#[test]
fn what_is_wrong_with_the_spec_is_told_and_that_others_go_on() {
    let mut world = world();
    world.gateway.spec.kafka.bindings[0].topics = vec!["events".into(), "events".into()];
    let (status, reason, message) = said(&world.observed(|_| {}), "Ready");
    assert_eq!((status, reason.as_str()), (False, "InvalidSpec"));
    assert!(message.starts_with("spec.kafka.bindings[0].topics[1]"), "{message}");
    assert!(message.ends_with("(2 replicas go on with what they have)"), "{message}");
}

#[test]
fn why_no_replica_is_ready_is_told() {
    let mut world = world();
    world.deployment["status"]["readyReplicas"] = json!(0);
    let trouble = Some("ImagePullBackOff: not found".to_owned());
    world.pods = vec![PodView { trouble, ready: false, answer: Answer::NotAsked, ..pod("a", 0) }];
    let status = world.observed(|_| {});
    let (ready, reason, message) = said(&status, "Ready");
    assert_eq!((ready, reason.as_str()), (False, "NoReadyReplicas"));
    assert!(message.contains("a: ImagePullBackOff"), "{message}");
    assert_eq!(said(&status, "Degraded").1, "PodsFailing");
}

#[test]
fn why_replicas_drain_and_what_a_scale_down_waits_for_is_told() {
    let mut world = world();
    let one = Draining { pod: "a".into(), connections: 7, since: Told("2026-11-25T09:59:00Z".into()) };
    for (drains, rolls, activity, expected) in [
        (false, false, Activity::Settled, (False, "NoneDraining", "")),
        (true, false, Activity::ScalingDown, (True, "ScalingDown", "1 replica drains, connections left: 7")),
        (true, false, Activity::TakingBack, (True, "TakingBack", "1 replica drains, connections left: 7")),
        (true, true, Activity::Settled, (True, "RollingOut", "1 replica drains, connections left: 7")),
        (true, false, Activity::Settled, (True, "Leaving", "1 replica drains, connections left: 7")),
        (
            false,
            true,
            Activity::AwaitingRollout,
            (
                False,
                "AwaitingRollout",
                "1 of 2 replicas are wanted; the others drain once the rollout has ended or was given up",
            ),
        ),
        (
            true,
            true,
            Activity::AwaitingTemplate,
            (
                True,
                "RollingOut",
                "1 replica drains, connections left: 7; 1 of 2 replicas are wanted; the others drain once the changed pods are \
                 rolled out",
            ),
        ),
    ] {
        world.deployment["status"]["updatedReplicas"] = json!(if rolls { 1 } else { 2 });
        let status = world.observed(|seen| {
            seen.wanted = 1;
            seen.activity = activity;
            seen.draining = if drains { vec![one.clone()] } else { Vec::new() };
        });
        let (status, reason, text) = said(&status, "Draining");
        assert_eq!((status, reason.as_str(), text.as_str()), expected);
    }
}

#[test]
fn a_condition_keeps_its_time_until_its_status_changes() {
    let mut world = world();
    let first = world.observed(|_| {});
    let time = |status: &EventsGatewayStatus, kind: &str| {
        status.conditions.iter().find(|one| one.kind.0 == kind).unwrap().last_transition_time.0.clone()
    };
    world.gateway.status = Some(first);
    let later = |seen: &mut Observation<'_>| seen.now = "2026-11-25T11:00:00Z".parse().unwrap();
    let second = world.observed(later);
    assert_eq!(time(&second, "Ready"), "2026-11-25T10:00:00Z");
    world.deployment["status"]["readyReplicas"] = json!(0);
    assert_eq!(time(&world.observed(later), "Ready"), "2026-11-25T11:00:00Z");
}

#[test]
fn the_autoscalers_bounds_clamp_the_count_and_its_troubles_are_told() {
    let mut world = world();
    world.gateway.spec.autoscaling.kind = Autoscaler::Hpa;
    world.gateway.spec.replicas = 99;
    assert_eq!(wanted(&world.gateway), 10);
    world.gateway.spec.replicas = 0;
    assert_eq!(wanted(&world.gateway), 2);
    let no_metrics = AutoscalerView { active: Some(false), message: "no metrics API".into(), second_writer: None };
    let status = world.observed(|seen| seen.autoscaler = no_metrics.clone());
    assert_eq!(said(&status, "AutoscalingActive").1, "NoMetrics");
    let writer = AutoscalerView { second_writer: Some("helm".into()), ..no_metrics };
    let (_, reason, message) = said(&world.observed(|seen| seen.autoscaler = writer), "AutoscalingActive");
    assert_eq!(reason, "SecondWriter");
    assert!(message.starts_with("helm writes spec.replicas"), "{message}");
}

#[test]
fn every_status_that_is_told_fits_the_schema() {
    let long = "x".repeat(5_000);
    let mut world = world();
    world.pods = vec![pod("a", 3)];
    world.gateway.metadata.annotations = Some([("x".to_owned(), long.clone())].into());
    let status = world.observed(|seen| {
        seen.failure = seen.gateway.metadata.annotations.as_ref().and_then(|all| all.get("x")).map(String::as_str);
        seen.paused = Some("spec.paused");
    });
    assert!(status.conditions.iter().all(|condition| condition.message.0.len() <= 1_024));
    assert_eq!(said(&status, "ReconciliationPaused").0, True);
}
