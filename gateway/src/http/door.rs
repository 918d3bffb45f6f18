//! How many connections one peer may have. It is judged before anything is read: what a client could say of itself comes later.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use actix_web::rt::net::{ActixStream, Ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::client_address::TrustedProxies;
use super::heads::Heads;
use crate::rate::network;
use crate::replica::tally::{Held, Tally};

/// Lets peers in as long as they have few connections. The default lets everybody in.
#[derive(Debug, Default)]
pub struct Door {
    tally: Option<Arc<Tally<IpAddr>>>,
    /// They stand for many.
    exempt: TrustedProxies,
    refused: AtomicU64,
    gave_way: Arc<AtomicU64>,
}

impl Door {
    /// At most `most` of each address but `exempt`.
    #[must_use]
    pub fn new(most: Option<NonZeroUsize>, exempt: TrustedProxies) -> Arc<Self> {
        let tally = most.map(|most| Tally::new(most.get()));
        Arc::new(Self { tally, exempt, ..Self::default() })
    }

    /// How many connections were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many connections gave way to others before they had sent a request.
    #[must_use]
    pub fn gave_way(&self) -> u64 {
        self.gave_way.load(Ordering::Relaxed)
    }

    /// The connections of one worker, at most `most`.
    pub(super) fn heads(&self, most: usize) -> Rc<Heads> {
        Heads::new(most, self.gave_way.clone())
    }

    /// Lets a connection in, or closes it: a browser takes that for a lost network and comes back.
    pub(super) fn enter(&self, socket: TcpStream) -> io::Result<Entered> {
        let Some(tally) = &self.tally else { return Ok(Entered { socket, _held: None }) };
        let peer = socket.peer_addr()?.ip().to_canonical();
        if self.exempt.trust(peer) {
            return Ok(Entered { socket, _held: None });
        }
        let held = tally.take(network(peer)).ok_or_else(|| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            io::Error::other("the peer has as many connections as it may")
        })?;
        Ok(Entered { socket, _held: Some(held) })
    }
}

/// A connection that was let in; it counts until it is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) socket: TcpStream,
    _held: Option<Held<IpAddr>>,
}

impl AsyncRead for Entered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Entered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

/// What the TLS acceptor asks of a socket.
impl ActixStream for Entered {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(&self.socket, cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(&self.socket, cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_peer_has_so_many_connections_and_a_proxy_as_many_as_it_likes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connect = async || {
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            (client, listener.accept().await.unwrap().0)
        };
        let door = Door::new(NonZeroUsize::new(2), TrustedProxies::default());
        let mut clients = Vec::new();
        let mut entered = Vec::new();
        for _ in 0..2 {
            let (client, socket) = connect().await;
            clients.push(client);
            entered.push(door.enter(socket).unwrap());
        }
        let (_client, socket) = connect().await;
        assert!(door.enter(socket).is_err());
        assert_eq!(door.refused(), 1);
        entered.pop();
        let (_client, socket) = connect().await;
        assert!(door.enter(socket).is_ok(), "one has gone");

        let proxies = TrustedProxies(vec!["127.0.0.0/8".parse().unwrap()]);
        for door in [Door::new(NonZeroUsize::new(1), proxies), Arc::default()] {
            let mut entered = Vec::new();
            for _ in 0..5 {
                let (client, socket) = connect().await;
                clients.push(client);
                entered.push(door.enter(socket).unwrap());
            }
            assert_eq!(door.refused(), 0);
        }
    }
}
