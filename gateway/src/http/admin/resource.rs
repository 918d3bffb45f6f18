//! One path of the admin listener: what serves it, for whom, and what it does.

use actix_web::{FromRequest, Handler, HttpResponse, web};

use super::description::Surface;
use crate::http::openapi::{Operation, Schemas};
use crate::http::problem::Kind;

/// One path.
pub(super) struct Resource {
    pub(super) path: &'static str,
    /// Whether nobody has to know the token.
    pub(super) is_open: bool,
    /// Serves it, whatever the method.
    pub(super) serve: Serve,
    /// What it does; nothing where it doesn't exist.
    pub(super) describe: Describe,
}

type Serve = fn(actix_web::Resource) -> actix_web::Resource;
type Describe = fn(&Surface, &mut Schemas) -> Option<Operation>;

impl Resource {
    /// For whoever reaches the listener.
    pub(super) const fn open(path: &'static str, serve: Serve, describe: Describe) -> Self {
        Self { path, is_open: true, serve, describe }
    }

    /// For who knows the token.
    pub(super) const fn guarded(path: &'static str, serve: Serve, describe: Describe) -> Self {
        Self { path, is_open: false, serve, describe }
    }
}

/// Serves what is looked at.
pub(super) fn get<F, Args>(resource: actix_web::Resource, handler: F) -> actix_web::Resource
where
    F: Handler<Args, Output = HttpResponse>,
    Args: FromRequest + 'static,
{
    resource
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(async || other_method("GET, HEAD")))
}

/// Serves what acts.
pub(super) fn post<F, Args>(resource: actix_web::Resource, handler: F) -> actix_web::Resource
where
    F: Handler<Args, Output = HttpResponse>,
    Args: FromRequest + 'static,
{
    resource.route(web::post().to(handler)).default_service(web::to(async || other_method("POST")))
}

fn other_method(allow: &'static str) -> HttpResponse {
    Kind::MethodNotAllowed.because(format!("use {allow}")).allowing(allow).response()
}
