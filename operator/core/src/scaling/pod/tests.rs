use serde_json::json;

use super::*;

fn read(pod: serde_json::Value) -> Pod {
    let pod: ReplicaPod = serde_json::from_value(pod).unwrap();
    Pod::of(&pod, None).unwrap()
}

#[test]
fn all_that_matters_is_read_from_a_pod() {
    let pod = read(json!({
        "metadata": {
            "name": "gateway-1", "uid": "u1", "creationTimestamp": "2026-11-21T10:00:00Z",
            "labels": { "pod-template-hash": "abc", "topology.kubernetes.io/zone": "a" },
            "annotations": {
                "controller.kubernetes.io/pod-deletion-cost": "-7",
                "eventsgateway.dev/drain-since": "2026-11-21T10:05:00Z",
            },
        },
        "spec": { "nodeName": "node-1", "containers": [] },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{
                "name": "gateway", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": { "running": {} },
            }],
        },
    }));
    let expected = Pod {
        name: "gateway-1".to_owned(),
        uid: "u1".to_owned(),
        template: "abc".to_owned(),
        life: Life::Live,
        stage: Stage::Ready,
        runs: true,
        created: "2026-11-21T10:00:00Z".parse().unwrap(),
        node: Some("node-1".to_owned()),
        zone: Some("a".to_owned()),
        cost: -7,
        since: Some("2026-11-21T10:05:00Z".parse().unwrap()),
        replica: None,
    };
    assert_eq!(pod, expected);
}

#[test]
fn how_far_a_pod_has_come_is_read_as_kubernetes_does() {
    let ready = json!([{ "type": "Ready", "status": "True" }]);
    for (name, spec, status, stage, life) in [
        ("no node", json!({}), json!({ "phase": "Pending" }), Stage::Unassigned, Life::Live),
        ("a node", json!({ "nodeName": "n" }), json!({ "phase": "Pending" }), Stage::Pending, Life::Live),
        ("nothing said", json!({ "nodeName": "n" }), json!({}), Stage::Pending, Life::Live),
        ("runs", json!({ "nodeName": "n" }), json!({ "phase": "Running" }), Stage::NotReady, Life::Live),
        (
            "ready",
            json!({ "nodeName": "n" }),
            json!({ "phase": "Running", "conditions": ready }),
            Stage::Ready,
            Life::Live,
        ),
        ("evicted", json!({ "nodeName": "n" }), json!({ "phase": "Failed" }), Stage::NotReady, Life::Over),
    ] {
        let mut spec = spec;
        spec["containers"] = json!([]);
        let pod = read(json!({ "metadata": { "name": "p" }, "spec": spec, "status": status }));
        assert_eq!((pod.stage, pod.life, pod.runs), (stage, life, false), "{name}");
    }
    let until = "2026-11-21T10:00:00Z";
    let ending = read(json!({ "metadata": { "name": "p", "deletionTimestamp": until } }));
    assert_eq!(ending.life, Life::Ending(until.parse().unwrap()));
}

#[test]
fn annotations_that_say_nothing_are_none() {
    let annotations = json!({
        "controller.kubernetes.io/pod-deletion-cost": "cheap",
        "eventsgateway.dev/drain-since": "yesterday",
    });
    let pod = read(json!({ "metadata": { "name": "p", "annotations": annotations } }));
    assert_eq!((pod.cost, pod.since), (0, None));
}

#[test]
fn a_state_of_another_release_is_no_answer() {
    let status = |state| Status {
        replica: String::new(),
        pod: String::new(),
        version: String::new(),
        state,
        drained: true,
        draining_ms: Some(1_500),
        connections: 3,
        channels: 0,
        redis: events_gateway_status::Redis { up: true },
        kafka: Vec::new(),
    };
    assert_eq!(Replica::of(&status(State::Unknown)), None);
    let draining = Some(Duration::from_millis(1_500));
    assert_eq!(Replica::of(&status(State::Draining)), Some(Replica { connections: 3, draining, drained: true }));
    let serving = Replica { connections: 3, draining: None, drained: false };
    assert_eq!(Replica::of(&status(State::Serving)), Some(serving));
}
