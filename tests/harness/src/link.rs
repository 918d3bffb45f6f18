//! A TCP link that can be cut, to keep one process from another.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the link does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Carries them.
    Whole,
    /// Resets connections and refuses new ones.
    Cut,
    /// Takes connections and bytes and lets nothing through, as a firewall that drops packets does.
    Silent,
}

/// A listener on a port of its own that passes connections on to `target`.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: JoinHandle<()>,
}

impl Link {
    /// A whole link to `target`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn to(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("failed to bind the link")?;
        let address = listener.local_addr().context("failed to ask for the link's address")?;
        let (state, observed) = watch::channel(State::Whole);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, target, observed.clone()));
            }
        });
        Ok(Self { address, state, task })
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets what is connected; new connections are closed at once.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets nothing through and tells nobody.
    pub fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Carries again. Connections that were silenced are lost.
    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.send_replace(State::Cut);
        self.task.abort();
    }
}

async fn carry(mut near: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) {
    // A reset, not an orderly end: that is what a cut is.
    let _ = near.set_zero_linger();
    let _ = near.set_nodelay(true);
    if *state.borrow() == State::Whole
        && let Ok(Ok(mut far)) = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(target)).await
    {
        let _ = far.set_nodelay(true);
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => return,
            _ = state.wait_for(|state| *state != State::Whole) => {}
        }
    }
    // Silent: hold the socket, read nothing, until something changes.
    let _ = state.wait_for(|state| *state != State::Silent).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = socket.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        address
    }

    async fn answers(socket: &mut TcpStream) -> bool {
        let mut byte = [0];
        socket.write_all(b"x").await.is_ok()
            && matches!(tokio::time::timeout(Duration::from_millis(300), socket.read(&mut byte)).await, Ok(Ok(1)))
    }

    #[tokio::test]
    async fn a_link_carries_until_it_is_cut_and_again_when_mended() {
        let link = Link::to(echo().await).await.expect("a link");
        let mut socket = TcpStream::connect(link.address()).await.expect("connects");
        assert!(answers(&mut socket).await);
        link.cut();
        assert!(socket.read(&mut [0]).await.is_err(), "a cut resets");
        link.mend();
        let mut socket = TcpStream::connect(link.address()).await.expect("connects");
        assert!(answers(&mut socket).await);
    }

    #[tokio::test]
    async fn a_silenced_link_neither_answers_nor_closes() {
        let link = Link::to(echo().await).await.expect("a link");
        let mut socket = TcpStream::connect(link.address()).await.expect("connects");
        assert!(answers(&mut socket).await);
        link.silence();
        assert!(!answers(&mut socket).await);
        let mut fresh = TcpStream::connect(link.address()).await.expect("connects all the same");
        assert!(!answers(&mut fresh).await);
        assert!(tokio::time::timeout(Duration::from_millis(50), fresh.read(&mut [0])).await.is_err(), "still open");
    }
}
