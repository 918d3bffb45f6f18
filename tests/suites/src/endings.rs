//! Streams of which only one thing counts: when, and why, the gateway ended them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use events_gateway_harness::http::{Request, Stream};
use events_gateway_harness::sse::Parser;
use events_gateway_harness::wait;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How many are being opened at once.
const OPENING: usize = 64;

/// An end.
#[derive(Debug, Clone)]
pub struct End {
    /// When the client read `gateway.closing`, or the end of what was sent.
    pub at: Instant,
    /// The data of `gateway.closing`; null where there was none.
    pub closing: Value,
}

impl End {
    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.closing["reason"].as_str().unwrap_or("none")
    }
}

#[derive(Debug, Default)]
struct Seen {
    open: usize,
    refused: Vec<u16>,
    ends: BTreeMap<usize, End>,
}

/// Streams that don't reconnect. Dropping it closes them.
#[derive(Debug)]
pub struct Endings {
    seen: Arc<Mutex<Seen>>,
    _readers: JoinSet<()>,
}

impl Endings {
    /// Opens one stream each, numbered from 0, and waits until all are open.
    ///
    /// # Errors
    /// When one isn't answered with 200 within `bound`.
    pub async fn open(streams: Vec<(SocketAddr, Request)>, bound: Duration) -> Result<Self> {
        let (wanted, seen, doors) = (streams.len(), Arc::<Mutex<Seen>>::default(), Arc::new(Semaphore::new(OPENING)));
        let mut readers = JoinSet::new();
        for (number, (address, request)) in streams.into_iter().enumerate() {
            let (seen, doors) = (seen.clone(), doors.clone());
            readers.spawn(async move {
                let opened = {
                    let _door = doors.acquire().await;
                    Stream::open(address, &request.header("Accept", "text/event-stream")).await
                };
                match opened {
                    Ok(stream) if stream.head().status == 200 => {
                        lock(&seen).open += 1;
                        let closing = read(stream).await;
                        lock(&seen).ends.insert(number, End { at: Instant::now(), closing });
                    }
                    Ok(stream) => lock(&seen).refused.push(stream.head().status),
                    Err(_) => lock(&seen).refused.push(0),
                }
            });
        }
        wait::until_true("all streams to be open", bound, || {
            let seen = lock(&seen);
            seen.open == wanted || !seen.refused.is_empty()
        })
        .await?;
        {
            let seen = lock(&seen);
            anyhow::ensure!(seen.refused.is_empty(), "refused with {:?}", seen.refused);
        }
        Ok(Self { seen, _readers: readers })
    }

    /// How many have ended.
    #[must_use]
    pub fn ended(&self) -> usize {
        lock(&self.seen).ends.len()
    }

    /// How the stream of a number ended, if it has.
    #[must_use]
    pub fn end(&self, number: usize) -> Option<End> {
        lock(&self.seen).ends.get(&number).cloned()
    }

    /// Waits until all of these have ended.
    ///
    /// # Errors
    /// When one hasn't within `bound`.
    pub async fn wait_for(&self, numbers: impl Iterator<Item = usize> + Clone, bound: Duration) -> Result<Vec<End>> {
        let found = || numbers.clone().map(|number| self.end(number)).collect::<Option<Vec<End>>>();
        wait::until_true("streams to end", bound, || found().is_some())
            .await
            .with_context(|| format!("{} have ended", self.ended()))?;
        found().context("they have ended")
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn read(mut stream: Stream) -> Value {
    let (mut parser, mut closing) = (Parser::default(), Value::Null);
    while let Ok(Some(part)) = stream.part().await {
        parser.feed(&part, |event| {
            if event.kind == "gateway.closing" {
                closing = serde_json::from_str(&event.data).unwrap_or_default();
            }
        });
        if !closing.is_null() {
            break;
        }
    }
    closing
}
