//! What others do: strangers, evictions, deletions, an API server that is away.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use events_gateway_harness::http::{self, Request};
use events_gateway_harness::wait;
use serde_json::json;
use tokio::net::TcpStream;

use super::replacing::identities;
use crate::e2e::lab::{BOUND, address};
use crate::e2e::scene::{Replica, Scene};

/// How long after pods reach the API server again the operator may be blind: its watches wait the longer the oftener they failed,
/// and its container waits to be started anew.
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

/// The API server is away for a moment, and what is wanted then is carried out soon after pods reach it again.
pub(crate) async fn restart_the_api_server(scene: &mut Scene) -> Result<String> {
    let before = identities(scene).await?;
    let lives = restarts(scene).await?.unwrap_or(0);
    let began = Instant::now();
    scene.lab.cluster.control_plane.stop_api_server().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.lab.cluster.control_plane.resume_api_server().await?;
    let (away, back) = (began.elapsed(), Instant::now());
    scene.scale(3).await?;
    let (reached, asked) = tokio::try_join!(reached(scene, back), asked_for(scene, 3, back))?;
    ensure!(
        asked < reached + LATE,
        "pods reach the API server {reached:?} after it is back, the operator acts {asked:?}"
    );
    scene.settled(3).await?;
    scene.scale(2).await?;
    scene.settled(2).await?;
    // It ends when it can't renew its Lease for 10 s, as when kube-proxy is that late.
    let ended = restarts(scene).await?.unwrap_or(0).saturating_sub(lives);
    let [away, reached, asked] = [away, reached, asked].map(|time| time.as_secs_f64());
    let after = identities(scene).await?;
    Ok(format!(
        "away for {away:.1} s, pods reach it {reached:.1} s after, a third replica asked for {asked:.1} s after; the operator ended {ended} times; {} of {} pods stayed",
        after.intersection(&before).count(),
        before.len()
    ))
}

/// How long after `back` the Service `kubernetes` leads to the API server: kube-proxy finds out late.
async fn reached(scene: &Scene, back: Instant) -> Result<Duration> {
    let address = (scene.lab.cluster.control_plane.network().kubernetes(), 443);
    wait::until("the Service kubernetes", BOUND, || async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let connected = tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(address)).await;
        Ok(connected.is_ok_and(|stream| stream.is_ok()).then_some(()))
    })
    .await?;
    Ok(back.elapsed())
}

async fn asked_for(scene: &Scene, replicas: u32, back: Instant) -> Result<Duration> {
    wait::until("another replica to be asked for", BOUND, || async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok((scene.deployment().await?["spec"]["replicas"] == replicas).then_some(()))
    })
    .await?;
    Ok(back.elapsed())
}

/// How often the operator's container was started anew.
async fn restarts(scene: &Scene) -> Result<Option<u64>> {
    let pod = scene.lab.operator().await?.context("no operator")?;
    Ok(pod["status"]["containerStatuses"][0]["restartCount"].as_u64())
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
