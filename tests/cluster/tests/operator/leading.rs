//! Leader election: one acts, another takes over at once when it stops.

use std::time::{Duration, Instant};

use anyhow::Result;
use events_gateway_cluster::Operator;
use events_gateway_cluster::operator::Settings;
use events_gateway_harness::wait;

use super::lab::{BOUND, lab};

const LEADER: &str = "events_gateway_operator_leader";

#[tokio::test]
async fn one_leads_and_another_takes_over_at_once_when_it_stops() -> Result<()> {
    let kubeconfig = lab().await?.control_plane.kubeconfig();
    // It looks after a namespace that nobody has: the lab's own operator acts without election.
    let settings = |identity: &str| Settings {
        leader_election: true,
        identity: identity.into(),
        namespaces: vec!["nobodys".into()],
        ..Settings::default()
    };
    let mut first = Operator::start(&kubeconfig, &settings("first")).await?;
    let leads = async |operator: &Operator| {
        wait::until("leading", BOUND, || async { Ok((operator.metric(LEADER, &[]).await? > 0.0).then_some(())) }).await
    };
    leads(&first).await?;
    let second = Operator::start(&kubeconfig, &settings("second")).await?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(second.metric(LEADER, &[]).await? < 1.0, "only one leads");
    assert!(first.stop().await?.success());
    let stopped = Instant::now();
    leads(&second).await?;
    assert!(stopped.elapsed() < Duration::from_secs(10), "the lease was given up, not lapsed: {:?}", stopped.elapsed());
    Ok(())
}
