//! A listening socket and the server on it, set up the same way for both listeners.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// How a listener treats its connections.
#[derive(Debug, Clone)]
pub struct Connections {
    /// Threads that serve them.
    pub workers: usize,
    /// Most connections of each worker; further ones wait in the kernel's queue. (actix-web's 25,600 a worker is a silent
    /// end of accepting; the bound on streams is lower and answers.)
    pub most_per_worker: usize,
    /// How long a client may take to send its request's head.
    pub head_timeout: Duration,
    /// How long a connection without a request is kept.
    pub keep_alive: Duration,
    /// How long written bytes may stay unacknowledged, or the peer's window closed, before the peer counts as gone
    /// (TCP_USER_TIMEOUT, RFC 5482). Silent peers are noticed within the heartbeat's interval and this together.
    pub peer_timeout: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            most_per_worker: 12_000,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(5),
            peer_timeout: Duration::from_secs(12),
        }
    }
}

/// How many connections may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const WAITING: i32 = 4_096;

/// Binds. Accepted sockets inherit what is set here (Linux clones the listening socket), so `peer_timeout` holds for plain
/// and TLS connections alike.
pub fn bind(address: SocketAddr, connections: &Connections) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    SockRef::from(&socket).set_tcp_user_timeout(Some(connections.peer_timeout))?;
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

/// Applies what holds for both listeners; a macro, because actix-web's server has no nameable type.
macro_rules! configured {
    ($server:expr, $connections:expr) => {
        $server
            .workers($connections.workers)
            .max_connections($connections.most_per_worker)
            .client_request_timeout($connections.head_timeout)
            .keep_alive($connections.keep_alive)
            // A half-closed EventSource is a closed one: actix-web's default holds it until the next write fails.
            .h1_allow_half_closed(false)
            .tcp_nodelay(true)
            // Streams have been ended by the drain when the server is stopped.
            .shutdown_timeout(1)
            .disable_signals()
    };
}
pub(super) use configured;
