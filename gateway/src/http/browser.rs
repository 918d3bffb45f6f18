//! `{prefix}/client.js` and `client.d.ts`: the [browser client](../../../browser/README.md), embedded in the program.
//!
//! It is one file: replicas of two releases serve side by side during a rollout, and modules of both would be mixed.

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

/// The module.
pub const MODULE: &str = include_str!("../../browser/events-gateway.js");
const TYPES: &str = include_str!("../../browser/events-gateway.d.ts");

/// Adds both files below `prefix`.
pub fn mount(services: &mut ServiceConfig, prefix: &str) {
    for (name, media_type, content) in
        [("client.js", "text/javascript; charset=utf-8", MODULE), ("client.d.ts", "text/plain; charset=utf-8", TYPES)]
    {
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
