//! Other numbers of replicas.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use events_gateway_harness::wait;

use crate::e2e::lab::BOUND;
use crate::e2e::scene::{Replica, Scene};

/// To four.
pub(crate) async fn up(scene: &mut Scene) -> Result<String> {
    scene.scale(4).await?;
    scene.settled(4).await?;
    scene.spread().await
}

/// From five to two: the emptiest go.
pub(crate) async fn down(scene: &mut Scene) -> Result<String> {
    let before = scene.replicas().await?;
    scene.scale(2).await?;
    let draining = draining(scene, 3).await?;
    scene.show("draining", "get egw events -o jsonpath={.status.conditions[?(@.type==\"Draining\")].message}").await?;
    scene.settled(2).await?;
    told(scene, &draining).await?;
    ensure_emptiest(&draining, &before, &before)?;
    victims(scene, &before, &draining).await
}

/// Checks that each victim has a notice.
async fn told(scene: &Scene, draining: &BTreeSet<String>) -> Result<()> {
    let notices = scene.lab.list(&scene.lab.home, "events.k8s.io/v1", "events").await?;
    for pod in draining {
        let told = notices.iter().any(|notice| {
            notice["reason"] == "DrainStarted" && notice["note"].as_str().is_some_and(|note| note.contains(pod))
        });
        ensure!(told, "no notice DrainStarted of {pod}");
    }
    Ok(())
}

/// Who drains, once so many do.
pub(crate) async fn draining(scene: &Scene, count: usize) -> Result<BTreeSet<String>> {
    wait::until("draining replicas in the status", BOUND, || async {
        let gateway = scene.gateway().await?;
        let told = gateway["status"]["draining"].as_array().into_iter().flatten();
        let pods: BTreeSet<String> = told.filter_map(|one| one["pod"].as_str().map(str::to_owned)).collect();
        Ok((pods.len() == count).then_some(pods))
    })
    .await
}

/// Checks that who went was named in the status.
pub(crate) async fn victims(scene: &Scene, before: &[Replica], draining: &BTreeSet<String>) -> Result<String> {
    let after = scene.replicas().await?;
    let stays = |one: &&Replica| after.iter().any(|other| other.uid == one.uid);
    let (stayed, gone): (Vec<&Replica>, Vec<&Replica>) = before.iter().partition(stays);
    ensure!(before.iter().all(|one| one.is_ready), "not all were ready: {before:?}");
    ensure!(
        gone.len() == draining.len() && stayed.len() == after.len(),
        "other pods than before: {before:?}, {after:?}"
    );
    let names: BTreeSet<String> = gone.iter().map(|one| one.pod.clone()).collect();
    ensure!(names == *draining, "gone: {names:?}, told as draining: {draining:?}");
    let counts = |ones: &[&Replica]| ones.iter().map(|one| one.connections.to_string()).collect::<Vec<_>>().join("+");
    Ok(format!("went {}, stayed {}; now {}", counts(&gone), counts(&stayed), scene.spread().await?))
}

/// Checks that none of those picked had more streams than any other when it was picked: after `earlier`, and not after `later`.
pub(crate) fn ensure_emptiest(picked: &BTreeSet<String>, earlier: &[Replica], later: &[Replica]) -> Result<()> {
    let counts = |replica: &Replica| {
        let now = later.iter().find(|one| one.uid == replica.uid).map_or(replica.connections, |one| one.connections);
        (replica.connections.min(now), replica.connections.max(now))
    };
    let (gone, stayed): (Vec<&Replica>, Vec<&Replica>) = earlier.iter().partition(|one| picked.contains(&one.pod));
    let fullest = gone.iter().map(|one| counts(one).0).max();
    let emptiest = stayed.iter().map(|one| counts(one).1).min();
    ensure!(gone.len() == picked.len() && fullest <= emptiest, "picked {picked:?} between {earlier:?} and {later:?}");
    Ok(())
}
