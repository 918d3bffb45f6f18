//! The description of the public listener, of what each of its resources says of itself.

use serde_json::{Value, json};

use super::RESOURCES;
use crate::http::alias;
use crate::http::credentials::TICKET;
use crate::http::openapi::{self, Asks, Guard, Listener, Operation, Schemas, Surface, Way};
use crate::http::problem::Kind;

const INTRODUCTION: &str = "\
Events for browsers, dashboards and agents, in order, each once, and with every loss told. \
Every refusal is a problem (RFC 9457) whose `type` says which; parameters, members and fields that aren't known are refused by name. \
Any other path is answered with 404, any other method with 405 and `Allow`. HEAD goes where GET does, and OPTIONS everywhere.

Beyond what OpenAPI can say: an event stream and a WebSocket go on for as long as both sides like, so they are described by how they \
begin; bounds of texts count bytes of UTF-8, which are characters only in ASCII; whether a request is granted depends on the token.";

/// The description of a gateway with everything configured, as `events-gateway generate` writes it.
#[must_use]
pub fn reference() -> String {
    openapi::pretty(&describe(&Surface::whole()))
}

/// The description of a gateway's listener.
pub(in crate::http) fn describe(surface: &Surface) -> Value {
    let mut schemas = Schemas::new();
    let mut paths: Vec<(String, Vec<Operation>)> = Vec::new();
    for resource in &RESOURCES {
        // An alias may be anywhere, so paths stand whole: tools know little of servers that only some paths have.
        let path = format!("{}{}", surface.path_prefix, resource.path);
        paths.push((path, (resource.describe)(surface, &mut schemas)));
    }
    paths.extend(alias::description::describe(surface, &mut schemas));
    let listener = Listener { title: "Events Gateway", introduction: INTRODUCTION, guard: guard(surface), paths };
    openapi::write(listener, schemas)
}

/// How clients say who they are.
fn guard(surface: &Surface) -> Guard {
    let screens_hosts = surface.screens_hosts;
    let Some(identity) = &surface.identity else { return Guard { screens_hosts, ..Guard::default() } };
    let way = |name, leads, scheme| Way { name, scheme, leads };
    let mut ways = vec![way("bearer", |_| true, json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" }))];
    let mut problems = vec![Kind::Unauthorized, Kind::InvalidToken, Kind::Forbidden, Kind::Unavailable];
    if let Some(name) = &identity.cookie {
        let description = "A token in a cookie. It counts only where `Origin` or `Sec-Fetch-Site` say that the request is of a page of \
                           this origin, or of a listed one.";
        let scheme = json!({ "type": "apiKey", "in": "cookie", "name": name, "description": description });
        ways.push(way("cookie", |_| true, scheme));
        // The rules of browsers' cookies are told as a foreign origin.
        problems.push(Kind::ForeignHost);
    }
    if let Some(name) = &identity.parameter {
        let scheme = json!({ "type": "apiKey", "in": "query", "name": name, "description": "A token in the query." });
        ways.push(way("query", |asks| asks != Asks::TokenOfFields, scheme));
    }
    let description = "A ticket: opens one stream or WebSocket, with the channels that it was made for.";
    let scheme = json!({ "type": "apiKey", "in": "query", "name": TICKET, "description": description });
    ways.push(way("ticket", |asks| asks == Asks::TokenOrTicket, scheme));
    Guard { ways, problems, screens_hosts }
}
