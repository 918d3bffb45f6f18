//! `{prefix}/events`: GET subscribes, POST [publishes](super::publish).

pub(super) mod description;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, ALLOW, HeaderValue, REFERRER_POLICY, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use events_gateway_core::Channel;
use events_gateway_core::disconnect::DisconnectReason;
use events_gateway_identity::Identity;

use super::access::Policy;
use super::admission::Admission;
use super::body::{NoBody, StreamBody, stream_response};
use super::client_address::TrustedProxies;
use super::cors::Cors;
use super::credentials::{Credentials, Known, Unproven};
use super::door::Door;
use super::intake::Intake;
use super::problem::{Kind, Problem};
use super::publish::{self, Publishing};
use super::query::{self, Asked, Rules};
use super::refusal::Refusals;
use super::stats::Stats;
use super::websocket::Sockets;
use super::{Open, Opened};
use crate::backlog::{ConnectionEntry, ReplicaState};
use crate::clock::now;
use crate::config::Alias;
use crate::hub::{Subscribe, Wire};
use crate::identity::tickets::Bound;
use crate::replica::Replica;
use crate::replica::soft_limit::SoftLimit;
pub(super) use description::RESOURCE;

/// What the endpoint answers to where nothing can be published, and where it can.
const METHODS: &str = "GET, HEAD, OPTIONS";
const METHODS_AND_POST: &str = "GET, HEAD, OPTIONS, POST";

/// Longest part of a User-Agent that is kept, in bytes.
const MAX_AGENT: usize = 200;

/// What the subscribe endpoint works with; shared by the listener's workers.
pub struct Edge {
    /// Opens streams.
    pub open: Open,
    /// Who may connect.
    pub door: Arc<Door>,
    /// Whether there is room for one more stream.
    pub admission: Admission,
    /// Counts and holds them.
    pub replica: Arc<Replica>,
    /// Sends clients on to emptier replicas.
    pub soft_limit: Option<SoftLimit>,
    /// What may be asked for.
    pub rules: Rules,
    /// Who clients are; absent: nobody is asked.
    pub credentials: Option<Credentials>,
    /// Who may have what.
    pub policy: Policy,
    /// Whose word counts on where clients are.
    pub trusted_proxies: TrustedProxies,
    /// Takes events, if any are taken.
    pub publishing: Option<Publishing>,
    /// Paths of existing frontends.
    pub aliases: Vec<Alias>,
    /// How WebSockets are kept.
    pub sockets: Sockets,
    /// Tells how much is going on.
    pub stats: Stats,
    /// Which other origins may read.
    pub cors: Cors,
    /// Refuses retryably.
    pub refusals: Refusals,
    /// Counts the terminal refusals.
    pub problems: ProblemCounts,
}

/// How often each kind of problem was answered.
#[derive(Debug, Default)]
pub struct ProblemCounts([AtomicU64; Kind::ALL.len()]);

impl ProblemCounts {
    /// Counts a problem and answers it.
    pub fn answer(&self, problem: &Problem) -> HttpResponse {
        self.count(problem);
        problem.response()
    }

    /// Counts a problem.
    pub fn count(&self, problem: &Problem) {
        if let Some(at) = Kind::ALL.iter().position(|known| *known == problem.kind) {
            self.0[at].fetch_add(1, Ordering::Relaxed);
        }
        tracing::debug!(problem = problem.kind.as_str(), parameter = ?problem.parameter, "request refused");
    }

    /// The counts, by kind.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.into_iter().zip(&self.0).map(|(kind, count)| (kind, count.load(Ordering::Relaxed)))
    }
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").field("replica", &self.replica).finish_non_exhaustive()
    }
}

impl Edge {
    /// Who sent a request.
    pub(super) async fn identify(&self, request: &HttpRequest) -> Result<Option<Identity>, Unproven> {
        Ok(self.know(request).await?.map(|known| known.identity))
    }

    async fn know(&self, request: &HttpRequest) -> Result<Option<Known>, Unproven> {
        match &self.credentials {
            None => Ok(None),
            Some(credentials) => credentials.identify(request).await,
        }
    }

    /// Who asks for a stream. A ticket is spent by asking.
    pub(super) async fn asker(&self, request: &HttpRequest) -> Result<Asker, Unproven> {
        if let (Some(credentials), &Method::GET) = (&self.credentials, request.method())
            && let Some(Bound { identity, channels }) = credentials.redeem(request).await?
        {
            return Ok(Asker { who: Some(identity.into()), only: Some(channels) });
        }
        Ok(Asker { who: self.know(request).await?, only: None })
    }

    /// The methods of all resources, for pages of other origins that ask before they send.
    pub(super) fn all_methods(&self) -> &'static str {
        if self.publishing.is_some() || self.credentials.is_some() { METHODS_AND_POST } else { METHODS }
    }

    /// The methods of the resource.
    fn methods(&self) -> &'static str {
        if self.publishing.is_some() { METHODS_AND_POST } else { METHODS }
    }
}

/// Who asks for a stream.
pub(super) struct Asker {
    pub(super) who: Option<Known>,
    /// The channels that a ticket was made for.
    pub(super) only: Option<Vec<Channel>>,
}

/// Serves the resource, whatever the method.
pub async fn serve(request: HttpRequest, content: web::Payload, edge: web::Data<Edge>) -> HttpResponse {
    match (request.method(), &edge.publishing) {
        (&Method::OPTIONS, _) => HttpResponse::NoContent().insert_header((ALLOW, edge.methods())).finish(),
        (&Method::GET | &Method::HEAD, _) => {
            let read = |cursor: Option<&[u8]>| query::read(request.query_string(), cursor, &edge.rules);
            subscribe(&request, &edge, read).await.unwrap_or_else(|problem| edge.problems.answer(&problem))
        }
        (&Method::POST, Some(publishing)) => {
            let answer = publish::events(&request, content, &edge, publishing).await;
            answer.unwrap_or_else(|problem| edge.problems.answer(&problem))
        }
        (_, publishing) => {
            let how = if publishing.is_some() { "subscribe with GET, publish with POST" } else { "subscribe with GET" };
            edge.problems.answer(&Kind::MethodNotAllowed.because(how).allowing(edge.methods()))
        }
    }
}

/// Terminal problems are answered before anything is held; of what is well asked, the replica's state decides. `read`: what is
/// asked, given the value of `Last-Event-ID`.
pub(super) async fn subscribe(
    request: &HttpRequest,
    edge: &web::Data<Edge>,
    read: impl FnOnce(Option<&[u8]>) -> Result<Asked, Problem>,
) -> Result<HttpResponse, Problem> {
    let asker = match edge.asker(request).await {
        Ok(asker) => Ok(asker),
        Err(Unproven::Refused(problem)) => return Err(problem),
        Err(Unproven::Unavailable) => Err(DisconnectReason::IdentityUnavailable),
    };
    let last_event_id = last_event_id(request)?;
    let asked = read(last_event_id)?;
    let accepted = accepts(request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok()));
    // Whoever can't be proven now is refused below, once that can be told in a stream.
    let grant = match asker {
        Ok(Asker { who, only }) => {
            if only.as_ref().is_some_and(|only| only.as_slice() != asked.channels.as_slice()) {
                return Err(Kind::Forbidden
                    .because("the ticket is for other channels, and is spent")
                    .about("channels"));
            }
            let grant = edge.policy.authorise(who.as_ref().map(|known| &known.identity), asked)?;
            Ok((grant, only.is_some(), who))
        }
        Err(reason) => Err(reason),
    };
    if request.method() == Method::HEAD {
        return Ok(stream_response(NoBody));
    }
    // What is answered with a stream is the last on its connection.
    if accepted && let Some(intake) = request.conn_data::<Intake>() {
        intake.close();
        if intake.is_pipelined() {
            return Err(Kind::BadRequest
                .because("requests wait behind this one: a stream is the last of its connection")
                .closing());
        }
    }
    let (grant, by_ticket, who) = match grant {
        Ok(grant) => grant,
        Err(reason) => return Ok(edge.refusals.refuse(reason, accepted)),
    };
    if edge.replica.state() == ReplicaState::Draining {
        return Ok(edge.refusals.refuse(DisconnectReason::Drain, accepted));
    }
    if edge.soft_limit.as_ref().is_some_and(SoftLimit::sends_on) {
        return Ok(edge.refusals.refuse(DisconnectReason::Crowded, accepted));
    }
    let Some(mut place) = edge.replica.connections().admit() else {
        return Ok(edge.refusals.refuse(DisconnectReason::ConnectionLimit, accepted));
    };
    if !accepted {
        return Err(Kind::NotAcceptable.because("this resource is a text/event-stream"));
    }

    let scope = who.as_ref().map(|known| known.identity.scope());
    match edge.admission.admit(edge.trusted_proxies.client(request), scope.as_deref()).await {
        Ok(admitted) => place.hold(admitted),
        Err(reason) => return Ok(edge.refusals.refuse(reason, accepted)),
    }
    let connection: Arc<str> = URL_SAFE_NO_PAD.encode(rand::random::<u128>().to_le_bytes()).into();
    let opened = now();
    let channels = grant.asked.channels.as_slice().to_vec();
    let address = edge.trusted_proxies.told(request);
    tracing::debug!(connection = &*connection, ?channels, %address, resume = ?grant.asked.resume, "stream asked for");
    let asked_again = who.and_then(|Known { identity, session }| Some((identity, session?, grant.views.clone())));
    let opening = (edge.open)(Subscribe {
        channels: grant.asked.channels,
        resume: grant.asked.resume,
        own: grant.own,
        format: grant.asked.format,
        named: grant.asked.named,
        views: grant.views,
        filter: grant.asked.filter,
        wire: Wire::EventStream,
        opened,
        ends: grant.ends,
        connection: connection.clone(),
    });
    let Opened { chunks, close } = match opening {
        Ok(opened) => opened,
        Err(reason) => return Ok(edge.refusals.refuse(reason, accepted)),
    };
    let entry = place.fill(
        ConnectionEntry {
            connection: connection.to_string(),
            subject: grant.subject.as_deref().map(str::to_owned),
            issuer: grant.issuer.as_deref().map(str::to_owned),
            proof: grant.proof,
            channels,
            since: opened,
            address,
            agent: agent(request),
        },
        close.clone(),
    );
    if let Some((identity, session, views)) = asked_again {
        let (edge, entry) = (edge.clone(), entry.clone());
        let judge = move |who: &Arc<Identity>| edge.policy.still_grants(Some(who), &entry.channels, &views);
        place.hold(session.hold(&identity, close, Box::new(judge)));
    }
    // A drain that began since the state was read closes it like any other: it is in the list now.
    let mut response = stream_response(StreamBody::new(chunks, place, entry));
    if by_ticket {
        response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    Ok(response)
}

/// The header's value; two of them can't both be where the client stands.
fn last_event_id(request: &HttpRequest) -> Result<Option<&[u8]>, Problem> {
    let mut values = request.headers().get_all("last-event-id");
    let first = values.next().map(HeaderValue::as_bytes);
    match values.next() {
        None => Ok(first),
        Some(_) => Err(Kind::BadRequest.because("Last-Event-ID is given twice")),
    }
}

pub(super) fn agent(request: &HttpRequest) -> String {
    let value = request.headers().get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    let mut agent = String::from_utf8_lossy(&value[..value.len().min(MAX_AGENT)]).into_owned();
    while agent.len() > MAX_AGENT {
        agent.pop();
    }
    agent
}

/// Whether a client that sent these `Accept` values takes `text/event-stream` (RFC 9110, 12.5.1): the most specific range
/// decides, and no range at all accepts everything.
fn accepts<'a>(values: impl Iterator<Item = &'a str>) -> bool {
    let mut best: Option<(u8, bool)> = None;
    let mut any = false;
    for range in values.flat_map(|value| value.split(',')).map(str::trim).filter(|range| !range.is_empty()) {
        any = true;
        let mut parts = range.split(';').map(str::trim);
        let specificity = match parts.next().map(str::to_ascii_lowercase).as_deref() {
            Some("text/event-stream") => 2,
            Some("text/*") => 1,
            Some("*/*") => 0,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let wanted = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0));
        if best.is_none_or(|(known, _)| known < specificity) {
            best = Some((specificity, wanted));
        }
    }
    best.map_or(!any, |(_, wanted)| wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_range_decides_what_a_client_accepts() {
        for (header, expected) in [
            ("text/event-stream", true),
            ("text/html, text/event-stream;q=0.5", true),
            ("*/*", true),
            ("text/*;q=0.1", true),
            ("application/json", false),
            ("text/event-stream;q=0, */*", false),
            ("*/*;q=0", false),
            ("application/json, */*;q=0.1", true),
            ("Text/Event-Stream", true),
            ("", true),
        ] {
            assert_eq!(accepts([header].into_iter()), expected, "{header}");
        }
        assert!(accepts(std::iter::empty()));
    }
}
