//! What people see: the outputs that docs/operator shows are taken from here (`--nocapture` prints them).

use anyhow::{Context as _, Result, ensure};
use events_gateway_harness::http::{Request, Stream};
use events_gateway_harness::kafka::admin::Record;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::e2e::lab::BOUND;
use crate::e2e::manifest::{NAME, TOPIC};
use crate::e2e::scene::Scene;

/// The columns, as the documentation explains them.
const COLUMNS: &str = "NAME READY REPLICAS CONNECTIONS LAG AGE";
const WIDE: &str = "NAME READY REPLICAS CONNECTIONS LAG AGE PROTOCOL AUTOSCALER REASON";

/// Asks as a person would, and has `helm test` look at the installation.
pub(crate) async fn look(scene: &mut Scene) -> Result<String> {
    // As people do who look when all has come up.
    let joined = |gateway: &Value| gateway["status"]["groups"][0]["members"] == 2;
    scene.lab.api.until(&scene.path(), "two members", BOUND, joined).await?;
    for (name, wide, columns) in [("get", "", COLUMNS), ("get-wide", " -o wide", WIDE)] {
        let said = scene.show(name, &format!("get egw{wide}")).await?;
        let heading: Vec<&str> = said.lines().next().unwrap_or_default().split_whitespace().collect();
        ensure!(heading.join(" ") == columns, "{said}");
    }
    let said = scene.show("describe", &format!("describe egw {NAME}")).await?;
    ensure!(said.contains("2 of 2 replicas are ready"), "{said}");
    let said = scene.show("explain", "explain egw.spec.drain").await?;
    ensure!(said.contains("closesPerSecond"), "{said}");
    stream(scene).await?;
    let said = scene.lab.test().await?;
    show("helm-test", &said);
    ensure!(said.contains("EventsGateway is served") && said.contains(" is ready"), "{said}");
    Ok("kubectl get, describe, explain; curl; helm test".into())
}

/// A stream as `curl -N` shows it: how it begins, and one event.
async fn stream(scene: &Scene) -> Result<()> {
    let way = scene.ways().await?.into_iter().next().context("no way")?;
    let mut stream = Stream::open(way.address, &Request::get("/api/v1/events?channels=user:42")).await?;
    let mut text = until(&mut stream, "gateway.open").await?;
    show("stream", &text);
    let event = json!({ "channels": ["user:42"], "type": "order.shipped", "data": { "order": 7 } });
    scene.lab.servers.kafka.producer()?.send(TOPIC, &Record::json("user:42", &event)).await?;
    text = until(&mut stream, "order.shipped").await?;
    show("stream-event", &text);
    Ok(())
}

/// What comes until an event of this type is whole.
async fn until(stream: &mut Stream, kind: &str) -> Result<String> {
    let mut text = String::new();
    let whole = async {
        while !(text.contains(&format!("event: {kind}\n")) && text.ends_with("\n\n")) {
            let part = stream.part().await?.context("the stream ended")?;
            text.push_str(&String::from_utf8_lossy(&part));
        }
        anyhow::Ok(())
    };
    timeout(BOUND, whole).await.with_context(|| format!("no {kind}"))??;
    Ok(text)
}

fn show(name: &str, text: &str) {
    println!("--- output: {name}\n{text}\n---");
}
