//! From nothing to a gateway that clients use.

use std::time::Instant;

use anyhow::{Context as _, Result};
use events_gateway_harness::sse::Client;

use crate::e2e::lab::BOUND;
use crate::e2e::manifest::{self, PASSWORDS, secret};
use crate::e2e::scene::Scene;

/// Installs the operator, applies the gateway, waits for it as a person would, and connects at once.
pub(crate) async fn start(scene: &mut Scene) -> Result<String> {
    let began = Instant::now();
    scene.lab.install().await?;
    let installed = began.elapsed();
    let lab = &scene.lab;
    let home = lab.home.name();
    let mut redis = secret("redis", "password", PASSWORDS[0]);
    redis["stringData"]["username"] = "events".into();
    let objects =
        [secret("admin", "token", &scene.token), redis, manifest::gateway(&lab.servers, scene.load.closes_per_second)];
    let began = Instant::now();
    for object in objects {
        lab.kubectl.apply(home, &object.to_string()).await?;
    }
    lab.kubectl.say(&format!("-n {home} wait egw/{} --for=condition=Ready --timeout=120s", manifest::NAME)).await?;
    let ready = began.elapsed();
    for way in scene.ways().await? {
        let options = way.options(&["channel:first".to_owned()]);
        let opened = Client::opened(options, BOUND).await;
        let client = opened.with_context(|| format!("{way:?}"))?;
        anyhow::ensure!(client.history().connections.len() == 1, "{way:?}: {}", client.describe());
    }
    scene.settled(2).await?;
    scene.begin().await?;
    Ok(format!("operator {:.1} s, gateway Ready {:.1} s", installed.as_secs_f64(), ready.as_secs_f64()))
}
