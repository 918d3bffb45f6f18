//! Each rule by itself.

use super::*;

const TIMEOUT: u64 = 30;
const NOW: i64 = 10_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

/// A ready pod, made earlier the lower its number is.
fn pod(number: i64, connections: u64) -> Pod {
    Pod {
        name: format!("p{number}"),
        uid: format!("u{number}"),
        template: "t".to_owned(),
        life: Life::Live,
        stage: Stage::Ready,
        runs: true,
        created: at(number - 1_000),
        node: Some(format!("node-{number}")),
        zone: Some("a".to_owned()),
        cost: 0,
        since: None,
        replica: Some(Replica { connections, draining: None, drained: false }),
    }
}

fn marked(number: i64, connections: u64, since: i64) -> Pod {
    let draining = Some(Duration::from_secs(u64::try_from(-since).unwrap()));
    Pod {
        stage: Stage::NotReady,
        cost: -1_000_000 + i32::try_from(number).unwrap(),
        since: Some(at(since)),
        replica: Some(Replica { connections, draining, drained: false }),
        ..pod(number, connections)
    }
}

fn drained(number: i64) -> Pod {
    let replica = Some(Replica { connections: 0, draining: Some(Duration::from_secs(9)), drained: true });
    Pod { replica, ..marked(number, 0, -9) }
}

/// A settled Deployment of as many as there are.
fn situation(wanted: u32, pods: Vec<Pod>) -> Situation {
    let count = u32::try_from(pods.iter().filter(|pod| pod.life == Life::Live).count()).unwrap();
    let deployment = Deployment { replicas: count, current: count, updated: count, ..Deployment::default() };
    Situation {
        wanted,
        deployment,
        pods,
        drain_timeout: Duration::from_secs(TIMEOUT),
        drain_budget: 10_000,
        drain_at_once: None,
        template_waits: false,
        now: at(0),
    }
}

/// The steps in short: `mark p1`, `drain p1`, `undrain p1`, `unmark p1`, `set 3`.
fn steps(situation: &Situation) -> Vec<String> {
    decide(situation)
        .steps
        .iter()
        .map(|step| match step {
            Step::Mark { pod, .. } => format!("mark {pod}"),
            Step::Drain { pod } => format!("drain {pod}"),
            Step::Undrain { pod } => format!("undrain {pod}"),
            Step::Unmark { pod, .. } => format!("unmark {pod}"),
            Step::SetReplicas { replicas, .. } => format!("set {replicas}"),
        })
        .collect()
}

fn victims(situation: &Situation) -> Vec<String> {
    steps(situation).iter().filter_map(|step| step.strip_prefix("mark ").map(str::to_owned)).collect()
}

#[test]
fn as_many_as_wanted_is_nothing_to_do() {
    let decision = decide(&situation(2, vec![pod(1, 5), pod(2, 5)]));
    assert_eq!(decision, Decision::default());
    assert!(!decision.holds_template());
    assert_eq!(decide(&situation(0, vec![])), Decision::default());
}

#[test]
fn more_are_asked_for_at_once_whatever_goes_on() {
    let mut up = situation(5, vec![pod(1, 5), marked(2, 3, -4)]);
    assert_eq!(steps(&up), ["set 5", "undrain p2"], "and the marked one counts again");
    up.deployment.updated = 0;
    assert_eq!(steps(&up)[0], "set 5", "also in a rollout");
    up.deployment.generation = 7;
    assert_eq!(steps(&up), ["set 5"]);
    assert_eq!(decide(&up).activity, Activity::ScalingUp);
}

#[test]
fn victims_are_chosen_by_readiness_streams_crowd_age_and_name() {
    let unready = |number, stage, runs| Pod { stage, runs, replica: None, ..pod(number, 0) };
    let zone = |number, zone: &str| Pod { zone: Some(zone.to_owned()), ..pod(number, 5) };
    let node = |number, node: &str| Pod { node: Some(node.to_owned()), ..pod(number, 5) };
    let twin = |name: &str| Pod { name: name.to_owned(), ..pod(1, 5) };
    for (what, pods, expected) in [
        (
            "readiness, in Kubernetes' order",
            vec![
                pod(1, 0),
                Pod { stage: Stage::NotReady, ..pod(2, 3) },
                unready(3, Stage::Pending, false),
                unready(4, Stage::Unassigned, false),
            ],
            vec!["p4", "p3", "p2"],
        ),
        ("fewest streams", vec![pod(1, 9), pod(2, 1), pod(3, 5), pod(4, 20)], vec!["p2", "p3", "p1"]),
        ("who doesn't tell, last", vec![unready(1, Stage::Ready, true), pod(2, 9)], vec!["p2"]),
        (
            "the most crowded zone, again and again",
            vec![zone(1, "a"), zone(2, "b"), zone(3, "b"), zone(4, "b"), zone(5, "a")],
            vec!["p4", "p5", "p3", "p2"],
        ),
        ("the most crowded node", vec![node(1, "x"), node(2, "x"), node(3, "y")], vec!["p2", "p3"]),
        ("the newest", vec![pod(2, 5), pod(3, 5), pod(1, 5)], vec!["p3", "p2"]),
        ("the name", vec![twin("b"), twin("a"), twin("c")], vec!["a", "b"]),
    ] {
        let wanted = u32::try_from(pods.len() - expected.len()).unwrap();
        assert_eq!(victims(&situation(wanted, pods)), expected, "{what}");
    }
}

#[test]
fn a_victim_is_marked_once_and_drained_until_it_does() {
    let begin = situation(1, vec![pod(1, 9), pod(2, 5), pod(3, 7)]);
    assert_eq!(steps(&begin), ["mark p2", "mark p3", "drain p2", "drain p3"]);
    let Step::Mark { mark: first, .. } = decide(&begin).steps[0] else { panic!() };
    let Step::Mark { mark: second, .. } = decide(&begin).steps[1] else { panic!() };
    assert!(first.cost < second.cost && second.cost < 0);
    assert_eq!(first.since, at(0));

    let told_late = Pod { since: Some(at(-500)), cost: -5, ..pod(2, 5) };
    let on = situation(1, vec![pod(1, 9), told_late, marked(3, 7, -3)]);
    assert_eq!(steps(&on), ["mark p2", "drain p2"], "it serves: it wasn't told, and its time begins now");
    let Step::Mark { mark: renewed, .. } = decide(&on).steps[0] else { panic!() };
    assert_eq!(renewed, Mark { cost: -5, since: at(0) });
    let decision = decide(&on);
    assert_eq!((decision.activity, decision.again), (Activity::ScalingDown, Some(Duration::from_secs(2))));
    assert!(decision.holds_template());
    assert_eq!(decision.draining.len(), 2);

    let stolen = Pod { cost: 0, ..marked(2, 5, -3) };
    let again = situation(1, vec![pod(1, 9), stolen]);
    assert_eq!(steps(&again), ["mark p2"], "somebody took its cost");
}

#[test]
fn the_deployment_is_lowered_by_those_that_are_done() {
    let silent = |since| Pod { replica: None, ..marked(3, 0, since) };
    let dead = Pod { runs: false, replica: None, ..marked(3, 0, -1) };
    let slow = marked(3, 7, -40);
    for (what, third, expected, notices) in [
        ("drains", marked(3, 7, -20), vec![], 0),
        ("closed its streams, hands over", marked(3, 0, -20), vec![], 0),
        ("drained", drained(3), vec!["set 2"], 0),
        ("doesn't end", slow, vec!["set 2"], 1),
        ("doesn't answer", silent(-20), vec!["drain p3"], 0),
        ("never answered", silent(-40), vec!["drain p3", "set 2"], 1),
        ("has no process", dead, vec!["set 2"], 0),
    ] {
        let situation = situation(2, vec![pod(1, 9), pod(2, 9), third]);
        assert_eq!(steps(&situation), expected, "{what}");
        assert_eq!(decide(&situation).notices.len(), notices, "{what}");
    }
    let two = situation(1, vec![pod(1, 9), drained(2), marked(3, 4, -9)]);
    assert_eq!(steps(&two), ["set 2"], "by one, not by two");
    let Step::SetReplicas { removal: Some(removal), .. } = &decide(&two).steps[0] else { panic!() };
    assert_eq!(removal.pods, ["p2"]);
}

#[test]
fn nobody_is_lowered_for_while_kubernetes_would_take_another() {
    // The other victim's cost is lower, or it is less ready.
    let other_way = situation(1, vec![pod(1, 9), marked(2, 4, -9), drained(3)]);
    assert_eq!(steps(&other_way), [""; 0]);
    let still_ready = Pod { stage: Stage::Ready, ..drained(2) };
    let less_ready = situation(1, vec![pod(1, 9), still_ready.clone(), marked(3, 4, -9)]);
    assert_eq!(steps(&less_ready), [""; 0]);
    // Somebody with streams lost its readiness.
    let cut_off = Pod { stage: Stage::NotReady, ..pod(3, 50) };
    let unready = situation(2, vec![pod(1, 9), still_ready.clone(), cut_off.clone()]);
    assert_eq!(steps(&unready), [""; 0]);
    // But not for ever.
    let overdue = Pod { since: Some(at(-80)), ..still_ready };
    assert_eq!(steps(&situation(2, vec![pod(1, 9), overdue, cut_off])), ["set 2"]);
}

#[test]
fn what_is_being_removed_is_not_counted_again() {
    let mut removing = situation(1, vec![pod(1, 9), drained(2), drained(3)]);
    removing.deployment.replicas = 1;
    assert_eq!(steps(&removing), [""; 0]);
    assert!(decide(&removing).holds_template(), "until they are gone");
    // Further down meanwhile.
    removing.wanted = 0;
    assert_eq!(steps(&removing), ["mark p1", "drain p1"]);
    // Up meanwhile: nobody serves again before it is known who goes.
    removing.wanted = 2;
    assert_eq!(steps(&removing), ["set 2"]);
}

#[test]
fn a_victim_that_goes_by_itself_is_replaced_by_another_victim() {
    let gone = Pod { life: Life::Ending(at(30)), ..marked(2, 4, -9) };
    let mut lost = situation(2, vec![pod(1, 9), gone, pod(3, 9)]);
    lost.deployment.replicas = 3;
    assert_eq!(steps(&lost), [""; 0], "its replacement isn't there yet");
    let replacement = Pod { stage: Stage::Pending, runs: false, replica: None, ..pod(4, 0) };
    lost.pods.push(replacement);
    assert_eq!(victims(&lost), ["p4"]);
}

#[test]
fn pods_that_cannot_be_made_are_given_up_first() {
    let mut short = situation(2, vec![pod(1, 9), pod(2, 9)]);
    short.deployment.replicas = 5;
    assert_eq!(steps(&short), [""; 0], "they are being made");
    short.deployment.is_short = true;
    assert_eq!(steps(&short), ["set 2"]);
    short.wanted = 1;
    assert_eq!(steps(&short), ["set 2"], "the rest is drained");
    (short.deployment.current, short.deployment.updated) = (4, 4);
    assert_eq!(steps(&short), ["set 4"], "the Deployment saw more than we did");
}

#[test]
fn fewer_victims_than_marked_are_taken_back() {
    let mut back = situation(2, vec![pod(1, 9), marked(2, 4, -9), marked(3, 4, -9)]);
    assert_eq!(steps(&back), ["undrain p3"]);
    back.pods[2] = drained(3);
    assert_eq!(steps(&back), ["undrain p2"], "who is done stays");
    let serving = Pod { since: Some(at(-9)), cost: -3, ..pod(3, 4) };
    back.pods[2] = serving.clone();
    back.wanted = 3;
    assert_eq!(steps(&back), ["undrain p2", "unmark p3"], "only who is known to serve loses its mark");
    for (what, pod, expected) in [
        ("silent and ready", Pod { replica: None, ..serving.clone() }, "undrain p3"),
        ("for long", Pod { replica: None, since: Some(at(-40)), ..serving.clone() }, "unmark p3"),
        ("silent and not ready", Pod { stage: Stage::NotReady, replica: None, ..serving.clone() }, "undrain p3"),
        ("without a process", Pod { runs: false, stage: Stage::NotReady, replica: None, ..serving }, "unmark p3"),
    ] {
        assert_eq!(steps(&situation(1, vec![pod])), [expected], "{what}");
    }
    assert_eq!(decide(&situation(1, vec![marked(1, 3, -2)])).activity, Activity::TakingBack);
    assert!(!decide(&situation(1, vec![marked(1, 3, -2)])).holds_template());
}

#[test]
fn that_kubernetes_took_another_is_told_once_the_rest_serves() {
    let serving = Pod { since: Some(at(-9)), cost: -3, ..pod(2, 4) };
    let mut passed = situation(2, vec![pod(1, 9), serving]);
    passed.deployment.removal = Some(Removal { at: at(-5), pods: vec!["p2".to_owned()] });
    let decision = decide(&passed);
    assert_eq!(decision.notices, [Notice::PassedOver { pod: "p2".to_owned() }]);
    // It was marked after that: wanted back.
    passed.deployment.removal = Some(Removal { at: at(-50), pods: vec!["p2".to_owned()] });
    assert_eq!(decide(&passed).notices, []);
}

#[test]
fn a_rollout_comes_first() {
    let fewer = || situation(1, vec![pod(1, 9), pod(2, 9)]);
    let mut old_ones = fewer();
    old_ones.deployment.updated = 1;
    let mut mixed = fewer();
    mixed.pods[0].template = "older".to_owned();
    let mut ends_late = fewer();
    ends_late.pods.push(Pod { template: "older".to_owned(), life: Life::Ending(at(10)), ..pod(3, 1) });
    for (what, situation) in [("status", &old_ones), ("pods", &mixed), ("ending", &ends_late)] {
        let decision = decide(situation);
        assert_eq!((decision.steps.len(), decision.activity), (0, Activity::AwaitingRollout), "{what}");
        assert!(!decision.holds_template(), "{what}");
    }
    // On a node that nobody hears of.
    ends_late.pods[2].life = Life::Ending(at(-100));
    assert_eq!(victims(&ends_late), ["p2"]);
    // Somebody else's rollout in the middle of a scale-down.
    mixed.pods[1] = marked(2, 4, -9);
    assert_eq!(steps(&mixed), ["undrain p2"]);
    // The spec was written a moment ago.
    let mut unseen = fewer();
    unseen.deployment.generation = 9;
    assert_eq!((steps(&unseen).len(), decide(&unseen).activity), (0, Activity::AwaitingController));
}

#[test]
fn a_rollout_that_kubernetes_has_given_up_is_waited_for_no_longer() {
    // One of the new template that never gets ready, and Kubernetes keeps all of the old one for it.
    let broken = Pod { template: "new".into(), stage: Stage::Pending, runs: false, replica: None, ..pod(9, 0) };
    let mut stuck = situation(1, vec![pod(1, 9), pod(2, 9), pod(3, 9), broken]);
    (stuck.deployment.replicas, stuck.deployment.updated) = (3, 1);
    assert_eq!((steps(&stuck).len(), decide(&stuck).activity), (0, Activity::AwaitingRollout));
    stuck.deployment.is_given_up = true;
    let decision = decide(&stuck);
    assert_eq!((steps(&stuck), decision.activity), (vec!["set 1".to_owned()], Activity::ScalingDown));
    assert!(!decision.holds_template(), "what mends it is written at once");
    stuck.template_waits = true;
    assert_eq!((steps(&stuck).len(), decide(&stuck).activity), (0, Activity::AwaitingRollout), "that may mend it");
    stuck.template_waits = false;
    stuck.pods.push(Pod { life: Life::Ending(at(20)), ..pod(4, 5) });
    assert_eq!(steps(&stuck), [""; 0], "one hands over");
    stuck.pods.pop();
    stuck.deployment.removal = Some(Removal { at: at(-14), pods: vec![] });
    assert_eq!(steps(&stuck), [""; 0], "the ones before may still be on their way");
    stuck.deployment.removal = Some(Removal { at: at(-15), pods: vec![] });
    for (budget, at_once, expected) in
        [(18, None, "set 1"), (17, None, "set 2"), (0, None, "set 2"), (18, Some(1), "set 2")]
    {
        (stuck.drain_budget, stuck.drain_at_once) = (budget, at_once);
        assert_eq!(steps(&stuck), [expected], "{budget} {at_once:?}");
    }
    for (wanted, expected) in [(4, vec!["set 4"]), (3, vec![])] {
        stuck.wanted = wanted;
        assert_eq!(steps(&stuck), expected, "no matter of it");
    }
}

#[test]
fn a_template_that_waits_lets_no_more_victims_be_chosen() {
    let mut waits = situation(1, vec![pod(1, 9), pod(2, 9), marked(3, 4, -9)]);
    waits.template_waits = true;
    assert_eq!(steps(&waits), [""; 0]);
    assert!(decide(&waits).holds_template(), "until those that were chosen are gone");
    waits.pods.pop();
    waits.deployment.replicas = 2;
    assert_eq!((steps(&waits).len(), decide(&waits).activity), (0, Activity::AwaitingTemplate));
    assert!(!decide(&waits).holds_template());
}

#[test]
fn no_more_streams_are_drained_at_once_than_the_rate_allows() {
    let mut many = situation(0, vec![pod(1, 600), pod(2, 300), pod(3, 800), pod(4, 5)]);
    many.drain_budget = 900;
    assert_eq!(victims(&many), ["p4", "p2"], "305, and 600 more would be too many");
    many.drain_budget = 1;
    assert_eq!(victims(&many), ["p4"], "at least one");
    many.pods[3] = marked(4, 3, -5);
    assert_eq!(victims(&many), [""; 0], "while it drains");
    many.pods[3] = drained(4);
    assert_eq!(victims(&many), ["p2"], "the next one");
}

#[test]
fn no_more_replicas_drain_at_once_than_may() {
    let mut many = situation(0, vec![pod(1, 6), pod(2, 3), pod(3, 8), pod(4, 5)]);
    many.drain_at_once = Some(2);
    assert_eq!(victims(&many), ["p2", "p4"]);
    many.pods[1] = marked(2, 3, -5);
    assert_eq!(victims(&many), ["p4"], "one drains");
    many.pods[3] = marked(4, 5, -5);
    assert_eq!(victims(&many), [""; 0], "two drain");
    many.pods[1] = drained(2);
    assert_eq!(victims(&many), ["p1"], "the next one");
    many.drain_budget = 1;
    assert_eq!(victims(&many), [""; 0], "the streams of those that drain count as well");
}

#[test]
fn all_may_go() {
    assert_eq!(steps(&situation(0, vec![drained(1), drained(2)])), ["set 0"]);
    assert_eq!(victims(&situation(0, vec![pod(1, 3)])), ["p1"]);
}

#[test]
fn whoever_drains_is_listed() {
    let by_hand = Pod {
        replica: Some(Replica { connections: 3, draining: Some(Duration::from_secs(7)), drained: false }),
        life: Life::Ending(at(20)),
        ..pod(1, 3)
    };
    let decision = decide(&situation(1, vec![pod(2, 1), by_hand]));
    let expected = Draining { pod: "p1".to_owned(), connections: Some(3), since: at(-7) };
    assert_eq!(decision.draining, [expected]);
}
