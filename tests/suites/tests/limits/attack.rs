//! Whoever floods a gateway, on a thread of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// What comes of it.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Connections that were made.
    pub(crate) connected: AtomicU64,
    /// Those that the gateway ended.
    pub(crate) ended: AtomicU64,
    /// Answers with status 202, 408, 429, and others.
    pub(crate) statuses: [AtomicU64; 4],
    /// Streams that were opened, and those that were refused by a stream.
    pub(crate) streams: [AtomicU64; 2],
    /// Refusals that are no problem of RFC 9457.
    pub(crate) mute: AtomicU64,
}

impl Counts {
    pub(crate) fn of(&self, status: u16) -> u64 {
        self.statuses[index(status)].load(Ordering::Relaxed)
    }

    fn answer(&self, answer: &str) {
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        self.statuses[index(status)].fetch_add(1, Ordering::Relaxed);
        let is_problem = answer.to_ascii_lowercase().contains("content-type: application/problem+json");
        let may_come_again = status != 429 || answer.to_ascii_lowercase().contains("retry-after: ");
        if status >= 400 && !(is_problem && may_come_again) {
            self.mute.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn index(status: u16) -> usize {
    [202, 408, 429].iter().position(|known| *known == status).unwrap_or(3)
}

/// How a gateway is flooded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Heads a byte at a time.
    Slow,
    /// Heads that stop in the middle.
    Half,
    /// Streams of a busy channel that nobody reads.
    Stuck,
    /// Streams with a filter each that nobody else has: whoever gets one stays, whoever is refused asks for another after so long, without
    /// heeding when it was to come again.
    Filters(Duration),
    /// A publisher that doesn't mind its limit: so many requests a second in all.
    Publish(u64),
}

/// A flood that goes on until it is dropped.
pub(crate) struct Attack {
    pub(crate) counts: Arc<Counts>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Attack {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Attack {
    /// So many of a kind at a time.
    pub(crate) fn start(address: SocketAddr, kind: Kind, many: usize) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let counts = Arc::new(Counts::default());
        for number in 0..many {
            let counts = counts.clone();
            runtime.spawn(async move {
                // Not all in one moment.
                sleep(Duration::from_micros(400 * number as u64)).await;
                loop {
                    once(address, kind, many, &counts).await;
                }
            });
        }
        Self { counts, runtime: Some(runtime) }
    }
}

async fn once(address: SocketAddr, kind: Kind, many: usize, counts: &Counts) {
    let socket = TcpSocket::new_v4().expect("a socket");
    if matches!(kind, Kind::Stuck) {
        socket.set_recv_buffer_size(4_096).expect("a small buffer");
    }
    let Ok(Ok(mut stream)) = timeout(Duration::from_secs(10), socket.connect(address)).await else {
        return sleep(Duration::from_millis(100)).await;
    };
    counts.connected.fetch_add(1, Ordering::Relaxed);
    match kind {
        Kind::Slow => {
            let head = format!("GET /api/v1/events?channels=slow HTTP/1.1\r\nHost: a\r\nX-Long: {}", "x".repeat(4_000));
            for byte in head.bytes() {
                if stream.write_all(&[byte]).await.is_err() {
                    break;
                }
                sleep(Duration::from_millis(200)).await;
            }
            listen(&mut stream, counts).await;
        }
        Kind::Half => {
            let _ = stream.write_all(b"GET /api/v1/events?channels=half HTTP/1.1\r\nHost: a\r\nX: ").await;
            listen(&mut stream, counts).await;
        }
        Kind::Stuck => {
            let _ = stream.write_all(b"GET /api/v1/events?channels=busy HTTP/1.1\r\nHost: a\r\n\r\n").await;
            // It is never read; what ends it is the gateway.
            sleep(Duration::from_secs(3_600)).await;
        }
        Kind::Filters(pause) => {
            let number = counts.connected.load(Ordering::Relaxed) * 10_000 + rand::random_range(0..10_000);
            let query = format!("channels=filtered&types=kind-{number}&attribute.a={number}");
            let _ =
                stream.write_all(format!("GET /api/v1/events?{query} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await;
            let mut answer = Vec::new();
            let mut part = [0; 4_096];
            while !contains(&answer, "event: gateway.open") {
                match timeout(Duration::from_secs(30), stream.read(&mut part)).await {
                    Ok(Ok(read)) if read > 0 => answer.extend_from_slice(&part[..read]),
                    _ => return,
                }
                if contains(&answer, "event: gateway.closing") {
                    counts.streams[1].fetch_add(1, Ordering::Relaxed);
                    let is_retryable = contains(&answer, "\"reason\":\"filter-limit\",\"retryable\":true");
                    counts.mute.fetch_add(u64::from(!is_retryable), Ordering::Relaxed);
                    // A timer of no time takes some, too.
                    if !pause.is_zero() {
                        sleep(pause).await;
                    }
                    return;
                }
            }
            counts.streams[0].fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_secs(3_600)).await;
        }
        Kind::Publish(per_second) => {
            let pace = Duration::from_micros(1_000_000 * many as u64 / per_second);
            let body = r#"{"channels":["noise"],"data":"x"}"#;
            let head = "POST /api/v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
            let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
            let mut ticks = tokio::time::interval(pace);
            let mut answer = vec![0; 4_096];
            loop {
                ticks.tick().await;
                if stream.write_all(request.as_bytes()).await.is_err() {
                    return;
                }
                match stream.read(&mut answer).await {
                    Ok(read) if read > 0 => counts.answer(&String::from_utf8_lossy(&answer[..read])),
                    _ => return,
                }
            }
        }
    }
    // Who was ended comes again, a moment later.
    sleep(Duration::from_millis(50)).await;
}

fn contains(answer: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(answer).contains(text)
}

/// Waits for the end, and notes what is said before.
async fn listen(stream: &mut TcpStream, counts: &Counts) {
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await;
    counts.ended.fetch_add(1, Ordering::Relaxed);
    if !answer.is_empty() {
        counts.answer(&String::from_utf8_lossy(&answer));
    }
}
