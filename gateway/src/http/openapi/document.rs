//! The whole document, of what each resource says of itself.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Asks, Operation, Schemas, Surface};
use crate::http::alias;
use crate::http::credentials::TICKET;
use crate::http::problem::{Document, Kind};
use crate::http::public::RESOURCES;

const INTRODUCTION: &str = "\
Events for browsers, dashboards and agents, in order, each once, and with every loss told. \
Every refusal is a problem (RFC 9457) whose `type` says which; parameters, members and fields that aren't known are refused by name. \
Any other path is answered with 404, any other method with 405 and `Allow`. HEAD goes where GET does, and OPTIONS everywhere.

Beyond what OpenAPI can say: an event stream and a WebSocket go on for as long as both sides like, so they are described by how they \
begin; bounds of texts count bytes of UTF-8, which are characters only in ASCII; whether a request is granted depends on the token.";

/// Writes it.
pub(super) fn write(surface: &Surface) -> Value {
    let mut schemas = Schemas::new();
    let mut resources: Vec<(String, Vec<Operation>)> = Vec::new();
    for resource in &RESOURCES {
        // An alias may be anywhere, so paths stand whole: tools know little of servers that only some paths have.
        let path = format!("{}{}", surface.path_prefix, resource.path);
        resources.push((path, (resource.describe)(surface, &mut schemas)));
    }
    resources.extend(alias::description::describe(surface, &mut schemas));
    let mut paths = Map::new();
    for (path, operations) in resources.into_iter().filter(|(_, operations)| !operations.is_empty()) {
        let item: Map<String, Value> = operations
            .into_iter()
            .map(|operation| (operation.method.to_owned(), operation.write(surface, &mut schemas)))
            .collect();
        paths.insert(path, item.into());
    }
    let schemes = schemes(surface);
    let mut components = json!({ "schemas": schemas.into_components() });
    if !schemes.is_empty() {
        components["securitySchemes"] = schemes.into();
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Events Gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": components,
    })
}

/// How clients say who they are.
fn schemes(surface: &Surface) -> Map<String, Value> {
    let Some(identity) = &surface.identity else { return Map::new() };
    let mut schemes = Map::new();
    let mut add = |name: &str, scheme: Value| drop(schemes.insert(name.to_owned(), scheme));
    add("bearer", json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" }));
    if let Some(name) = &identity.cookie {
        let description = "A token in a cookie. It counts only where `Origin` or `Sec-Fetch-Site` say that the request is of a page of \
                           this origin, or of a listed one.";
        add("cookie", json!({ "type": "apiKey", "in": "cookie", "name": name, "description": description }));
    }
    if let Some(name) = &identity.parameter {
        add("query", json!({ "type": "apiKey", "in": "query", "name": name, "description": "A token in the query." }));
    }
    let description = "A ticket: opens one stream or WebSocket, with the channels that it was made for.";
    add("ticket", json!({ "type": "apiKey", "in": "query", "name": TICKET, "description": description }));
    schemes
}

impl Operation {
    fn write(mut self, surface: &Surface, schemas: &mut Schemas) -> Value {
        if self.asks != Asks::Nobody && surface.identity.is_some() {
            // The rules of browsers' cookies are told as a foreign origin.
            self.problems.extend([Kind::Unauthorized, Kind::InvalidToken, Kind::Forbidden, Kind::Unavailable]);
            if surface.identity.as_ref().is_some_and(|identity| identity.cookie.is_some()) {
                self.problems.insert(Kind::ForeignHost);
            }
        }
        if surface.screens_hosts {
            self.problems.insert(Kind::ForeignHost);
        }
        let mut responses: BTreeMap<String, Value> = refusals(&self, schemas);
        let answers = std::mem::take(&mut self.answers);
        responses.extend(answers.into_iter().map(|(status, answer)| (status.to_string(), answer.0)));
        let mut written = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [self.tag],
            "responses": responses,
        });
        if !self.description.is_empty() {
            written["description"] = json!(self.description);
        }
        if !self.parameters.is_empty() {
            written["parameters"] = self.parameters.into_iter().map(|parameter| parameter.0).collect();
        }
        if !self.content.is_empty() {
            written["requestBody"] = json!({ "required": true, "content": self.content });
        }
        if self.asks != Asks::Nobody && surface.identity.is_some() {
            written["security"] = security(self.asks, self.is_open, surface);
        }
        written
    }
}

fn security(asks: Asks, is_open: bool, surface: &Surface) -> Value {
    let identity = surface.identity.clone().unwrap_or_default();
    let in_query = identity.parameter.is_some() && asks != Asks::TokenOfFields;
    let ways = [
        ("bearer", true),
        ("cookie", identity.cookie.is_some()),
        ("query", in_query),
        ("ticket", asks == Asks::TokenOrTicket),
    ];
    let ways = ways.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| json!({ name: [] }));
    is_open.then(|| json!({})).into_iter().chain(ways).collect()
}

/// An operation's problems, by status.
fn refusals(operation: &Operation, schemas: &mut Schemas) -> BTreeMap<String, Value> {
    let problem = schemas.written::<Document<'_>>();
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for kind in &operation.problems {
        by_status.entry(kind.status().as_u16()).or_default().push(*kind);
    }
    let refusal = |(status, kinds): (u16, Vec<Kind>)| {
        let titles: Vec<&str> = kinds.iter().map(|kind| kind.title()).collect();
        let types: Vec<String> = kinds.iter().map(|kind| kind.type_uri()).collect();
        let mut properties = json!({ "type": { "enum": types }, "status": { "const": status } });
        if let Some((name, schema)) = &operation.member {
            properties[*name] = schema.clone();
        }
        let schema = json!({ "allOf": [problem, { "properties": properties }] });
        let mut response = json!({
            "description": format!("{}.", titles.join("; ")),
            "content": { "application/problem+json": { "schema": schema } },
            "headers": { "Cache-Control": { "required": true, "schema": { "const": "no-store" } } },
        });
        if let Some((name, header)) = fields(status) {
            response["headers"][name] = header;
        }
        (status.to_string(), response)
    };
    by_status.into_iter().map(refusal).collect()
}

/// Fields of a problem with this status.
fn fields(status: u16) -> Option<(&'static str, Value)> {
    let text = json!({ "type": "string" });
    match status {
        401 => Some(("WWW-Authenticate", json!({ "required": true, "schema": text }))),
        426 => Some(("Upgrade", json!({ "required": true, "schema": { "const": "websocket" } }))),
        429 | 503 => {
            let seconds = json!({ "type": "integer", "minimum": 1 });
            Some((
                "Retry-After",
                json!({ "required": true, "description": "When to come again, in seconds.", "schema": seconds }),
            ))
        }
        _ => None,
    }
}
