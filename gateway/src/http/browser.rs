//! `{prefix}/client.js` and `client.d.ts`: the [browser client](../../../browser/README.md), embedded in the program.
//!
//! Its modules are joined into one file: replicas of two releases serve side by side during a rollout, and a page could get
//! modules of both.

use std::sync::LazyLock;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::etag;
use super::events::Edge;
use super::openapi::{Answer, Operation, Parameter, Resource, Schemas, Surface};
use super::problem::Kind;

const METHODS: &str = "GET, HEAD, OPTIONS";

/// A page that is loaded again within the hour asks nobody; then the ETag spares it the content.
const CACHE: &str = "public, max-age=3600";

macro_rules! parts {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../browser/src/", $name, ".js")))),*]
    };
}

/// The modules, each after those that it imports.
const PARTS: [(&str, &str); 15] = parts![
    "wait",
    "failure",
    "event",
    "interest",
    "credentials",
    "memory",
    "message",
    "steps",
    "stream",
    "socket",
    "tabs",
    "line",
    "options",
    "subscription",
    "gateway",
];

/// All of them as one module, which exports `EventsGateway`.
pub static MODULE: LazyLock<String> = LazyLock::new(|| {
    let mut module = "// Events Gateway's browser client. Licence: Apache-2.0.\n".to_owned();
    for (_, part) in PARTS {
        for line in part.lines().filter(|line| !line.starts_with("import ")) {
            let line = if line.contains("class EventsGateway ") { line } else { line.trim_start_matches("export ") };
            module.extend([line, "\n"]);
        }
    }
    module
});

const TYPES: &str = include_str!("../../browser/events-gateway.d.ts");

/// The client.
pub(super) const CLIENT: Resource =
    Resource { path: "/client.js", route: || web::to(serve_module), describe: describe_module };
/// Its types.
pub(super) const CLIENT_TYPES: Resource =
    Resource { path: "/client.d.ts", route: || web::to(serve_types), describe: describe_types };

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

async fn serve_module(request: HttpRequest, edge: web::Data<Edge>) -> HttpResponse {
    static TAG: LazyLock<HeaderValue> = LazyLock::new(|| etag::of(MODULE.as_bytes()));
    serve(&request, &edge, JAVASCRIPT, &MODULE, &TAG)
}

async fn serve_types(request: HttpRequest, edge: web::Data<Edge>) -> HttpResponse {
    static TAG: LazyLock<HeaderValue> = LazyLock::new(|| etag::of(TYPES.as_bytes()));
    serve(&request, &edge, TEXT, TYPES, &TAG)
}

fn describe_module(_: &Surface, _: &mut Schemas) -> Vec<Operation> {
    describe("client", "The browser client", "An ES module that exports `EventsGateway`.", JAVASCRIPT)
}

fn describe_types(_: &Surface, _: &mut Schemas) -> Vec<Operation> {
    describe("clientTypes", "The browser client's types", "Declarations for TypeScript.", TEXT)
}

fn describe(id: &'static str, summary: &'static str, what: &'static str, media_type: &'static str) -> Vec<Operation> {
    let tag =
        || json!({ "description": "Changes with the content.", "required": true, "schema": { "type": "string" } });
    let known =
        Parameter::header("If-None-Match", json!({ "type": "string" }), "The `ETag` of a content that is known.");
    vec![
        Operation::get(id, summary)
            .tag("Browser client")
            .describe(what)
            .parameter(known)
            .answer(200, Answer::of(what, media_type, json!({ "type": "string" })).header("ETag", tag()))
            .answer(304, Answer::empty("The client has it already.").header("ETag", tag()))
            .problems(&[Kind::UnknownParameter, Kind::InvalidParameter]),
    ]
}

fn serve(
    request: &HttpRequest,
    edge: &Edge,
    media_type: &'static str,
    content: &'static str,
    tag: &HeaderValue,
) -> HttpResponse {
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return HttpResponse::NoContent().insert_header((header::ALLOW, METHODS)).finish(),
        _ => return edge.problems.answer(&Kind::MethodNotAllowed.because("this is a file: get it").allowing(METHODS)),
    }
    if let Err(problem) = super::query::only(request, None) {
        return edge.problems.answer(&problem);
    }
    let is_known = etag::is_known(request.headers(), tag);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::CACHE_CONTROL, CACHE)).insert_header((header::ETAG, tag.clone()));
    if is_known {
        return response.finish();
    }
    response
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_modules_are_joined_each_after_what_it_imports_and_one_class_is_exported() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/src");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), PARTS.len());
        for (at, (name, part)) in PARTS.iter().enumerate() {
            for imported in part.lines().filter(|line| line.starts_with("import ")) {
                let from = imported.split('"').nth(1).unwrap().trim_start_matches("./").trim_end_matches(".js");
                assert!(PARTS[..at].iter().any(|(earlier, _)| *earlier == from), "{name} imports {from}");
                assert!(imported.ends_with("\";"), "{name}: an import stands on one line");
            }
        }
        let exported: Vec<&str> = MODULE.lines().filter(|line| line.starts_with("export ")).collect();
        assert_eq!(exported, ["export class EventsGateway {"]);
        assert!(MODULE.lines().all(|line| !line.starts_with("import ")));
        let mut names: Vec<&str> = MODULE
            .lines()
            .filter_map(|line| line.trim_start_matches("export ").trim_start_matches("async ").split_once(' '))
            .filter(|(kind, _)| ["const", "class", "function"].contains(kind))
            .filter_map(|(_, rest)| rest.split([' ', '(']).next())
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "no two modules give one name");
    }
}
