//! A listening socket and the server on it, set up the same way for both listeners.

use std::fmt::Debug;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Extensions, Server, ServerHandle};
use rustls::ServerConfig;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::door::{Door, Entered};
use super::heads::Heads;
use super::intake::Guarded;
#[cfg(doc)]
use super::intake::Intake;

/// How a listener treats its connections.
#[derive(Debug, Clone)]
pub struct Connections {
    /// Threads that serve them.
    pub workers: usize,
    /// Most connections of each worker; further ones wait in the kernel's queue. (actix-web's 25,600 a worker is a silent
    /// end of accepting; the bound on streams is lower and answers.)
    pub most_per_worker: usize,
    /// Who is let in.
    pub door: Arc<Door>,
    /// How long a client may take to send its request's head.
    pub head_timeout: Duration,
    /// How long a connection without a request is kept.
    pub keep_alive: Duration,
    /// How long written bytes may stay unacknowledged, or the peer's window closed, before the peer counts as gone
    /// (TCP_USER_TIMEOUT, RFC 5482). Silent peers are noticed within the heartbeat's interval and this together.
    pub peer_timeout: Duration,
    /// Most bytes that the kernel takes for a peer before it has sent the ones before (TCP_NOTSENT_LOWAT): it would hold some MiB for
    /// one that doesn't read (measured: 2.2 MB each).
    pub most_unsent: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            most_per_worker: 12_000,
            door: Arc::default(),
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(5),
            peer_timeout: Duration::from_secs(12),
            most_unsent: 128 << 10,
        }
    }
}

/// How many connections may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const WAITING: i32 = 4_096;

/// How long a connection may take to close after its last answer.
const DISCONNECT: Duration = Duration::from_secs(1);

/// Binds. Accepted sockets inherit what is set here (Linux clones the listening socket), so `peer_timeout` and
/// `most_unsent` hold for plain and TLS connections alike.
pub fn bind(address: SocketAddr, connections: &Connections) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    SockRef::from(&socket).set_tcp_user_timeout(Some(connections.peer_timeout))?;
    SockRef::from(&socket).set_tcp_notsent_lowat(connections.most_unsent)?;
    socket.bind(&address.into())?;
    socket.listen(WAITING)?;
    Ok(socket.into())
}

/// A running listener.
pub struct Listening {
    /// Where it listens.
    pub address: SocketAddr,
    /// Stops it.
    pub handle: ServerHandle,
    /// Ends when the listener has stopped, with its error if it broke.
    pub server: Server,
}

/// Serves the application that `app` makes for each worker; nothing is served until [`Listening::server`] is polled.
///
/// It is what `actix_web::HttpServer` does, but each connection's reading is [`Guarded`]; the handlers find its [`Intake`] as
/// connection data.
pub(super) fn serve<F, I, S, B>(
    connections: &Connections,
    tls: Option<ServerConfig>,
    socket: TcpListener,
    app: F,
) -> io::Result<Listening>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let address = socket.local_addr()?;
    let builder = Server::build()
        .workers(connections.workers)
        .max_concurrent_connections(connections.most_per_worker)
        // Streams have been ended by the drain when the server is stopped.
        .shutdown_timeout(1)
        .disable_signals();
    let (name, connections) = (address.to_string(), connections.clone());
    let patience = connections.head_timeout;
    let builder = match tls {
        None => builder.listen(name, socket, move || {
            let (door, heads) = (connections.door.clone(), connections.door.heads(connections.most_per_worker));
            let enter = move |io| {
                door.enter(io).map(|io| accepted(io, |io| &io.socket, patience, &heads)).map_err(DispatchError::Io)
            };
            fn_service(move |io: TcpStream| ready(enter(io))).and_then(http(&connections, address, app()))
        })?,
        Some(mut tls) => {
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            builder.listen(name, socket, move || {
                let (door, heads) = (connections.door.clone(), connections.door.heads(connections.most_per_worker));
                let enter = move |io| door.enter(io).map_err(|error| TlsError::Service(DispatchError::Io(error)));
                let acceptor = Acceptor::new(tls.clone())
                    .map_init_err(|_| unreachable!("an acceptor is always made"))
                    .map_err(TlsError::into_service_error);
                fn_service(move |io: TcpStream| ready(enter(io)))
                    .and_then(acceptor)
                    .and_then(move |io: TlsStream<Entered>| {
                        ready(Ok(accepted(io, |io| &io.get_ref().0.socket, patience, &heads)))
                    })
                    .and_then(http(&connections, address, app()).map_err(TlsError::Service))
            })?
        }
    };
    let server = builder.run();
    Ok(Listening { address, handle: server.handle(), server })
}

/// A connection as the HTTP service takes it.
fn accepted<T>(
    io: T,
    socket: impl Fn(&T) -> &TcpStream,
    patience: Duration,
    heads: &Rc<Heads>,
) -> (Guarded<T>, Protocol, Option<SocketAddr>) {
    // Fails only where the connection is gone already.
    let _ = socket(&io).set_nodelay(true);
    let peer = socket(&io).peer_addr().ok();
    (Guarded::new(io, patience).among(heads.enter()), Protocol::Http1, peer)
}

/// The application on connections of one kind.
fn http<T, I, S, B>(
    connections: &Connections,
    address: SocketAddr,
    app: I,
) -> impl ServiceFactory<
    (Guarded<T>, Protocol, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> + use<T, I, S, B>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let app = app.into_factory().map_err(|error| error.into().error_response());
    HttpService::build()
        .keep_alive(connections.keep_alive)
        // Whoever has sent something is told by us, before.
        .client_request_timeout(connections.head_timeout + Duration::from_secs(1))
        .client_disconnect_timeout(DISCONNECT)
        // A half-closed EventSource is a closed one: actix-web's default holds it until the next write fails.
        .h1_allow_half_closed(false)
        .local_addr(address)
        .on_connect_ext(|io: &Guarded<T>, data: &mut Extensions| {
            data.insert(io.intake());
        })
        .finish(map_config(app, |()| AppConfig::default()))
}
