//! An accepted stream as actix-web carries it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use bytes::Bytes;
use futures_util::Stream;

use crate::backlog::ConnectionEntry;
use crate::replica::connections::Place;

/// Polls without a chunk, within [`RESTLESS_WINDOW`], after which a peer counts as hostile.
///
/// actix-web polls a body whenever bytes arrive, and spins once 128 KiB of pipelined requests wait behind it. A client has
/// nothing to send after its request; the hub seldom wakes a stream without a chunk.
const RESTLESS_POLLS: u32 = 1_000;
const RESTLESS_WINDOW: Duration = Duration::from_secs(1);

/// The peer keeps sending behind its own stream: the connection is cut.
#[derive(Debug, thiserror::Error)]
#[error("the peer keeps sending behind its stream")]
pub struct Restless;

/// The body of a subscription: holds the stream's place, and tells the log how it ended.
pub struct StreamBody<S> {
    chunks: S,
    // Declared after the chunks: the place is given back only when the stream is gone.
    _place: Place,
    entry: Arc<ConnectionEntry>,
    opened: Instant,
    written: u64,
    ended: bool,
    idle_polls: u32,
    idle_since: Instant,
}

impl<S> StreamBody<S> {
    /// Carries `chunks` as long as the peer is there.
    pub fn new(chunks: S, place: Place, entry: Arc<ConnectionEntry>) -> Self {
        let now = Instant::now();
        Self { chunks, _place: place, entry, opened: now, written: 0, ended: false, idle_polls: 0, idle_since: now }
    }

    /// The window begins when the last one was looked at, not at the last chunk, which asks no clock: a peer may be cut one
    /// window late.
    fn is_restless(&mut self) -> bool {
        self.idle_polls += 1;
        if self.idle_polls < RESTLESS_POLLS {
            return false;
        }
        let now = Instant::now();
        let restless = now.duration_since(self.idle_since) < RESTLESS_WINDOW;
        self.idle_polls = 0;
        self.idle_since = now;
        restless
    }
}

impl<S: Stream<Item = Bytes> + Unpin> MessageBody for StreamBody<S> {
    type Error = Restless;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Restless>>> {
        let this = self.get_mut();
        loop {
            match Pin::new(&mut this.chunks).poll_next(context) {
                // Nothing to write, but a reason to look.
                Poll::Ready(Some(chunk)) if chunk.is_empty() => this.idle_polls = 0,
                Poll::Ready(Some(chunk)) => {
                    this.written += chunk.len() as u64;
                    this.idle_polls = 0;
                    return Poll::Ready(Some(Ok(chunk)));
                }
                Poll::Ready(None) => {
                    this.ended = true;
                    return Poll::Ready(None);
                }
                Poll::Pending if this.is_restless() => return Poll::Ready(Some(Err(Restless))),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S> Drop for StreamBody<S> {
    fn drop(&mut self) {
        tracing::info!(
            connection = %self.entry.connection,
            channels = ?self.entry.channels,
            seconds = self.opened.elapsed().as_secs_f64(),
            bytes = self.written,
            ended_by = if self.ended { "gateway" } else { "peer" },
            "stream closed"
        );
    }
}

/// An event stream's head, with this body.
///
/// `Connection: close`, because an `EventSource` that reconnects over the same connection would meet the same replica
/// again, drained or full as it is. So the body is what comes until the connection's end (RFC 9112, 6.3), in no chunks: they
/// cost a copy and two lines for each event, and say nothing that the stream doesn't, whose last event tells why it ends and
/// whose readers drop an event that was cut off (WHATWG, 9.2.6).
pub(super) fn stream_response(body: impl MessageBody + 'static) -> HttpResponse {
    let mut response = HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")))
        .insert_header(("x-accel-buffering", HeaderValue::from_static("no")))
        .force_close()
        .body(body);
    response.head_mut().no_chunking(true);
    response
}

/// The answer to a HEAD: the stream's head alone.
pub(super) struct NoBody;

impl MessageBody for NoBody {
    type Error = std::convert::Infallible;
    fn size(&self) -> BodySize {
        BodySize::None
    }
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::Connections;
    use futures_util::stream;
    use std::task::Waker;

    fn poll<S: Stream<Item = Bytes> + Unpin>(body: &mut StreamBody<S>) -> Poll<Option<Result<Bytes, Restless>>> {
        Pin::new(body).poll_next(&mut Context::from_waker(Waker::noop()))
    }

    fn body<S>(chunks: S) -> (Arc<Connections>, StreamBody<S>) {
        let connections = Connections::new(1);
        let mut place = connections.admit().unwrap();
        let entry = place.fill(crate::replica::connections::tests::entry("c"), Arc::new(|_| {}));
        (connections, StreamBody::new(chunks, place, entry))
    }

    #[test]
    fn chunks_pass_but_empty_ones_and_the_place_is_given_back() {
        let chunks = stream::iter(["a", "", "b"].map(|chunk| Bytes::from_static(chunk.as_bytes())));
        let (connections, mut body) = body(chunks);
        for expected in ["a", "b"] {
            assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(chunk))) if chunk == expected));
        }
        assert!(matches!(poll(&mut body), Poll::Ready(None)));
        drop(body);
        assert_eq!(connections.open(), 0);
    }

    #[test]
    fn a_peer_that_keeps_sending_behind_its_stream_is_cut() {
        let (_connections, mut body) = body(stream::pending::<Bytes>());
        let cut = (0..RESTLESS_POLLS).any(|_| matches!(poll(&mut body), Poll::Ready(Some(Err(Restless)))));
        assert!(cut);
    }

    #[test]
    fn a_peer_whose_stream_has_something_to_look_at_is_never_restless_wanted_or_not() {
        for chunk in ["x", ""] {
            let mut waiting = false;
            let chunks = stream::poll_fn(move |_| {
                waiting = !waiting;
                if waiting { Poll::Ready(Some(Bytes::from_static(chunk.as_bytes()))) } else { Poll::Pending }
            });
            let (_connections, mut body) = body(chunks);
            assert!((0..10 * RESTLESS_POLLS).all(|_| !matches!(poll(&mut body), Poll::Ready(Some(Err(_))))));
        }
    }
}
