//! The page itself and what it is made of, embedded in the program; beside it the browser client's demo.

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderName};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::http::browser::MODULE;
use crate::http::problem::Kind;

/// Nothing but this origin's own files and endpoints; no inline script or style, no frame, no HTML made from text.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

const METHODS: &str = "GET, HEAD";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// (path, media type, content)
const FILES: [(&str, &str, &str); 14] = [
    ("/", "text/html; charset=utf-8", include_str!("index.html")),
    ("/console/base.css", "text/css; charset=utf-8", include_str!("base.css")),
    ("/console/console.css", "text/css; charset=utf-8", include_str!("console.css")),
    ("/console/console.js", JAVASCRIPT, include_str!("console.js")),
    ("/console/dom.js", JAVASCRIPT, include_str!("dom.js")),
    ("/console/feed.js", JAVASCRIPT, include_str!("feed.js")),
    ("/console/ledger.js", JAVASCRIPT, include_str!("ledger.js")),
    ("/console/list.js", JAVASCRIPT, include_str!("list.js")),
    ("/console/sender.js", JAVASCRIPT, include_str!("sender.js")),
    ("/console/icon.svg", "image/svg+xml", include_str!("icon.svg")),
    // The browser client's demo.
    ("/demo/", "text/html; charset=utf-8", include_str!("../../browser/demo/index.html")),
    ("/demo/demo.css", "text/css; charset=utf-8", include_str!("../../browser/demo/demo.css")),
    ("/demo/demo.js", JAVASCRIPT, include_str!("../../browser/demo/demo.js")),
    ("/demo/presence.js", JAVASCRIPT, include_str!("../../browser/demo/presence.js")),
];

pub(super) fn mount(services: &mut ServiceConfig) {
    // As the gateway serves it too, but never from a cache.
    let client = ("/demo/events-gateway.js", JAVASCRIPT, MODULE.as_str());
    for (path, media_type, content) in FILES.into_iter().chain([client]) {
        let answer = move |request: HttpRequest| async move { file(&request, media_type, content) };
        services.service(web::resource(path).to(answer));
    }
    services.service(web::redirect("/demo", "/demo/"));
}

fn file(request: &HttpRequest, media_type: &'static str, content: &'static str) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Kind::MethodNotAllowed.because("this is a file: get it").allowing(METHODS).response();
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, media_type))
        // The program changes under the same address whenever it is built anew.
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((HeaderName::from_static("cross-origin-opener-policy"), "same-origin"))
        .insert_header((HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .body(content)
}
