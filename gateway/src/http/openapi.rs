//! The descriptions of the listeners (OpenAPI 3.1), and `openapi.json`, which serves them.
//!
//! They are made from what serves: each resource of a listener is a path, its handler and, beside the handler, the operations
//! that it has; the listener takes paths and handlers from the same table. Schemas are derived from the types that handlers read
//! and write, kinds of problems come from their table, bounds and names from the configuration, so a gateway describes what it
//! does as it is configured.

mod document;
mod guard;
mod operation;
mod schema;
mod surface;
mod text;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Route, web};
use bytes::Bytes;
use serde_json::{Value, json};

pub(super) use document::{Listener, write};
pub(super) use guard::{Guard, Way};
pub(super) use operation::{Answer, Asks, Operation, Parameter};
pub(super) use schema::Schemas;
pub use surface::{Bounds, Scheme, Surface};
pub(super) use text::{
    ChannelName, attribute_name, channel, cloud_event_field, event_type, list, list_of, list_of_values, or_empty, text,
};

use super::etag;
use super::events::Edge;
use super::problem::{Kind, Problem};

/// Where that of the public listener is served, below the prefix.
pub(super) const RESOURCE: Resource = Resource { path: "/openapi.json", route: || web::to(serve), describe };

const METHODS: &str = "GET, HEAD, OPTIONS";

/// One path of the public listener.
pub(super) struct Resource {
    /// Below the prefix.
    pub(super) path: &'static str,
    /// Serves it, whatever the method.
    pub(super) route: fn() -> Route,
    /// What it does for whom; nothing where it doesn't exist.
    pub(super) describe: fn(&Surface, &mut Schemas) -> Vec<Operation>,
}

/// The description, written once.
#[derive(Debug)]
pub(super) struct Description {
    content: Bytes,
    /// Changes with it.
    tag: HeaderValue,
}

impl Description {
    pub(super) fn new(document: &Value) -> Self {
        let content = Bytes::from(document.to_string());
        Self { tag: etag::of(&content), content }
    }

    /// Tells it to whoever doesn't know it yet.
    pub(super) fn tell(&self, request: &HttpRequest) -> Result<HttpResponse, Problem> {
        super::query::only(request, None)?;
        let is_known = etag::is_known(request.headers(), &self.tag);
        let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response
            .insert_header((ETAG, self.tag.clone()))
            // Kept by whoever wants to, and asked for anew: another configuration is another description.
            .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")));
        if is_known {
            return Ok(response.finish());
        }
        Ok(response.insert_header((CONTENT_TYPE, "application/json")).body(self.content.clone()))
    }
}

/// A description as a file.
pub(super) fn pretty(document: &Value) -> String {
    serde_json::to_string_pretty(document).unwrap_or_default() + "\n"
}

async fn serve(request: HttpRequest, edge: web::Data<Edge>, description: web::Data<Description>) -> HttpResponse {
    let answer = match *request.method() {
        Method::OPTIONS => Ok(HttpResponse::NoContent().insert_header((ALLOW, METHODS)).finish()),
        Method::GET | Method::HEAD => description.tell(&request),
        _ => Err(Kind::MethodNotAllowed.because("get it").allowing(METHODS)),
    };
    answer.unwrap_or_else(|problem| edge.problems.answer(&problem))
}

fn describe(_: &Surface, _: &mut Schemas) -> Vec<Operation> {
    vec![operation("What this gateway serves, as it is configured. Nobody has to say who they are.")]
}

/// What is done where a description is served.
pub(super) fn operation(about: &str) -> Operation {
    let tag =
        || json!({ "description": "Changes with the description.", "required": true, "schema": { "type": "string" } });
    let known =
        Parameter::header("If-None-Match", json!({ "type": "string" }), "The `ETag` of a description that is known.");
    Operation::get("describe", "This description")
        .tag("Description")
        .describe(about)
        .parameter(known)
        .answer(
            200,
            Answer::of("The description.", "application/json", json!({ "type": "object" }))
                .header("ETag", tag())
                .header("Cache-Control", json!({ "required": true, "schema": { "const": "no-cache" } })),
        )
        .answer(304, Answer::empty("The client has it already.").header("ETag", tag()))
        .problems(&[Kind::UnknownParameter, Kind::InvalidParameter])
}

#[cfg(test)]
pub(super) mod tests;
