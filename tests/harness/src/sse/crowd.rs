//! Thousands of streams that are counted, not kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Parser;
use crate::http::{Request, Stream};
use crate::wait;

/// How many connections are being opened at once.
const OPENING: usize = 64;

/// What a crowd saw together.
#[derive(Debug, Default)]
struct Counts {
    open: AtomicU64,
    ended: AtomicU64,
    events: AtomicU64,
    bytes: AtomicU64,
}

/// Many streams that don't reconnect. Dropping it closes them all.
#[derive(Debug)]
pub struct Crowd {
    counts: Arc<Counts>,
    readers: JoinSet<()>,
}

impl Crowd {
    /// Opens one stream for each target and waits until every one has its response.
    ///
    /// # Errors
    /// When one of them isn't answered with 200 within `bound`.
    pub async fn open(address: SocketAddr, targets: impl IntoIterator<Item = String>, bound: Duration) -> Result<Self> {
        let counts = Arc::new(Counts::default());
        let doors = Arc::new(Semaphore::new(OPENING));
        let mut readers = JoinSet::new();
        let mut wanted = 0;
        for target in targets {
            wanted += 1;
            let (counts, doors) = (Arc::clone(&counts), Arc::clone(&doors));
            readers.spawn(async move {
                let opened = {
                    let _door = doors.acquire().await;
                    Stream::open(address, &Request::get(target).header("Accept", "text/event-stream")).await
                };
                if let Ok(stream) = opened
                    && stream.head().status == 200
                {
                    counts.open.fetch_add(1, Ordering::Relaxed);
                    read(stream, &counts).await;
                }
                counts.ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        let crowd = Self { counts, readers };
        wait::until_true("all streams to be answered", bound, || {
            crowd.opened() + crowd.ended() >= wanted && crowd.opened() >= wanted
        })
        .await
        .with_context(|| format!("{} of {wanted} opened, {} ended", crowd.opened(), crowd.ended()))?;
        Ok(crowd)
    }

    /// Streams that were answered with 200.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// Streams that were refused, or are over.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.counts.ended.load(Ordering::Relaxed)
    }

    /// Events of publishers that all streams received together.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.counts.events.load(Ordering::Relaxed)
    }

    /// Bytes of bodies that all streams received together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }

    /// Closes all streams and waits until that is done.
    pub async fn close(mut self) {
        self.readers.shutdown().await;
    }
}

async fn read(mut stream: Stream, counts: &Counts) {
    let mut parser = Parser::default();
    while let Ok(Some(part)) = stream.part().await {
        counts.bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
        let mut events = 0;
        parser.feed(&part, |event| events += u64::from(!event.kind.starts_with("gateway.")));
        counts.events.fetch_add(events, Ordering::Relaxed);
    }
}
