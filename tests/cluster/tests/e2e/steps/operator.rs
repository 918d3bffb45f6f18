//! What happens to the operator itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use events_gateway_harness::wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::replacing::identities;
use super::scaling::{draining, ensure_emptiest, victims};
use crate::e2e::lab::{BOUND, name};
use crate::e2e::manifest::NAME;
use crate::e2e::scene::{Replica, Scene, is_marked};

/// What can be made for a gateway here.
const CHILDREN: &[(&str, &str)] = &[
    ("v1", "services"),
    ("v1", "configmaps"),
    ("v1", "secrets"),
    ("v1", "serviceaccounts"),
    ("apps/v1", "deployments"),
    ("policy/v1", "poddisruptionbudgets"),
    ("networking.k8s.io/v1", "ingresses"),
    ("networking.k8s.io/v1", "networkpolicies"),
    ("gateway.networking.k8s.io/v1", "httproutes"),
];

/// A scale-down in whose every phase the operator is killed: when the victims are marked, while they drain (and with its pod,
/// so that its lease has to lapse), and when the Deployment was lowered.
pub(crate) async fn killed_in_a_drain(scene: &mut Scene) -> Result<String> {
    let before = scene.replicas().await?;
    let began = Instant::now();
    scene.scale(2).await?;
    let mut picks = Picks { marked: BTreeSet::new(), last: before.clone() };
    picks.follow(scene, 1).await?;
    kill(scene).await?;
    let marked = began.elapsed();
    picks.follow(scene, 2).await?;
    let draining = draining(scene, 2).await?;
    let pod = scene.lab.operator().await?.context("no operator")?;
    kill(scene).await?;
    let words = format!("-n {} delete pod {} --grace-period=0 --force", scene.lab.office.name(), name(&pod)?);
    scene.lab.kubectl.say(&words).await?;
    let deleted = began.elapsed();
    wait::until("a lower Deployment", BOUND, || async {
        let deployment = scene.deployment().await?;
        Ok(deployment["spec"]["replicas"].as_u64().is_some_and(|replicas| replicas < 4).then_some(()))
    })
    .await?;
    kill(scene).await?;
    let lowered = began.elapsed();
    scene.settled(2).await?;
    let told = victims(scene, &before, &draining).await?;
    let [marked, deleted, lowered] = [marked, deleted, lowered].map(|time| time.as_secs_f64());
    Ok(format!("killed at {marked:.1} s, with its pod at {deleted:.1} s, killed at {lowered:.1} s; {told}"))
}

/// Who was picked until now. Another life of the operator may pick the second when the first one's clients have moved, so each
/// pick is judged by what the replicas had just before and just after it.
struct Picks {
    marked: BTreeSet<String>,
    last: Vec<Replica>,
}

impl Picks {
    /// Follows until so many are marked, and checks that each was the emptiest.
    async fn follow(&mut self, scene: &Scene, count: usize) -> Result<()> {
        let began = Instant::now();
        while self.marked.len() < count {
            ensure!(began.elapsed() < BOUND, "only {:?} are marked", self.marked);
            let pods = scene.pods().await?;
            let marked: BTreeSet<String> = pods.iter().filter(|pod| is_marked(pod)).map(name).collect::<Result<_>>()?;
            let now = scene.replicas().await?;
            let new: BTreeSet<String> = marked.difference(&self.marked).cloned().collect();
            self.last.retain(|one| !self.marked.contains(&one.pod));
            ensure_emptiest(&new, &self.last, &now)?;
            (self.marked, self.last) = (marked, now);
        }
        Ok(())
    }
}

/// Kills (SIGKILL) the operator's process in its container, as soon as it runs.
async fn kill(scene: &Scene) -> Result<()> {
    let process = wait::until("the operator's process", BOUND, || async {
        let pod = scene.lab.operator().await?;
        Ok(pod.and_then(|pod| process(pod["metadata"]["uid"].as_str()?)))
    });
    kill_process(process.await?, Signal::KILL).context("failed to kill the operator")
}

/// The operator's process in a pod. The node's processes are seen from here.
fn process(pod: &str) -> Option<Pid> {
    let is_operator = |process: &i32| {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        read("cgroup").contains(pod)
            && read("cmdline").split('\0').next().is_some_and(|path| path.ends_with("-operator"))
    };
    let mut processes =
        std::fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Pid::from_raw(processes.find(is_operator)?)
}

/// The operator is taken away with its chart and installed again: the gateway doesn't notice.
pub(crate) async fn installed_again(scene: &mut Scene) -> Result<String> {
    let (pods, children) = (identities(scene).await?, children(scene).await?);
    let began = Instant::now();
    scene.lab.uninstall().await?;
    let uninstalled = began.elapsed();
    ensure!(identities(scene).await? == pods, "pods went with the operator");
    scene.lab.install().await?;
    let installed = began.elapsed();
    passed(scene).await?;
    let acted = began.elapsed();
    scene.settled(2).await?;
    ensure!(identities(scene).await? == pods, "other pods");
    unchanged(&children, &self::children(scene).await?)?;
    let [uninstalled, installed, acted] = [uninstalled, installed, acted].map(|time| time.as_secs_f64());
    let spread = scene.spread().await?;
    Ok(format!("uninstalled after {uninstalled:.1} s, installed {installed:.1} s, acted {acted:.1} s; {spread}"))
}

/// Paused, nothing is carried out; resumed, all is.
pub(crate) async fn paused(scene: &mut Scene) -> Result<String> {
    let pods = identities(scene).await?;
    scene.change(&json!({ "metadata": { "annotations": { "eventsgateway.dev/paused": "true" } } })).await?;
    until_condition(scene, "ReconciliationPaused", "True").await?;
    scene.scale(3).await?;
    wait::until("the spec to be looked at", BOUND, || async {
        let gateway = scene.gateway().await?;
        Ok((gateway["status"]["observedGeneration"] == gateway["metadata"]["generation"]).then_some(()))
    })
    .await?;
    ensure!(scene.deployment().await?["spec"]["replicas"] == 2, "it was scaled");
    ensure!(identities(scene).await? == pods, "other pods");
    scene.scale(2).await?;
    scene.change(&json!({ "metadata": { "annotations": { "eventsgateway.dev/paused": null } } })).await?;
    until_condition(scene, "ReconciliationPaused", "False").await?;
    scene.settled(2).await?;
    ensure!(identities(scene).await? == pods, "other pods");
    scene.spread().await
}

/// A pass over a gateway that is as it should be writes nothing.
pub(crate) async fn nothing_is_written(scene: &mut Scene) -> Result<String> {
    let before = children(scene).await?;
    scene.change(&json!({ "metadata": { "annotations": { "example.com/touched": "once" } } })).await?;
    passed(scene).await?;
    unchanged(&before, &children(scene).await?)?;
    ensure!(!scene.pods().await?.iter().any(is_marked), "a pod is marked");
    Ok(format!("{} children unchanged", before.len()))
}

/// Waits until the operator has made another pass over the gateway.
async fn passed(scene: &Scene) -> Result<()> {
    let passes = || scene.lab.metric("events_gateway_operator_reconciles_total", "EventsGateway\"");
    let before = passes().await?.unwrap_or(0.0);
    wait::until("a pass", BOUND, || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(passes().await?.filter(|now| *now > before).map(drop))
    })
    .await
}

async fn until_condition(scene: &Scene, kind: &str, status: &str) -> Result<()> {
    let home = scene.lab.home.name();
    let words = format!("-n {home} wait egw/{NAME} --for=condition={kind}={status} --timeout=60s");
    scene.lab.kubectl.say(&words).await.map(drop)
}

/// All that belongs to the gateway, with its generation, or its version where it has none.
async fn children(scene: &Scene) -> Result<BTreeMap<String, Value>> {
    let mut children = BTreeMap::new();
    for (group, plural) in CHILDREN {
        for object in scene.lab.list(&scene.lab.home, group, plural).await? {
            if object["metadata"]["ownerReferences"][0]["kind"] != "EventsGateway" {
                continue;
            }
            let metadata = &object["metadata"];
            let version = if metadata["generation"].is_null() { "resourceVersion" } else { "generation" };
            children.insert(format!("{plural}/{}", name(&object)?), metadata[version].clone());
        }
    }
    ensure!(children.len() >= 7, "only {children:?}");
    Ok(children)
}

fn unchanged(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Result<()> {
    ensure!(before == after, "written again: before {before:?}, after {after:?}");
    Ok(())
}
