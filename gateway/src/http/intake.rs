//! What is read from a connection: little at a time, and behind a stream nothing.
//!
//! actix-web decodes every request that one read brought before it looks at how many wait, and reads up to 128 KiB at once:
//! heads that are pipelined behind a stream become some 9 MB (measured), held as long as the stream lasts. No browser and no
//! load balancer pipelines. So a turn of reading is bounded, a stream with requests behind it is refused, and whatever comes
//! behind a stream is read and forgotten, until it is too much.
//!
//! It also times only the first head of a connection, and no body that nobody reads: here whatever was sent has to become a
//! request in time, unless a handler reads it as the [content](Intake::content) of one.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::heads::Head;
use super::problem::Kind;

/// Bytes handed to the HTTP codec before what they hold is served.
const TURN: usize = 8 << 10;
/// Requests in one turn from which on a stream among them is refused. (Two: the end of one before it may be there too.)
const PIPELINED: u32 = 3;
/// Bytes that may come behind a stream in all its life. Its client has nothing to say.
const MOST_BEHIND: usize = 64 << 10;
/// What the first line of each request ends with, before a digit.
const VERSION: &[u8] = b" HTTP/1.";

/// What a handler knows and decides of its connection's reading; shared by both on one thread.
#[derive(Debug, Clone, Default)]
pub struct Intake(Rc<State>);

#[derive(Debug, Default)]
struct State {
    requests: Cell<u32>,
    began: Cell<bool>,
    /// There was a request.
    has_begun: Cell<bool>,
    closed: Cell<bool>,
    /// A handler reads content.
    is_content: Cell<bool>,
    /// Whether it gives way to others.
    head: Option<Head>,
}

/// What is read is the content of a request, as long as this lives.
#[derive(Debug)]
pub struct ReadsContent(Intake);

impl Drop for ReadsContent {
    fn drop(&mut self) {
        self.0.0.is_content.set(false);
        self.0.begin();
    }
}

impl Intake {
    /// Whether other requests came together with the one that is served now.
    #[must_use]
    pub fn is_pipelined(&self) -> bool {
        self.0.requests.get() >= PIPELINED
    }

    /// What was read has become a request.
    pub fn begin(&self) {
        self.0.began.set(true);
        self.0.has_begun.set(true);
        if let Some(head) = &self.0.head {
            head.begin();
        }
    }

    /// What is read from now on is the content of a request, and the handler that reads it sees to it that it doesn't take for
    /// ever.
    #[must_use]
    pub fn content(&self) -> ReadsContent {
        self.0.is_content.set(true);
        self.begin();
        ReadsContent(self.clone())
    }

    /// Nothing more is taken from the peer: the answer that follows is the connection's last.
    pub fn close(&self) {
        self.0.closed.set(true);
    }
}

/// A connection whose reading is bounded.
#[derive(Debug)]
pub struct Guarded<T> {
    io: T,
    intake: Intake,
    given: usize,
    behind: usize,
    patience: Duration,
    /// Until when what was read has to become a request.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<T> Guarded<T> {
    /// Gives way as this says, as long as it hasn't sent a request.
    pub(super) fn among(mut self, head: Head) -> Self {
        self.intake = Intake(Rc::new(State { head: Some(head), ..State::default() }));
        self
    }

    /// Guards this connection, on which bytes have to become a request within `patience`.
    pub fn new(io: T, patience: Duration) -> Self {
        Self { io, intake: Intake::default(), given: 0, behind: 0, patience, deadline: None }
    }

    /// What handlers of its requests are to know.
    #[must_use]
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Guarded<T> {
    fn end_turn(&mut self) {
        self.given = 0;
    }

    /// Ready when it is too late.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.intake.0.began.take() {
            self.deadline = None;
        }
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        deadline.as_mut().poll(cx).map(|()| io::Error::new(io::ErrorKind::TimedOut, "no request in time"))
    }

    /// Says so to whoever is late with its first request, before which nothing was written. It fits any socket's buffer; where it
    /// doesn't, nobody listens.
    fn tell_late(&mut self, cx: &mut Context<'_>) {
        let problem = Kind::RequestTimeout.because("the head of the request took too long");
        if let Poll::Ready(Ok(_)) = Pin::new(&mut self.io).poll_write(cx, &problem.last_words()) {
            let _ = Pin::new(&mut self.io).poll_flush(cx);
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(late) = self.poll_deadline(cx) {
            if !self.intake.0.has_begun.get() {
                self.tell_late(cx);
            }
            return Poll::Ready(Err(late));
        }
        if self.intake.0.head.as_ref().is_some_and(|head| head.gives_way(cx)) {
            return Poll::Ready(Err(io::Error::other(
                "the connection gives way to one that may have something to say",
            )));
        }
        if self.given == TURN {
            self.end_turn();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.given == 0 {
            self.intake.0.requests.set(0);
        }
        // Read here first: handing on a part of a buffer that nobody has written to would mean to write all of it, two pages
        // for a head of 200 bytes, held as long as the connection (measured: 5.6 kB for each idle stream).
        let mut scratch = [MaybeUninit::uninit(); TURN];
        let mut part = ReadBuf::uninit(&mut scratch[..buffer.remaining().min(TURN - self.given)]);
        let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, &mut part) else {
            self.end_turn();
            return Poll::Pending;
        };
        let requests = part.filled().windows(VERSION.len()).filter(|window| *window == VERSION).count();
        let count = part.filled().len();
        buffer.put_slice(part.filled());
        self.given += count;
        if count > 0 && self.deadline.is_none() && !self.intake.0.is_content.get() {
            self.deadline = Some(Box::pin(sleep(self.patience)));
        }
        self.intake.0.requests.set(self.intake.0.requests.get() + requests as u32);
        Poll::Ready(read)
    }

    /// Ends with the connection, or its error.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [MaybeUninit::uninit(); 2 << 10];
        loop {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.behind += buffer.filled().len();
            if self.behind > MOST_BEHIND {
                let error = io::Error::other("the peer keeps sending behind its stream");
                return Poll::Ready(Err(error));
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.intake.0.closed.get() {
            this.deadline = None;
            this.poll_discard(cx)
        } else {
            this.poll_turn(cx, buffer)
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::io::{Join, Sink, join, sink};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

    const PATIENCE: Duration = Duration::from_secs(10);

    type Played<'a> = Join<&'a [u8], Sink>;

    fn guard(bytes: &[u8]) -> Guarded<Played<'_>> {
        Guarded::new(join(bytes, sink()), PATIENCE)
    }

    /// What one poll gives; `None`: it has to wait.
    fn poll(guarded: &mut Guarded<Played<'_>>) -> Option<io::Result<usize>> {
        let mut bytes = [0; 32 << 10];
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(guarded).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
            Poll::Pending => None,
            Poll::Ready(read) => Some(read.map(|()| buffer.filled().len())),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_of_reading_ends_before_much_was_read() {
        let bytes = REQUEST.repeat(1_000);
        let mut guarded = guard(&bytes);
        let intake = guarded.intake();
        assert_eq!(poll(&mut guarded).unwrap().unwrap(), TURN);
        assert!(intake.is_pipelined());
        assert!(poll(&mut guarded).is_none(), "what was read is served first");
        assert_eq!(poll(&mut guarded).unwrap().unwrap(), TURN);
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_is_not_pipelined() {
        let mut guarded = guard(REQUEST);
        let intake = guarded.intake();
        assert_eq!(poll(&mut guarded).unwrap().unwrap(), REQUEST.len());
        assert!(!intake.is_pipelined());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_behind_a_stream_is_forgotten_until_it_is_too_much() {
        let some = REQUEST.repeat(100);
        let mut guarded = guard(&some);
        guarded.intake().close();
        assert_eq!(poll(&mut guarded).unwrap().unwrap(), 0, "only the end is seen");

        let much = vec![b'x'; MOST_BEHIND + 1];
        let mut guarded = guard(&much);
        guarded.intake().close();
        assert!(poll(&mut guarded).unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_content_of_a_request_takes_as_long_as_its_handler_lets_it() {
        let bytes = REQUEST.repeat(10_000);
        let mut guarded = guard(&bytes);
        let intake = guarded.intake();
        assert_eq!(poll(&mut guarded).unwrap().unwrap(), TURN);
        let content = intake.content();
        for _ in 0..3 {
            assert!(poll(&mut guarded).is_none());
            sleep(PATIENCE).await;
            assert_eq!(poll(&mut guarded).unwrap().unwrap(), TURN);
        }
        drop(content);
        assert!(poll(&mut guarded).is_none());
        sleep(PATIENCE).await;
        assert_eq!(poll(&mut guarded).unwrap().unwrap(), TURN, "what comes next");
        assert!(poll(&mut guarded).is_none());
        sleep(PATIENCE).await;
        assert!(poll(&mut guarded).unwrap().is_err(), "has to become a request in time");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_becomes_a_request_in_time_or_the_connection_ends() {
        let bytes = REQUEST.repeat(10_000);
        for begins in [true, false] {
            let mut guarded = guard(&bytes);
            assert_eq!(poll(&mut guarded).unwrap().unwrap(), TURN);
            if begins {
                guarded.intake().begin();
            }
            assert!(poll(&mut guarded).is_none());
            sleep(PATIENCE).await;
            assert_eq!(poll(&mut guarded).unwrap().is_ok(), begins);
        }
    }
}
