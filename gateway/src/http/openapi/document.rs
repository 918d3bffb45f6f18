//! The whole document, of what each resource of a listener says of itself.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Guard, Operation, Schemas};
use crate::http::problem::{Document, Kind};

/// A listener, to be described.
pub(in crate::http) struct Listener {
    /// What it is called.
    pub(in crate::http) title: &'static str,
    /// What holds for all of it.
    pub(in crate::http) introduction: &'static str,
    /// How it asks who comes.
    pub(in crate::http) guard: Guard,
    /// What is done at each path.
    pub(in crate::http) paths: Vec<(String, Vec<Operation>)>,
}

/// Writes what it does. `schemas`: those of its operations.
pub(in crate::http) fn write(listener: Listener, mut schemas: Schemas) -> Value {
    let Listener { title, introduction, guard, paths: described } = listener;
    let mut paths = Map::new();
    for (path, operations) in described.into_iter().filter(|(_, operations)| !operations.is_empty()) {
        let item: Map<String, Value> = operations
            .into_iter()
            .map(|operation| (operation.method.to_owned(), operation.write(&guard, &mut schemas)))
            .collect();
        paths.insert(path, item.into());
    }
    let schemes = guard.schemes();
    let mut components = json!({ "schemas": schemas.into_components() });
    if !schemes.is_empty() {
        components["securitySchemes"] = schemes.into();
    }
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": introduction,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": components,
    })
}

impl Operation {
    fn write(mut self, guard: &Guard, schemas: &mut Schemas) -> Value {
        if guard.asks(self.asks) {
            self.problems.extend(&guard.problems);
        }
        if guard.screens_hosts {
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
        if guard.asks(self.asks) {
            written["security"] = guard.security(self.asks, self.is_open);
        }
        written
    }
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
