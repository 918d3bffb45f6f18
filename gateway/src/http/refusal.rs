//! Retryable refusals: a browser's `EventSource` gives up for ever on any status but 200, so it is refused by a stream.
//!
//! The stream says when to come back (`retry:`), why it ends (`gateway.closing`, without an id, so that the browser keeps
//! its cursor), is held open for a moment, and ends. A client that doesn't take a stream gets a 503 with `Retry-After`.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use bytes::{Bytes, BytesMut};
use events_gateway_core::disconnect::{Closing, DisconnectReason};
use events_gateway_core::{frame, sse};
use parking_lot::Mutex;
use rand::Rng as _;
use tokio::time::{Instant, Sleep};

use super::body::stream_response;
use super::problem::Kind;
use super::websocket::Telling;

/// Refused clients are asked to wait so long that about this many of them return in a second.
const TARGET_PER_SECOND: u64 = 200;
/// The shortest and longest mean wait, in ms.
const WAIT_MS: (u64, u64) = (2_000, 60_000);
/// How long a refusal is held open: it slows clients that ignore `retry:`.
const HOLD_MS: (u64, u64) = (1_000, 5_000);

/// How long refused clients are asked to wait: grows while more than `TARGET_PER_SECOND` are refused, and shrinks after.
///
/// With N clients that each return after W, N / W are refused in a second: W times (refused / target) is the wait that
/// brings the target. It at most doubles or halves in a second, so that a burst doesn't send everybody away for a minute.
#[derive(Debug, Clone)]
pub struct Wait {
    mean_ms: u64,
    second: u64,
    refused: u64,
}

impl Default for Wait {
    fn default() -> Self {
        Self { mean_ms: WAIT_MS.0, second: 0, refused: 0 }
    }
}

impl Wait {
    /// Counts a refusal at `second` (of any clock that doesn't run backwards); answers the mean wait in ms.
    pub fn refuse(&mut self, second: u64) -> u64 {
        // After some quiet seconds the wait is at its shortest anyway.
        for _ in self.second..second.min(self.second + 8) {
            let wanted = self.mean_ms * self.refused / TARGET_PER_SECOND;
            self.mean_ms = wanted.clamp(self.mean_ms / 2, self.mean_ms * 2).clamp(WAIT_MS.0, WAIT_MS.1);
            self.refused = 0;
        }
        self.second = self.second.max(second);
        self.refused += 1;
        self.mean_ms
    }
}

/// Refuses, counts, and bounds what is held open.
#[derive(Debug)]
pub struct Refusals {
    began: Instant,
    wait: Mutex<Wait>,
    held: Arc<AtomicUsize>,
    most_held: usize,
    counts: [AtomicU64; DisconnectReason::ALL.len()],
}

impl Refusals {
    /// Holds at most `most_held` refusals open at a time; further ones end at once.
    #[must_use]
    pub fn new(most_held: usize) -> Self {
        Self {
            began: Instant::now(),
            wait: Mutex::default(),
            held: Arc::default(),
            most_held,
            counts: Default::default(),
        }
    }

    /// How many were refused, by reason.
    pub fn counts(&self) -> impl Iterator<Item = (DisconnectReason, u64)> {
        DisconnectReason::ALL
            .into_iter()
            .zip(&self.counts)
            .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
    }

    /// How many are held open now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Answers a client that is to come back later. `takes_stream`: whether it accepts `text/event-stream`.
    pub fn refuse(&self, reason: DisconnectReason, takes_stream: bool) -> HttpResponse {
        let wait = self.count(reason);
        if !takes_stream {
            return Kind::Unavailable
                .because(format!("not now ({}): come again later", reason.as_str()))
                .after_seconds(wait.div_ceil(1_000))
                .response();
        }
        let mut chunk = BytesMut::new();
        sse::put_retry(&mut chunk, wait);
        chunk.extend_from_slice(&sse::own("gateway.closing", &Closing::new(reason, wait)));
        stream_response(RefusalBody { chunk: Some(chunk.freeze()), hold: self.hold_a_moment(), end: None })
    }

    /// Counts a refusal; answers how long that client is to wait, in ms.
    pub(super) fn count(&self, reason: DisconnectReason) -> u64 {
        if let Some(at) = DisconnectReason::ALL.iter().position(|known| *known == reason) {
            self.counts[at].fetch_add(1, Ordering::Relaxed);
        }
        let mean = self.wait.lock().refuse(self.began.elapsed().as_secs());
        // From half the mean to one and a half: those who were refused together don't return together.
        rand::rng().random_range(mean / 2..=mean + mean / 2)
    }

    fn hold_a_moment(&self) -> Option<Hold> {
        self.hold().map(|held| {
            let millis = rand::rng().random_range(HOLD_MS.0..=HOLD_MS.1);
            (Box::pin(tokio::time::sleep(Duration::from_millis(millis))), held)
        })
    }

    /// Answers a client over a WebSocket that is to come back later: what it is told, and how long it is held before that is
    /// followed by `end`.
    pub(super) fn refuse_socket(&self, reason: DisconnectReason, end: Bytes) -> impl MessageBody + use<> {
        let closing = Closing::new(reason, self.count(reason));
        let mut chunk = BytesMut::new();
        frame::put_message(&mut chunk, &Telling::Closing(closing));
        RefusalBody { chunk: Some(chunk.freeze()), hold: self.hold_a_moment(), end: Some(end) }
    }

    fn hold(&self) -> Option<HeldOpen> {
        self.held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| (held < self.most_held).then_some(held + 1))
            .ok()?;
        Some(HeldOpen(self.held.clone()))
    }
}

struct HeldOpen(Arc<AtomicUsize>);

impl Drop for HeldOpen {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

type Hold = (Pin<Box<Sleep>>, HeldOpen);

struct RefusalBody {
    chunk: Option<Bytes>,
    hold: Option<Hold>,
    /// What comes last.
    end: Option<Bytes>,
}

impl MessageBody for RefusalBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if let Some(chunk) = this.chunk.take() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        if let Some((sleep, _)) = &mut this.hold {
            std::task::ready!(sleep.as_mut().poll(context));
            this.hold = None;
        }
        Poll::Ready(this.end.take().map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};

    /// The mean wait after `seconds` seconds with `refused` refusals each.
    fn after(wait: &mut Wait, from: u64, seconds: u64, refused: u64) -> u64 {
        let mut mean = 0;
        for second in from..from + seconds {
            for _ in 0..refused {
                mean = wait.refuse(second);
            }
        }
        mean
    }

    #[test]
    fn the_wait_grows_with_the_refusals_and_shrinks_after_them() {
        let mut wait = Wait::default();
        assert_eq!(after(&mut wait, 0, 5, 10), WAIT_MS.0);
        let busy = after(&mut wait, 5, 3, TARGET_PER_SECOND * 4);
        assert_eq!(busy, WAIT_MS.0 * 4, "doubles each second at most");
        assert_eq!(after(&mut wait, 8, 60, TARGET_PER_SECOND * 4), WAIT_MS.1);
        assert_eq!(wait.refuse(1_000), WAIT_MS.0);
    }

    #[test]
    fn at_the_target_rate_the_wait_stays() {
        let mut wait = Wait { mean_ms: 10_000, ..Wait::default() };
        assert_eq!(after(&mut wait, 0, 20, TARGET_PER_SECOND), 10_000);
    }

    fn next(body: &mut actix_web::body::BoxBody) -> Poll<Option<Bytes>> {
        Pin::new(body)
            .poll_next(&mut Context::from_waker(std::task::Waker::noop()))
            .map(|item| item.map(|chunk| chunk.unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_a_stream_that_says_when_to_return_and_is_held_for_a_moment() {
        let refusals = Refusals::new(1);
        let held = refusals.refuse(DisconnectReason::ConnectionLimit, true);
        assert_eq!(held.status(), 200);
        let mut body = held.into_body();
        let Poll::Ready(Some(chunk)) = next(&mut body) else { panic!("says nothing") };
        let text = String::from_utf8(chunk.to_vec()).unwrap();
        let wait: u64 = text.lines().next().unwrap()["retry: ".len()..].parse().unwrap();
        assert!((1_000..=3_000).contains(&wait), "{wait}");
        assert_eq!(
            text,
            format!(
                "retry: {wait}\n\nevent: gateway.closing\ndata: \
                 {{\"reason\":\"connection-limit\",\"retryable\":true,\"reconnect_after_ms\":{wait}}}\n\n"
            )
        );
        assert_eq!(next(&mut body), Poll::Pending);
        tokio::time::sleep(Duration::from_millis(999)).await;
        assert_eq!(next(&mut body), Poll::Pending);

        let mut crowded = refusals.refuse(DisconnectReason::Drain, true).into_body();
        assert!(matches!(next(&mut crowded), Poll::Ready(Some(_))));
        assert_eq!(next(&mut crowded), Poll::Ready(None), "only one is held");

        tokio::time::sleep(Duration::from_millis(4_002)).await;
        assert_eq!(next(&mut body), Poll::Ready(None));
        assert_eq!(refusals.held(), 0);
        assert_eq!(refusals.counts().map(|(_, count)| count).sum::<u64>(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_stream_gets_a_503_with_retry_after() {
        let response = Refusals::new(1).refuse(DisconnectReason::Drain, false);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/problem+json");
        let seconds: u64 = response.headers().get(RETRY_AFTER).unwrap().to_str().unwrap().parse().unwrap();
        assert!((1..=3).contains(&seconds));
    }
}
