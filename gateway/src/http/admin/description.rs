//! The description of the admin listener, of what each of its resources says of itself, and `GET /openapi.json`, which serves it.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::resource::{Resource, get};
use super::{RESOURCES, Sources};
use crate::http::openapi::{self, Asks, Description, Guard, Listener, Operation, Schemas, Way};
use crate::http::problem::Kind;
use crate::http::screen::Hosts;

/// Where it is served.
pub(super) const RESOURCE: Resource = Resource::guarded(
    "/openapi.json",
    |resource| get(resource, serve),
    |_, _| Some(openapi::operation("What the admin listener serves.")),
);

const INTRODUCTION: &str = "\
What a replica tells whoever runs it, and does for them. This listener is never on an ingress; health and metrics are for whoever \
reaches it, the rest for who knows its token. \
Every refusal is a problem (RFC 9457) whose `type` says which; parameters and members that aren't known are refused by name, but \
for parameters of health and metrics, which mean nothing. Any other path is answered with 404, which is told to who knows the token, any \
other method with 405 and `Allow`. HEAD goes where GET does.";

/// What there is to describe: what of the listener is configured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surface {
    /// Whether there is a token: without, only what is open exists.
    pub(super) has_token: bool,
    /// Whether tokens can be revoked.
    pub(super) revokes: bool,
    /// Whether only some hosts and origins are answered.
    pub(super) screens_hosts: bool,
}

impl Surface {
    pub(super) fn of(hosts: &Hosts, sources: &Sources) -> Self {
        Self {
            has_token: sources.token.is_some(),
            revokes: sources.revoking.is_some(),
            screens_hosts: !hosts.are_all(),
        }
    }

    /// Everything there is.
    pub(super) fn whole() -> Self {
        Self { has_token: true, revokes: true, screens_hosts: false }
    }
}

/// The description of a listener with everything configured, as `events-gateway generate` writes it.
#[must_use]
pub fn reference() -> String {
    openapi::pretty(&describe(&Surface::whole()))
}

/// The description of a listener.
pub(super) fn describe(surface: &Surface) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: Vec<(String, Vec<Operation>)> = Vec::new();
    for Resource { path, is_open, describe, .. } in &RESOURCES {
        let asks = if *is_open { Asks::Nobody } else { Asks::Token };
        let operation = describe(surface, &mut schemas).filter(|_| *is_open || surface.has_token);
        let operation = operation.map(|operation| operation.asks(asks, false));
        paths.push(((*path).to_owned(), operation.into_iter().collect()));
    }
    let token = Way { name: "token", scheme: json!({ "type": "http", "scheme": "bearer" }), leads: |_| true };
    let guard = Guard { ways: vec![token], problems: vec![Kind::Unauthorized], screens_hosts: surface.screens_hosts };
    let listener = Listener { title: "Events Gateway: admin listener", introduction: INTRODUCTION, guard, paths };
    openapi::write(listener, schemas)
}

async fn serve(request: HttpRequest, description: web::Data<Description>) -> HttpResponse {
    description.tell(&request).unwrap_or_else(|problem| problem.response())
}
