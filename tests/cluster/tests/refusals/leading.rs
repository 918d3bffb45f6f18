//! A Lease that can't be renewed, or only late: never two act.

use std::time::{Duration, Instant};

use anyhow::Result;
use events_gateway_cluster::faulty_api::Fault;
use events_gateway_cluster::operator::Settings;
use events_gateway_cluster::{FaultyApi, Namespace, Operator};
use events_gateway_harness::wait;

use super::lab::{BOUND, lab};

const LEADER: &str = "events_gateway_operator_leader";
/// How long a claim lasts.
const LASTS: Duration = Duration::from_secs(15);
const LEASES: &str = "*/leases/*";

struct Pair {
    namespace: Namespace,
    faulty: FaultyApi,
    first: Operator,
}

fn settings(namespace: &Namespace, identity: &str) -> Settings {
    Settings {
        leader_election: true,
        identity: identity.into(),
        namespaces: vec!["nobodys".into()],
        lease: Some(("operator".into(), namespace.name().to_owned())),
        ..Settings::default()
    }
}

async fn leads(operator: &Operator) -> Result<()> {
    wait::until("leading", BOUND, || async { Ok((operator.metric(LEADER, &[]).await? > 0.0).then_some(())) }).await
}

async fn leading(purpose: &str) -> Result<Pair> {
    let control_plane = lab().await?;
    let namespace = Namespace::create(&control_plane.api()?, purpose).await?;
    let faulty = FaultyApi::start(&control_plane.kubeconfig()).await?;
    let first = Operator::start(faulty.kubeconfig(), &settings(&namespace, "first")).await?;
    leads(&first).await?;
    Ok(Pair { namespace, faulty, first })
}

#[tokio::test]
async fn who_can_not_renew_ends_before_another_may_act() -> Result<()> {
    let Pair { namespace, faulty, mut first } = leading("lost").await?;
    let second = Operator::start(&lab().await?.kubeconfig(), &settings(&namespace, "second")).await?;
    // The last renewal is written, and heard of late; the next is refused, and then nobody answers any more.
    let silent = faulty.on("get update", LEASES, Fault::Silent);
    let refused = faulty.on_first(1, "update", LEASES, Fault::refused(500, "InternalError", "no"));
    let reads = faulty.on_first(1, "get", LEASES, Fault::Slow(Duration::ZERO));
    let late = faulty.on_first(1, "update", LEASES, Fault::Late(Duration::from_millis(4_500)));
    let first_read = faulty.on_first(1, "get", LEASES, Fault::Slow(Duration::ZERO));
    wait::until_true("the last renewal", BOUND, || late.hits() == 1).await?;
    let renewed = Instant::now();
    let status = first.ended(BOUND).await?;
    let lasted = renewed.elapsed();
    assert!(!status.success() && lasted < LASTS, "another may act after {LASTS:?}, it ended after {lasted:?}");
    assert!(second.metric(LEADER, &[]).await? < 1.0, "it waits until the claim has lapsed");
    leads(&second).await?;
    assert!(refused.hits() == 1 && reads.hits() == 1 && first_read.hits() == 1 && silent.hits() > 0);
    Ok(())
}

#[tokio::test]
async fn renewals_that_are_slow_or_refused_for_a_while_cost_nothing() -> Result<()> {
    let Pair { namespace, faulty, first } = leading("slow").await?;
    let slow = faulty.on_first(2, "update", LEASES, Fault::Slow(Duration::from_secs(3)));
    wait::until_true("slow renewals", BOUND, || slow.hits() == 2).await?;
    let refused = faulty.on_first(1, "update", LEASES, Fault::refused(403, "Forbidden", "not now"));
    wait::until_true("a refusal", BOUND, || refused.hits() == 1).await?;
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert!(first.metric(LEADER, &[]).await? > 0.0);
    let lease = namespace.path("coordination.k8s.io/v1", "leases") + "/operator";
    let lease = lab().await?.api()?.get(&lease).await?.success()?.body;
    assert_eq!(lease["spec"]["leaseTransitions"], 0, "it was nobody else's");
    Ok(())
}

#[tokio::test]
async fn a_claim_that_is_heard_of_late_counts_from_when_it_was_made() -> Result<()> {
    let control_plane = lab().await?;
    let namespace = Namespace::create(&control_plane.api()?, "claim").await?;
    let faulty = FaultyApi::start(&control_plane.kubeconfig()).await?;
    let late = faulty.on_first(1, "create", "*/leases", Fault::Late(Duration::from_secs(9)));
    let mut first = Operator::start(faulty.kubeconfig(), &settings(&namespace, "first")).await?;
    wait::until_true("the claim", BOUND, || late.hits() == 1).await?;
    let claimed = Instant::now();
    let _silent = faulty.on("get update", LEASES, Fault::Silent);
    let status = first.ended(BOUND).await?;
    assert!(!status.success() && claimed.elapsed() < LASTS, "{:?}", claimed.elapsed());
    Ok(())
}
