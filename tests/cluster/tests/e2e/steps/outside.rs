//! What others do: strangers, evictions, deletions, an API server that is away.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use events_gateway_harness::http::{self, Request};
use events_gateway_harness::wait;
use serde_json::json;

use super::replacing::identities;
use crate::e2e::lab::{BOUND, address};
use crate::e2e::scene::{Replica, Scene};

/// How long after the API server the operator may be blind: its watches wait the longer the oftener they failed.
const LATE: Duration = Duration::from_secs(45);

/// Who may reach a pod but doesn't know the token: from here to a pod's address is the way that another pod's requests take.
pub(crate) async fn strangers(scene: &mut Scene) -> Result<String> {
    let pods = scene.pods().await?;
    let admin = pods.first().and_then(|pod| address(pod, 9090)).context("no pod")?;
    for open in ["/live", "/ready", "/metrics"] {
        let answer = http::get(admin, open).await?;
        ensure!(answer.status() == 200, "{open}: {}", answer.status());
    }
    let gets = ["/status", "/connections", "/channels/channel:0", "/kafka", "/", "/debug"].map(Request::get);
    let posts = ["/drain", "/undrain", "/kafka/pause", "/kafka/resume", "/disconnect"];
    let posts = posts.map(|target| Request::post(target, &json!({ "group": "events", "user": "somebody" })));
    let mut refused = 0;
    for request in gets.into_iter().chain(posts) {
        for guess in [None, Some("Bearer a guess"), Some("Bearer "), Some("Basic YWRtaW46YWRtaW4=")] {
            let asked = guess.iter().fold(request.clone(), |request, guess| request.header("Authorization", guess));
            let answer = http::send(admin, &asked).await?;
            let what = format!("{} {} with {guess:?}", request.method, request.target);
            ensure!(matches!(answer.status(), 401 | 404), "{what}: {}", answer.status());
            refused += 1;
        }
    }
    ensure!(scene.replicas().await?.iter().all(|one| one.is_ready), "somebody drains");
    Ok(format!("{refused} requests refused"))
}

/// The fullest replica is evicted, as `kubectl drain` of its node does.
pub(crate) async fn evict(scene: &mut Scene) -> Result<String> {
    let victim = fullest(scene).await?;
    let path = format!("{}/{}/eviction", scene.lab.home.path("v1", "pods"), victim.pod);
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": victim.pod },
    });
    scene.lab.api.create(&path, &eviction).await?.success()?;
    gone(scene, &victim).await
}

/// The fullest replica is deleted.
pub(crate) async fn delete(scene: &mut Scene) -> Result<String> {
    let victim = fullest(scene).await?;
    let path = format!("{}/{}", scene.lab.home.path("v1", "pods"), victim.pod);
    scene.lab.api.delete(&path).await?.success()?;
    gone(scene, &victim).await
}

/// The API server is away for a moment, and what is wanted then is carried out as soon as it is back.
pub(crate) async fn restart_the_api_server(scene: &mut Scene) -> Result<String> {
    let before = identities(scene).await?;
    let mut moments = vec![Instant::now()];
    scene.lab.cluster.control_plane.stop_api_server().await?;
    moments.push(Instant::now());
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.lab.cluster.control_plane.resume_api_server().await?;
    moments.push(Instant::now());
    for replicas in [3, 2] {
        scene.scale(replicas).await?;
        if replicas == 3 {
            wait::until("a third replica to be asked for", BOUND, || async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok((scene.deployment().await?["spec"]["replicas"] == replicas).then_some(()))
            })
            .await?;
            let asked = moments.last().map(Instant::elapsed).unwrap_or_default();
            ensure!(asked < LATE, "the operator acts again {asked:?} after the API server is back");
            moments.push(Instant::now());
        }
        scene.settled(replicas as usize).await?;
        moments.push(Instant::now());
    }
    let after = identities(scene).await?;
    let times: Vec<String> =
        moments.windows(2).map(|pair| format!("{:.1}", (pair[1] - pair[0]).as_secs_f64())).collect();
    let [stop, back, asked, up, down] = &times[..] else { unreachable!("six moments") };
    Ok(format!(
        "stopped in {stop} s, back after {back} s, a third replica asked for in {asked} s, there in {up} s, gone {down} s; {} of {} pods stayed",
        after.intersection(&before).count(),
        before.len()
    ))
}

async fn fullest(scene: &Scene) -> Result<Replica> {
    scene.replicas().await?.pop().context("no replica")
}

/// Waits until a pod has gone and another one serves instead.
async fn gone(scene: &Scene, victim: &Replica) -> Result<String> {
    wait::until("the end of the pod", BOUND, || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok((!identities(scene).await?.contains(&victim.uid)).then_some(()))
    })
    .await?;
    scene.settled(4).await?;
    Ok(format!("it had {}; now {}", victim.connections, scene.spread().await?))
}
