//! Clients that do nothing wrong, and how long their events take.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use events_gateway_harness::kafka::admin::{Producer, Record};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Events a second that each of them gets.
const PER_SECOND: u64 = 50;

/// Streams of one channel, read on a thread of their own, and what is produced for them.
pub(crate) struct Observers {
    began: Instant,
    took: Arc<Mutex<Vec<Duration>>>,
    runtime: Option<tokio::runtime::Runtime>,
}

/// How long events took, from before they were given to Kafka to the socket.
pub(crate) struct Measured {
    /// Half of them no longer than this.
    pub(crate) p50: Duration,
    /// 99 % no longer than this.
    pub(crate) p99: Duration,
    /// How many there were.
    pub(crate) events: usize,
}

impl Drop for Observers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Observers {
    /// Opens so many streams, and begins to produce.
    pub(crate) fn start(address: SocketAddr, many: usize, producer: Producer, topic: String) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let (began, took) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        for _ in 0..many {
            runtime.spawn(observe(address, began, took.clone()));
        }
        runtime.spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / PER_SECOND));
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let sent = began.elapsed().as_micros().to_string();
                let record = Record::json("watched", &json!({ "channels": ["watched"], "data": sent }));
                producer.send(&topic, &record).await.expect("Kafka takes it");
            }
        });
        Self { began, took, runtime: Some(runtime) }
    }

    /// Measures for so long.
    pub(crate) async fn measure(&self, time: Duration) -> Measured {
        self.took.lock().unwrap_or_else(PoisonError::into_inner).clear();
        tokio::time::sleep(time).await;
        let mut took = std::mem::take(&mut *self.took.lock().unwrap_or_else(PoisonError::into_inner));
        took.sort_unstable();
        let at = |part: usize| took.get((took.len() * part / 100).min(took.len().saturating_sub(1))).copied();
        Measured { p50: at(50).unwrap_or_default(), p99: at(99).unwrap_or(Duration::MAX), events: took.len() }
    }

    /// How long one new stream takes to open.
    pub(crate) async fn opens(&self, address: SocketAddr) -> Duration {
        let began = Instant::now();
        let opened = async {
            let mut lines = open(address, "watched").await?.lines();
            while let Some(line) = lines.next_line().await? {
                if line == "event: gateway.open" {
                    return Ok(());
                }
            }
            Err(std::io::Error::other("it ends"))
        };
        timeout(Duration::from_secs(30), opened).await.expect("it opens in time").expect("it opens");
        began.elapsed()
    }

    /// Since the start.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }
}

async fn open(address: SocketAddr, channel: &str) -> std::io::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = format!("GET /api/v1/events?channels={channel} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    Ok(BufReader::new(stream))
}

async fn observe(address: SocketAddr, began: Instant, took: Arc<Mutex<Vec<Duration>>>) {
    let mut lines = open(address, "watched").await.expect("a stream opens").lines();
    while let Some(line) = lines.next_line().await.expect("a stream goes on") {
        if let Some(sent) = line.strip_prefix("data: ").and_then(|data| data.trim_matches('"').parse().ok()) {
            let time = began.elapsed().saturating_sub(Duration::from_micros(sent));
            took.lock().unwrap_or_else(PoisonError::into_inner).push(time);
        }
    }
    panic!("an observer's stream has ended");
}
