//! The admin listener: health and metrics for everybody who reaches it, the rest for who knows its token.
//!
//! It is another port than the public one, and never on an ingress. Without a configured token nothing but health and
//! metrics exists.

mod actions;
pub mod description;
mod health;
mod inspection;
mod resource;
mod revoke;
pub mod token;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::listener::{self, Connections, Listening};
use super::openapi::Description;
use super::problem::{Kind, Problem};
use super::screen::{self, Hosts};
use crate::backlog::{Backlog, Directory};
use crate::ingest::counters::Consuming;
use crate::metrics::Metrics;
use crate::replica::Replica;
use crate::replica::drain::Drain;
use crate::replica::lease::Reach;
use crate::replica::ready::NotReady;
use description::Surface;
use resource::Resource;
pub use revoke::Revoking;
use token::Token;
use tokio::sync::watch;

/// Decides on readiness when it is asked for.
pub type Ready = Arc<dyn Fn() -> Result<(), NotReady> + Send + Sync>;

/// Tells what this replica does, for who runs it. Asked every few seconds; must not block.
pub type StatusOf = Arc<dyn Fn() -> events_gateway_status::Status + Send + Sync>;

/// Tells what every binding's consumer is doing: its assignment, positions and lag.
pub type KafkaStatus = Arc<dyn Fn() -> Consuming + Send + Sync>;

/// What is served: whoever adds a path says beside its handler what it does.
const RESOURCES: [Resource; 14] = [
    health::LIVE,
    health::READY,
    health::METRICS,
    inspection::STATUS,
    inspection::CONNECTIONS,
    inspection::CHANNEL,
    inspection::KAFKA,
    actions::DRAIN,
    actions::UNDRAIN,
    actions::PAUSE,
    actions::RESUME,
    actions::DISCONNECT,
    revoke::RESOURCE,
    description::RESOURCE,
];

/// What the admin listener tells of and acts on.
pub struct Sources {
    /// This replica.
    pub replica: Arc<Replica>,
    /// Whether traffic is to be routed to it.
    pub ready: Ready,
    /// Whether it reaches the backlog: told to other replicas, which ask when they don't.
    pub reach: watch::Receiver<Reach>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// The other replicas, and what groups are to do.
    pub directory: Arc<dyn Directory>,
    /// Where channels stand.
    pub backlog: Arc<dyn Backlog>,
    /// What it does, in short.
    pub status: StatusOf,
    /// What its consumers do.
    pub kafka: KafkaStatus,
    /// The consumer groups that may be paused.
    pub groups: Vec<String>,
    /// Hands over; `/drain` begins it, whoever runs [`Drain::follow`] carries it out.
    pub drain: Arc<Drain>,
    /// Revokes tokens. `None`: nothing can be revoked.
    pub revoking: Option<Revoking>,
    /// Who may do more than look at health and metrics. `None`: nobody, the rest doesn't exist.
    pub token: Option<Token>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("replica", &self.replica).field("token", &self.token).finish_non_exhaustive()
    }
}

/// How the admin listener is served.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its connections.
    pub connections: Connections,
    /// Which hosts it answers to.
    pub hosts: Hosts,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // A probe, a scraper and an operator.
            connections: Connections { workers: 1, most_per_worker: 256, ..Connections::default() },
            hosts: Hosts::default(),
        }
    }
}

/// Serves `sources` on `socket`; nothing is served until [`Listening::server`] is polled.
pub fn listen(options: Options, sources: web::Data<Sources>, socket: TcpListener) -> io::Result<Listening> {
    let Options { connections, hosts } = options;
    let described = web::Data::new(Description::new(&description::describe(&Surface::of(&hosts, &sources))));
    listener::serve(&connections, None, socket, move || {
        App::new()
            .app_data(sources.clone())
            .app_data(web::Data::new(hosts.clone()))
            .wrap(from_fn(screen_and_authorise))
            .app_data(described.clone())
            .configure(|services| {
                for Resource { path, serve, .. } in &RESOURCES {
                    services.service(serve(web::resource(*path)));
                }
            })
            .default_service(web::to(async || not_found().response()))
    })
}

async fn screen_and_authorise(
    request: ServiceRequest,
    next: Next<actix_web::body::BoxBody>,
) -> Result<ServiceResponse<actix_web::body::BoxBody>, Error> {
    let hosts = request.app_data::<web::Data<Hosts>>().cloned().unwrap_or_else(|| web::Data::new(Hosts::default()));
    let sources = request.app_data::<web::Data<Sources>>().cloned();
    let token = sources.as_ref().and_then(|sources| sources.token.as_ref());
    let checked = screen::check(&request, &hosts).and_then(|()| {
        if RESOURCES.iter().any(|resource| resource.is_open && resource.path == request.path()) {
            return Ok(());
        }
        authorised(token, request.headers().get(AUTHORIZATION))
    });
    match checked {
        Ok(()) => next.call(request).await,
        Err(problem) => Ok(request.into_response(problem.response())),
    }
}

fn authorised(token: Option<&Token>, header: Option<&HeaderValue>) -> Result<(), Problem> {
    // Nothing tells a path that would exist with a token from one that never does.
    let token = token.ok_or_else(not_found)?;
    let given = header
        .and_then(|value| value.as_bytes().split_at_checked(7))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
        .map(|(_, given)| given);
    match given {
        Some(given) if token.is(given) => Ok(()),
        _ => Err(Kind::Unauthorized.because("this needs the admin token: Authorization: Bearer ...")),
    }
}

fn not_found() -> Problem {
    Kind::NotFound.because("nothing is served here")
}

fn json(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(value)
}

/// The query's one parameter among `known`, if there is any; more, unknown and repeated ones are refused by name.
fn one_parameter(request: &HttpRequest, known: &[&'static str]) -> Result<Option<(&'static str, String)>, Problem> {
    let mut found = None;
    for (name, value) in super::query::pairs(request.query_string())? {
        let Some(name) = known.iter().find(|known| **known == name) else {
            return Err(Kind::UnknownParameter
                .because(if known.is_empty() {
                    "there are no parameters here".to_owned()
                } else {
                    format!("the parameters here are {}", known.join(", "))
                })
                .about(&name));
        };
        if found.is_some() {
            return Err(Kind::ConflictingParameters.because("give one parameter, once").about(name));
        }
        found = Some((*name, value.into_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
