//! What everybody may look at: whether to restart a replica, whether to route to it, and what it counts.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::description::Surface;
use super::resource::{Resource, get};
use super::{Sources, json as answer};
use crate::http::openapi::{Answer, Operation, Schemas};
use crate::metrics::Metrics;
use crate::replica::peers;
use crate::replica::ready::NotReady;

pub(super) const LIVE: Resource = Resource::open("/live", |resource| get(resource, live), describe_live);
pub(super) const READY: Resource = Resource::open("/ready", |resource| get(resource, ready), describe_ready);
pub(super) const METRICS: Resource = Resource::open("/metrics", |resource| get(resource, metrics), describe_metrics);

const TAG: &str = "Health";

/// That a replica is alive.
#[derive(Serialize, JsonSchema)]
struct Liveness {
    /// Whether it reaches the backlog, or ever has.
    #[schemars(extend("enum" = ["never", "reached", "lost"]))]
    backlog: &'static str,
    /// Always.
    live: bool,
}

/// Whether clients are to be sent to a replica.
#[derive(Serialize, JsonSchema)]
struct Readiness {
    /// Whether they are.
    ready: bool,
    /// Why they aren't; left out where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<NotReady>,
}

/// Never fails because a dependency is away: a restart wouldn't bring it back. (A task that died ends the process.)
async fn live(sources: web::Data<Sources>) -> HttpResponse {
    answer(&Liveness { backlog: peers::word(*sources.reach.borrow()), live: true })
}

async fn ready(sources: web::Data<Sources>) -> HttpResponse {
    match (sources.ready)() {
        Ok(()) => answer(&Readiness { ready: true, reason: None }),
        Err(reason) => HttpResponse::ServiceUnavailable()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(Readiness { ready: false, reason: Some(reason) }),
    }
}

async fn metrics(sources: web::Data<Sources>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, Metrics::CONTENT_TYPE))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(sources.metrics.text())
}

fn describe_live(_: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let document = schemas.written::<Liveness>();
    let told = Answer::of("It is alive.", "application/json", document)
        .example(json!({ "backlog": "reached", "live": true }))
        .uncached("no-store");
    let about = "Answers for as long as the process isn't to be restarted, whatever it has lost: a restart wouldn't bring that back.";
    Some(Operation::get("live", "Whether to restart it").tag(TAG).describe(about).answer(200, told))
}

fn describe_ready(_: &Surface, schemas: &mut Schemas) -> Option<Operation> {
    let document = schemas.written::<Readiness>();
    let told = |what: &str, example| {
        Answer::of(what, "application/json", document.clone()).example(example).uncached("no-store")
    };
    let operation = Operation::get("ready", "Whether to route clients to it")
        .tag(TAG)
        .answer(200, told("Clients are to be sent here.", json!({ "ready": true })))
        .answer(503, told("They aren't, for this reason.", json!({ "ready": false, "reason": "draining" })));
    Some(operation)
}

fn describe_metrics(_: &Surface, _: &mut Schemas) -> Option<Operation> {
    let media_type = Metrics::CONTENT_TYPE.split(';').next().unwrap_or_default();
    let told = Answer::of("Metrics.", media_type, json!({ "type": "string" })).uncached("no-store");
    let about = "In Prometheus' text format; each of them is explained in docs/metrics.md.";
    Some(Operation::get("metrics", "What it counts").tag(TAG).describe(about).answer(200, told))
}
