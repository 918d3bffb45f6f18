//! `{prefix}/client.js` and `client.d.ts`: the [browser client](../../../browser/README.md), embedded in the program.
//!
//! Its modules are joined into one file: replicas of two releases serve side by side during a rollout, and a page could get
//! modules of both.

use std::sync::LazyLock;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::events::Edge;
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

/// Adds both files below `prefix`.
pub fn mount(services: &mut ServiceConfig, prefix: &str) {
    for (name, media_type, content) in [
        ("client.js", "text/javascript; charset=utf-8", MODULE.as_str()),
        ("client.d.ts", "text/plain; charset=utf-8", TYPES),
    ] {
        let etag = etag(content);
        let answer = move |request: HttpRequest, edge: web::Data<Edge>| {
            let etag = etag.clone();
            async move { serve(&request, &edge, media_type, content, &etag) }
        };
        services.service(web::resource(format!("{prefix}/{name}")).to(answer));
    }
}

fn serve(
    request: &HttpRequest,
    edge: &Edge,
    media_type: &'static str,
    content: &'static str,
    etag: &HeaderValue,
) -> HttpResponse {
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return HttpResponse::NoContent().insert_header((header::ALLOW, METHODS)).finish(),
        _ => return edge.problems.answer(&Kind::MethodNotAllowed.because("this is a file: get it").allowing(METHODS)),
    }
    let mut response = if is_known(request, etag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::CACHE_CONTROL, CACHE)).insert_header((header::ETAG, etag.clone()));
    if is_known(request, etag) {
        return response.finish();
    }
    response
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(content)
}

/// Whether the client has it already (RFC 9110, 13.1.2: compared weakly, as proxies that compress make tags weak).
fn is_known(request: &HttpRequest, etag: &HeaderValue) -> bool {
    let listed = request.headers().get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    listed.flat_map(|list| list.split(',')).map(str::trim).any(|tag| {
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        tag == "*" || tag.as_bytes() == etag.as_bytes()
    })
}

fn etag(content: &str) -> HeaderValue {
    let digest = ring::digest::digest(&ring::digest::SHA256, content.as_bytes());
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]));
    HeaderValue::from_str(&tag).expect("base64 between quotes is a field value")
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
