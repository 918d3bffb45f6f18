//! `GET {prefix}/ws`: subscriptions over a WebSocket, several on one connection, that come and go at run time.
//!
//! Each of them is a stream of the hub like any other, written as frames; the connection carries their chunks as they come and
//! holds no queue of its own.

pub(super) mod description;
mod inbox;
mod message;
mod socket;
mod subscriptions;
mod times;
mod vouched;
mod who;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_http::ws::{HandshakeError, handshake};
use actix_web::body::MessageBody;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue, ORIGIN, REFERRER_POLICY};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events_gateway_core::disconnect::DisconnectReason;
use events_gateway_core::frame;
use events_gateway_identity::Identity;

use super::credentials::{Known, TICKET, Unproven, is_own};
use super::events::{Asker, Edge, agent};
use super::intake::Intake;
use super::problem::{Kind, Problem, quote};
use super::query::{Asked, pairs};
use crate::backlog::{ConnectionEntry, ReplicaState};
use crate::clock::now;
use crate::hub::Wire;
use crate::replica::soft_limit::SoftLimit;
pub(super) use description::RESOURCE;
pub(in crate::http) use message::Telling;
use socket::{Opening, Socket};
use subscriptions::{NotSubscribed, Subscription};
use who::Who;

const METHODS: &str = "GET, OPTIONS";

/// How WebSockets are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How often a peer is asked for a sign of life.
    pub heartbeat: Duration,
    /// How long before the end of its right to be connected a client is told.
    pub expiring: Duration,
    /// What clients wait at least before they reconnect, and what is added to it, evenly spread.
    pub retry: (Duration, Duration),
    /// How long a connection may last, and what is added to it, evenly spread. `None`: for ever.
    pub max_age: Option<(Duration, Duration)>,
}

/// The WebSockets of a replica.
#[derive(Debug)]
pub struct Sockets {
    options: Options,
    open: Arc<AtomicUsize>,
}

impl Sockets {
    /// None yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, open: Arc::default() }
    }

    /// How many there are.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

/// Serves the resource, whatever the method.
pub async fn serve(request: HttpRequest, content: web::Payload, edge: web::Data<Edge>) -> HttpResponse {
    let answer = match *request.method() {
        Method::OPTIONS => Ok(HttpResponse::NoContent().insert_header((ALLOW, METHODS)).finish()),
        Method::GET => match check_parameters(&request, &edge) {
            Ok(()) => connect(&request, content, &edge, None).await,
            Err(problem) => Err(problem),
        },
        _ => Err(Kind::MethodNotAllowed.because("open a WebSocket with GET").allowing(METHODS)),
    };
    answer.unwrap_or_else(|problem| edge.problems.answer(&problem))
}

/// Terminal problems are answered before the upgrade; what may pass is told over the WebSocket. `plain`: what is asked for once and
/// for all, and told as it is.
pub(super) async fn connect(
    request: &HttpRequest,
    content: web::Payload,
    edge: &web::Data<Edge>,
    plain: Option<Asked>,
) -> Result<HttpResponse, Problem> {
    let mut response = handshake(request.head()).map_err(|error| match error {
        HandshakeError::NoWebsocketUpgrade | HandshakeError::NoConnectionUpgrade => {
            Kind::UpgradeRequired.because("open a WebSocket: Connection: Upgrade, Upgrade: websocket")
        }
        error => Kind::BadRequest.because(error.to_string()),
    })?;
    check_page(request, edge)?;
    let asker = match edge.asker(request).await {
        Ok(asker) => Ok(asker),
        Err(Unproven::Refused(problem)) => return Err(problem),
        Err(Unproven::Unavailable) => Err(DisconnectReason::IdentityUnavailable),
    };
    let admitted = asker.and_then(|asker| {
        if edge.replica.state() == ReplicaState::Draining {
            return Err(DisconnectReason::Drain);
        }
        if edge.soft_limit.as_ref().is_some_and(SoftLimit::sends_on) {
            return Err(DisconnectReason::Crowded);
        }
        let place = edge.replica.connections().admit().ok_or(DisconnectReason::ConnectionLimit)?;
        Ok((asker, place))
    });
    let refuse = |response: &mut actix_http::ResponseBuilder, reason| {
        answer(response, edge.refusals.refuse_socket(reason, frame::close(socket::code_of(reason))))
    };
    let (Asker { who, only }, mut place) = match admitted {
        Ok(admitted) => admitted,
        Err(reason) => return refuse(&mut response, reason),
    };
    let (who, session) = who.map_or((None, None), |Known { identity, session }| (Some(identity), session));
    let scope = who.as_ref().map(Identity::scope);
    match edge.admission.admit(edge.trusted_proxies.client(request), scope.as_deref()).await {
        Ok(admitted) => place.hold(admitted),
        Err(reason) => return refuse(&mut response, reason),
    }
    if only.is_some() {
        response.insert_header((REFERRER_POLICY, HeaderValue::from_static("no-referrer")));
    }
    let connection: Arc<str> = URL_SAFE_NO_PAD.encode(rand::random::<u128>().to_le_bytes()).into();
    let asks = plain.is_none();
    let plain = match plain
        .map(|asked| Subscription::open(edge, who.as_ref(), only.as_deref(), asked, Wire::Plain, &connection))
    {
        None => None,
        Some(Ok(subscription)) => Some(subscription),
        Some(Err(NotSubscribed::Refused(problem))) => return Err(problem),
        Some(Err(NotSubscribed::Later(reason))) => return refuse(&mut response, reason),
    };
    let who = match (who, &edge.credentials) {
        (Some(who), _) => Who::Known(who),
        (None, Some(_)) if asks => Who::Awaited,
        (None, _) => Who::Nobody,
    };
    let entry = ConnectionEntry {
        connection: connection.to_string(),
        subject: None,
        issuer: None,
        proof: None,
        channels: Vec::new(),
        since: now(),
        address: edge.trusted_proxies.told(request),
        agent: agent(request),
    };
    let reading = request.conn_data::<Intake>().map(Intake::content);
    let edge = edge.clone();
    let socket = Socket::new(Opening { edge, content, reading, who, session, only, connection, entry, place, plain });
    answer(&mut response, socket)
}

fn answer(
    response: &mut actix_http::ResponseBuilder,
    body: impl MessageBody + 'static,
) -> Result<HttpResponse, Problem> {
    let response = response.message_body(body).map_err(|error| Kind::Internal.because(error.to_string()))?;
    Ok(HttpResponse::from(response.map_into_boxed_body()))
}

/// Only what says who asks may stand in the query.
fn check_parameters(request: &HttpRequest, edge: &Edge) -> Result<(), Problem> {
    let mut seen = Vec::new();
    for (name, _) in pairs(request.query_string())? {
        if !edge.rules.credentials.iter().any(|known| *known == name) {
            let detail = format!("there is no parameter \"{}\" here: say what you want in messages", quote(&name));
            return Err(Kind::UnknownParameter.because(detail).about(&name));
        }
        if seen.contains(&name) {
            return Err(Kind::RepeatedParameter.because(format!("\"{name}\" is given twice")).about(&name));
        }
        seen.push(name);
    }
    debug_assert!(edge.credentials.is_none() || edge.rules.credentials.iter().any(|name| name == TICKET));
    Ok(())
}

/// A browser lets any page open a WebSocket to anywhere and read it; only the server can refuse (RFC 6455, section 10.2).
fn check_page(request: &HttpRequest, edge: &Edge) -> Result<(), Problem> {
    match request.headers().get(ORIGIN) {
        Some(origin) if !edge.cors.allows(origin) && !is_own(origin, request.headers()) => {
            Err(Kind::ForeignHost.because("pages of that origin may not connect: see listen.cors.origins"))
        }
        _ => Ok(()),
    }
}
