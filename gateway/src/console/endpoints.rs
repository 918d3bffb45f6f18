//! `/console/…`: what the page asks and what it orders.

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, HeaderMap};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use events_gateway_core::Channel;
use serde::{Deserialize, Serialize};

use super::status::{Info, Status, types_from};
use super::{Console, types};
use crate::dev::PublishError;
use crate::dev::sample::MAX_PER_SECOND;
use crate::http::content;
use crate::http::events::Edge;
use crate::http::problem::{Kind, Problem};

/// Largest content of a request, in bytes: the design's bound for one event.
const MAX_CONTENT: usize = 1 << 20;

/// What the channels begin with that pages subscribe to for themselves.
const PAGE_CHANNELS: &str = "console:";

pub(super) fn mount(services: &mut ServiceConfig) {
    services
        .service(web::resource("/console/info").to(info))
        .service(web::resource("/console/status").to(status))
        .service(web::resource("/console/events").to(publish))
        .service(web::resource("/console/sample").to(sample))
        .service(web::resource("/console/disconnect").to(disconnect));
}

async fn info(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    answer(only(&request, &[Method::GET, Method::HEAD]).map(|()| HttpResponse::Ok().json(Info::of(&console))))
}

async fn status(request: HttpRequest, console: Data<Console>) -> HttpResponse {
    if let Some(edge) = request.app_data::<Data<Edge>>() {
        types::follow(&console.types, &edge.open);
    }
    let status = only(&request, &[Method::GET, Method::HEAD]).and_then(|()| types_from(request.query_string()));
    answer(status.map(|from| HttpResponse::Ok().json(Status::of(&console, from))))
}

async fn publish(request: HttpRequest, content: Payload, console: Data<Console>) -> HttpResponse {
    let publish = async {
        let envelope = json(&request, content).await?;
        let published = console.publisher.publish(&envelope).await.map_err(|error| match &error {
            PublishError::Rejected(rejection) => Kind::InvalidEvent.because(rejection.detail.clone()),
            PublishError::Attributes(_) => Kind::InvalidEvent.because(error.to_string()),
            PublishError::Kafka(_) => Kind::Unavailable.because(error.to_string()).after_seconds(1),
        })?;
        Ok(HttpResponse::Accepted().json(published))
    };
    answer(publish.await)
}

async fn sample(request: HttpRequest, content: Payload, console: Data<Console>) -> HttpResponse {
    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Pace {
        per_second: u32,
    }
    let set = async {
        let content = json(&request, content).await?;
        let pace: Pace =
            serde_json::from_slice(&content).map_err(|error| Kind::BadRequest.because(error.to_string()))?;
        if pace.per_second > MAX_PER_SECOND {
            return Err(Kind::BadRequest.because(format!("per_second: 0 to {MAX_PER_SECOND}")));
        }
        console.sample.set(pace.per_second);
        Ok(HttpResponse::Ok().json(pace))
    };
    answer(set.await)
}

/// Orders the gateway, as a backend would, to end the streams of a page's own channel: the browser comes back by itself.
async fn disconnect(request: HttpRequest, content: Payload, console: Data<Console>) -> HttpResponse {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        channel: Channel,
    }
    let disconnect = async {
        let content = json(&request, content).await?;
        let Order { channel } =
            serde_json::from_slice(&content).map_err(|error| Kind::BadRequest.because(error.to_string()))?;
        if !channel.as_str().starts_with(PAGE_CHANNELS) {
            return Err(Kind::BadRequest.because(format!("channel: one that begins with {PAGE_CHANNELS}")));
        }
        let Some(topic) = &console.commands else {
            return Err(Kind::NotFound.because("no topic is bound as commands"));
        };
        let command = serde_json::json!({"type": "disconnect", "channels": [channel]}).to_string();
        let kafka = console.publisher.kafka();
        let produced = kafka.produce(topic, Some(channel.as_str()), &[], command.as_bytes()).await;
        let produced = produced.map_err(|error| Kind::Unavailable.because(error.to_string()).after_seconds(1))?;
        Ok(HttpResponse::Accepted().json(produced))
    };
    answer(disconnect.await)
}

fn answer(result: Result<HttpResponse, Problem>) -> HttpResponse {
    let mut response = result.unwrap_or_else(|problem| problem.response());
    response.headers_mut().insert(CACHE_CONTROL, actix_web::http::header::HeaderValue::from_static("no-store"));
    response
}

fn only(request: &HttpRequest, methods: &[Method]) -> Result<(), Problem> {
    if methods.contains(request.method()) {
        return Ok(());
    }
    let (allow, detail) = if methods.contains(&Method::GET) { ("GET, HEAD", "get it") } else { ("POST", "post to it") };
    Err(Kind::MethodNotAllowed.because(detail).allowing(allow))
}

/// The content of a POST that this origin's page, or no page at all, sent as JSON: read to its end, within bounds.
async fn json(request: &HttpRequest, content: Payload) -> Result<Bytes, Problem> {
    only(request, &[Method::POST])?;
    check_origin(request.headers())?;
    content::require_json(request.headers())?;
    content::read(request, content, MAX_CONTENT, |_| true).await
}

/// Browsers say where a request comes from (W3C Fetch Metadata): other pages on this machine are not this one.
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get("sec-fetch-site").map(actix_web::http::header::HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Kind::ForeignHost.because("only this gateway's own page may ask for that")),
    }
}
