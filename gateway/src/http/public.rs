//! The public listener.

pub mod description;

use std::io;
use std::net::TcpListener;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpRequest, HttpResponse, web};

use super::events::{self, Edge};
use super::listener::{self, Connections, Listening};
use super::openapi::{self, Description, Resource, Surface};
use super::problem::Kind;
use super::publish;
use super::screen::{self, Hosts};
use super::{alias, browser};
use super::{stats, tickets, websocket};

/// How the public listener is served.
#[derive(Clone, Default)]
pub struct Options {
    /// What every path begins with, `/api/v1`: empty or a `/` and no `/` at its end.
    pub path_prefix: String,
    /// Its connections.
    pub connections: Connections,
    /// Which hosts it answers to.
    pub hosts: Hosts,
    /// TLS, if it isn't plain: see [`super::tls::Certificate::server_config`].
    pub tls: Option<rustls::ServerConfig>,
    /// What else is served, behind the same screen: `dev`'s page.
    pub extra: Option<Extra>,
}

/// What is served: whoever adds a path says beside its handler what it does.
pub(super) const RESOURCES: [Resource; 8] = [
    events::RESOURCE,
    publish::description::BROADCASTS,
    stats::RESOURCE,
    tickets::RESOURCE,
    websocket::RESOURCE,
    openapi::RESOURCE,
    browser::CLIENT,
    browser::CLIENT_TYPES,
];

/// Adds services to the public listener; called once for each worker.
pub type Extra = std::sync::Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("path_prefix", &self.path_prefix)
            .field("connections", &self.connections)
            .field("hosts", &self.hosts)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

/// Serves `edge` on `socket`; nothing is served until [`Listening::server`] is polled.
pub fn listen(options: Options, edge: web::Data<Edge>, socket: TcpListener) -> io::Result<Listening> {
    let Options { path_prefix, connections, hosts, tls, extra } = options;
    let described = web::Data::new(Description::new(&description::describe(&Surface::of(&path_prefix, &hosts, &edge))));
    listener::serve(&connections, tls, socket, move || {
        App::new()
            .app_data(edge.clone())
            .app_data(web::Data::new(hosts.clone()))
            .wrap(from_fn(screen_and_share))
            .app_data(described.clone())
            .configure(|services| {
                for Resource { path, route, .. } in &RESOURCES {
                    services.service(web::resource(format!("{path_prefix}{path}")).route(route()));
                }
                if let Some(extra) = &extra {
                    extra(services);
                }
            })
            .default_service(web::to(alias::serve))
    })
}

/// Screens the request, and lets the allowed origins read whatever the answer is.
async fn screen_and_share(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let edge = request.app_data::<web::Data<Edge>>().cloned();
    let hosts = request.app_data::<web::Data<Hosts>>().cloned();
    let origin = request.headers().get(ORIGIN).cloned();
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let screened = hosts.map_or(Ok(()), |hosts| screen::check(&request, &hosts));
    let mut response = match screened {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        // What is too large isn't read on: the connection ends with the answer.
        Err(problem) => {
            let mut response = edge.as_ref().map_or_else(|| problem.response(), |edge| edge.problems.answer(&problem));
            response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
            request.into_response(response)
        }
    };
    if let Some(edge) = edge {
        edge.cors.apply(origin.as_ref(), response.headers_mut());
        if is_preflight {
            edge.cors.preflight(edge.all_methods(), response.headers_mut());
        }
    }
    Ok(response)
}

pub(super) async fn not_found(request: HttpRequest, edge: web::Data<Edge>) -> HttpResponse {
    let detail = format!("nothing is served at {}", super::problem::quote(request.path()));
    edge.problems.answer(&Kind::NotFound.because(detail))
}

#[cfg(test)]
mod tests;
