//! `POST {prefix}/events` and `POST {prefix}/events/broadcast`: publishing.

mod answer;
pub(super) mod description;
mod key;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use events_gateway_core::Channel;
use events_gateway_core::access::Right;
use events_gateway_core::envelope::Reason;
use events_gateway_core::publication::{Content, Publications, Unreadable, broadcast};
use events_gateway_identity::Identity;

use super::access::denied;
use super::content;
use super::events::Edge;
use super::problem::{Kind, Problem};
use crate::publish::{By, Publisher, Refused, Reserved, Sender};

/// What `…/broadcast` answers to.
const BROADCAST_METHODS: &str = "OPTIONS, POST";

/// How publishing is served.
#[derive(Debug)]
pub struct Publishing {
    /// Who hands events to Kafka.
    pub publisher: Publisher,
    /// Most bytes of a request's content.
    pub max_body_bytes: usize,
    /// Most events of a request.
    pub max_events: usize,
}

/// Publishes what a POST to the events' resource holds.
pub(super) async fn events(
    request: &HttpRequest,
    content: web::Payload,
    edge: &Edge,
    publishing: &Publishing,
) -> Result<HttpResponse, Problem> {
    let who = identify(request, edge).await?;
    let media_type = text_field(request, CONTENT_TYPE.as_str())?;
    let fields: Vec<(&str, &[u8])> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let received = Received::read(request, content, edge, publishing, who.as_ref()).await?;
    let content = Content { media_type, fields: &fields, body: &received.body };
    let publications = Publications::read(&content, publishing.max_events).map_err(|error| match error {
        Unreadable::MediaType => Kind::UnsupportedMediaType.because(error.to_string()),
        Unreadable::TooMany(_) => Kind::ContentTooLarge.because(error.to_string()),
        Unreadable::Content(detail) => Kind::InvalidEvent.because(detail),
    })?;
    publish(edge, publishing, who.as_ref(), received.request, publications).await
}

/// Serves the broadcasts' resource, whatever the method.
pub async fn serve_broadcast(request: HttpRequest, content: web::Payload, edge: web::Data<Edge>) -> HttpResponse {
    let Some(publishing) = &edge.publishing else { return super::public::not_found(request, edge).await };
    let answer = match *request.method() {
        Method::OPTIONS => Ok(HttpResponse::NoContent().insert_header((ALLOW, BROADCAST_METHODS)).finish()),
        Method::POST => broadcasts(&request, content, &edge, publishing).await,
        _ => Err(Kind::MethodNotAllowed.because("broadcast with POST").allowing(BROADCAST_METHODS)),
    };
    answer.unwrap_or_else(|problem| edge.problems.answer(&problem))
}

async fn broadcasts(
    request: &HttpRequest,
    content: web::Payload,
    edge: &Edge,
    publishing: &Publishing,
) -> Result<HttpResponse, Problem> {
    let who = identify(request, edge).await?;
    content::require_json(request.headers())?;
    let received = Received::read(request, content, edge, publishing, who.as_ref()).await?;
    let event = broadcast(&received.body).map_err(|rejection| Kind::InvalidEvent.because(rejection.detail))?;
    let publications = Publications { events: vec![event], is_batch: false };
    publish(edge, publishing, who.as_ref(), received.request, publications).await
}

/// Who publishes. Whoever isn't known to be anybody may still have the right.
async fn identify(request: &HttpRequest, edge: &Edge) -> Result<Option<Identity>, Problem> {
    edge.identify(request).await.map_err(|unproven| Problem::from(unproven).closing())
}

/// A request that was read to its end.
struct Received<'a> {
    body: Bytes,
    request: Request<'a>,
}

/// What there is to know of it beside its content.
struct Request<'a> {
    key: Option<String>,
    sender: Sender,
    /// Its room, for as long as it takes.
    reserved: Reserved<'a>,
}

impl<'a> Received<'a> {
    async fn read(
        request: &HttpRequest,
        content: web::Payload,
        edge: &Edge,
        publishing: &'a Publishing,
        who: Option<&Identity>,
    ) -> Result<Self, Problem> {
        super::query::only(request, None).map_err(Problem::closing)?;
        let key = key::read(request)?;
        let publisher = who.map(Identity::scope).unwrap_or_default();
        let sender = Sender { address: edge.trusted_proxies.client(request), publisher };
        // One event is counted before anything is read: what can't be read costs as well.
        publishing.publisher.admit(&sender, 1).map_err(|seconds| too_fast(seconds).closing())?;
        let mut reserved = publishing.publisher.reserve();
        let body = content::read(request, content, publishing.max_body_bytes, |bytes| reserved.grow(bytes)).await?;
        Ok(Self { body, request: Request { key, sender, reserved } })
    }
}

async fn publish(
    edge: &Edge,
    publishing: &Publishing,
    who: Option<&Identity>,
    mut request: Request<'_>,
    publications: Publications<'_>,
) -> Result<HttpResponse, Problem> {
    let publisher = &publishing.publisher;
    publisher.admit(&request.sender, publications.events.len() - 1).map_err(too_fast)?;
    // What is handed over is a copy.
    if !request.reserved.grow(publications.events.iter().map(|event| event.value.len()).sum()) {
        return Err(Kind::Unavailable.because("too much waits to be published").after_seconds(1));
    }
    let may = |channel: &Channel| edge.policy.may(Right::Publish, who, channel);
    let by = By { publisher: &request.sender.publisher, key: request.key.as_deref(), may: &may };
    let outcomes = publisher.publish(by, &publications.events, publications.is_batch).await;
    let outcomes = outcomes.into_iter().map(|outcome| outcome.map_err(|refused| problem(who, &refused))).collect();
    answer::answer(publisher.topic(), outcomes, publications.is_batch)
}

fn too_fast(seconds: u64) -> Problem {
    Kind::TooManyRequests.because("too many events from this address, or of this publisher").after_seconds(seconds)
}

fn problem(who: Option<&Identity>, refused: &Refused) -> Problem {
    let kind = match refused {
        Refused::Denied(channel) => return denied(who, "publish to", channel),
        Refused::Invalid(rejection) if rejection.reason == Reason::Oversized => Kind::ContentTooLarge,
        Refused::Invalid(_) => Kind::InvalidEvent,
        Refused::KeyReused => Kind::IdempotencyKeyReused,
        Refused::TooLarge => Kind::ContentTooLarge,
        Refused::Unavailable => return Kind::Unavailable.because(refused.to_string()).after_seconds(1),
    };
    kind.because(refused.to_string())
}

/// A field that is text and stands once at most.
fn text_field<'a>(request: &'a HttpRequest, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = request.headers().get_all(name);
    let first = values.next().map(HeaderValue::to_str);
    match (first, values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        (Some(Ok(_)), Some(_)) => Err(Kind::BadRequest.because(format!("{name} is given twice")).closing()),
        (Some(Err(_)), _) => {
            Err(Kind::BadRequest.because(format!("{name} holds what isn't printable ASCII")).closing())
        }
    }
}
