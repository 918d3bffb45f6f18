//! The admin port: liveness, readiness and metrics. There is nothing to protect in them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{App, HttpResponse, HttpServer, web};

use crate::metrics::Metrics;

/// What is told.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    /// Whether the operator could do its work: it reached the API server and knows what there is, or another one leads.
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Serves until it is dropped.
///
/// # Errors
/// When the address can't be listened on.
pub(crate) fn serve(address: SocketAddr, health: Health) -> std::io::Result<actix_web::dev::Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(health.clone()))
            .route("/live", web::get().to(live))
            .route("/ready", web::get().to(ready))
            .route("/metrics", web::get().to(metrics))
    })
    .workers(1)
    .max_connections(64)
    .client_request_timeout(std::time::Duration::from_secs(5))
    .disable_signals()
    .bind(address)?;
    Ok(server.run())
}

/// A task that died ends the process; nothing else is cured by a restart.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "live": true }))
}

async fn ready(health: web::Data<Health>) -> HttpResponse {
    let ready = health.ready.load(Ordering::Relaxed);
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.json(serde_json::json!({ "ready": ready }))
}

async fn metrics(health: web::Data<Health>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(health.metrics.text())
}
