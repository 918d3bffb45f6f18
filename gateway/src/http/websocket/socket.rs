//! One WebSocket: its subscriptions, who it is, and what it was told, as a body that is polled when its socket has room.
//!
//! It is open until its client leaves, its right to be connected ends, or it is told to close; then it says why, sends a close
//! frame, and ends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web;
use bytes::{Bytes, BytesMut};
use events_gateway_core::Channel;
use events_gateway_core::disconnect::{Closing, DisconnectReason};
use events_gateway_core::frame;
use events_gateway_identity::Identity;
use futures_util::Stream as _;
use tokio::time::{Instant, Sleep};

use super::inbox::{Fault, Inbox, Incoming};
use super::message::{Asking, Telling, Wanted, is_id};
use super::subscriptions::{NotSubscribed, Polled, Subscription, Subscriptions};
use super::times::{Due, Looks, Times};
use super::vouched::Vouched;
use super::who::{NotProven, Proof, Who};
use crate::backlog::ConnectionEntry;
use crate::http::credentials::{Known, Unproven};
use crate::http::events::Edge;
use crate::http::intake::ReadsContent;
use crate::http::problem::{Kind, Problem};
use crate::hub::{Signal, StreamHandle, Wire};
use crate::identity::forward_auth::Session;
use crate::replica::connections::{Close, Place};
use crate::replica::subjects::SubjectStream;

/// Messages and control frames in [`MESSAGE_WINDOW`] from which on a client counts as hostile.
const MOST_MESSAGES: u32 = 200;
const MESSAGE_WINDOW: Duration = Duration::from_secs(10);

/// A close frame's codes (RFC 6455, section 7.4.1, and its registry).
const NORMAL: u16 = 1000;
const POLICY: u16 = 1008;
const SERVICE_RESTART: u16 = 1012;

/// The code with which a connection is closed for a reason.
pub(super) fn code_of(reason: DisconnectReason) -> u16 {
    match reason {
        DisconnectReason::TokenExpired => POLICY,
        reason if reason.is_retryable() => SERVICE_RESTART,
        _ => POLICY,
    }
}

/// What a connection begins with.
pub(super) struct Opening {
    pub(super) edge: web::Data<Edge>,
    pub(super) content: web::Payload,
    pub(super) reading: Option<ReadsContent>,
    pub(super) who: Who,
    /// What has proven it, if that can be asked again.
    pub(super) session: Option<Session>,
    /// The channels that its ticket is for.
    pub(super) only: Option<Vec<Channel>>,
    pub(super) connection: Arc<str>,
    pub(super) entry: ConnectionEntry,
    pub(super) place: Place,
    /// What is subscribed to once and for all; its client says nothing.
    pub(super) plain: Option<Subscription>,
}

/// The body.
pub(super) struct Socket {
    edge: web::Data<Edge>,
    content: Pin<Box<web::Payload>>,
    _reading: Option<ReadsContent>,
    inbox: Inbox,
    output: BytesMut,
    subscriptions: Subscriptions,
    who: Who,
    vouched: Option<Box<Vouched>>,
    only: Option<Vec<Channel>>,
    /// Its client only listens.
    is_plain: bool,
    proof: Option<Proof>,
    /// Taken once it was known whose it is.
    room: Option<SubjectStream>,
    signal: Arc<Signal>,
    is_open: bool,
    connection: Arc<str>,
    entry: ConnectionEntry,
    place: Place,
    _counted: Counted,
    written: u64,
    ended_by: &'static str,
    times: Times,
    timer: Pin<Box<Sleep>>,
    /// Messages since.
    messages: (u32, Instant),
}

/// One of [`super::Sockets::open`].
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn spread(most: Duration) -> Duration {
    most.mul_f64(rand::random_range(0.0..=1.0))
}

impl Socket {
    pub(super) fn new(opening: Opening) -> Self {
        let Opening { edge, content, reading, who, session, only, connection, mut entry, mut place, plain } = opening;
        let signal = Arc::new(Signal::default());
        let is_plain = plain.is_some();
        let mut subscriptions = Subscriptions::default();
        plain.into_iter().for_each(|plain| subscriptions.add(plain));
        entry.channels = subscriptions.channels();
        tell_whose(&mut entry, who.identity());
        place.fill(entry.clone(), close_by(&signal));
        let vouched = vouch(session, who.identity(), &signal);
        let sockets = &edge.sockets;
        sockets.open.fetch_add(1, Ordering::Relaxed);
        let mut output = BytesMut::new();
        if !is_plain {
            Telling::Open { connection: &connection, replica: &edge.replica.id() }.put(&mut output);
        }
        Self {
            _counted: Counted(sockets.open.clone()),
            content: Box::pin(content),
            _reading: reading,
            inbox: Inbox::default(),
            output,
            subscriptions,
            times: Times::new(&sockets.options, who.identity()),
            who,
            vouched,
            only,
            is_plain,
            proof: None,
            room: None,
            signal,
            is_open: true,
            connection,
            entry,
            place,
            written: 0,
            ended_by: "peer",
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            messages: (0, Instant::now()),
            edge,
        }
    }

    fn reconnect_after_ms(&self) -> u64 {
        let (least, jitter) = self.edge.sockets.options.retry;
        (least + spread(jitter)).as_millis() as u64
    }

    /// Says why, and ends.
    fn close(&mut self, closing: Closing) {
        if self.is_plain {
            self.output.extend_from_slice(&Wire::Plain.closing(&closing));
        } else {
            Telling::Closing(closing).put(&mut self.output);
        }
        self.end(code_of(closing.reason));
    }

    fn close_for(&mut self, reason: DisconnectReason) {
        self.close(Closing::new(reason, self.reconnect_after_ms()));
    }

    /// Ends with a close frame; what was to be told before stands in the output.
    fn end(&mut self, code: u16) {
        self.output.extend_from_slice(&frame::close(code));
        self.abandon("gateway");
    }

    fn abandon(&mut self, by: &'static str) {
        self.is_open = false;
        self.ended_by = by;
        self.subscriptions.clear();
        self.proof = None;
        self.vouched = None;
    }

    /// Tells that a message was refused; the connection goes on.
    fn refuse(&mut self, id: Option<&str>, problem: &Problem) {
        self.edge.problems.count(problem);
        if self.is_plain {
            return;
        }
        Telling::Problem { id, problem: problem.document() }.put(&mut self.output);
    }

    fn looks(&self) -> Looks {
        Looks { awaited: self.who.is_awaited() && self.proof.is_none(), idle: self.subscriptions.is_empty() }
    }

    /// Acts on what is due.
    fn act(&mut self, due: Due) {
        match due {
            Due::Expired => self.close_for(DisconnectReason::TokenExpired),
            Due::Expiring(_) if self.is_plain => {}
            Due::Expiring(expires_in_ms) => Telling::Expiring { expires_in_ms }.put(&mut self.output),
            Due::Aged => self.close_for(DisconnectReason::MaxAge),
            Due::Unanswered => self.who = Who::Nobody,
            Due::Idle => self.close_for(DisconnectReason::Idle),
            Due::Beat => self.output.extend_from_slice(frame::PING),
            Due::Silent => self.abandon("silence"),
        }
    }

    /// Reads what the client sends. Whether there is something to write, or to look at again.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            // One at a time: what is answered is written before the next is read.
            match self.inbox.next() {
                Ok(Some(incoming)) => {
                    self.handle(incoming);
                    return true;
                }
                Ok(None) => {}
                Err(fault) => {
                    self.fail(fault);
                    return true;
                }
            }
            match self.content.as_mut().poll_next(cx) {
                Poll::Pending => return false,
                Poll::Ready(Some(Ok(bytes))) => {
                    self.times.hear();
                    self.inbox.push(&bytes);
                }
                Poll::Ready(None | Some(Err(_))) => {
                    self.abandon("peer");
                    return true;
                }
            }
        }
    }

    fn fail(&mut self, fault: Fault) {
        self.refuse(None, &Kind::BadRequest.because(fault.to_string()));
        self.end(fault.code());
    }

    fn handle(&mut self, incoming: Incoming) {
        let now = Instant::now();
        let (count, since) = &mut self.messages;
        if since.elapsed() >= MESSAGE_WINDOW {
            (*count, *since) = (0, now);
        }
        *count += 1;
        if *count > MOST_MESSAGES {
            let seconds = MESSAGE_WINDOW.as_secs();
            self.refuse(
                None,
                &Kind::TooManyRequests.because(format!("more than {MOST_MESSAGES} messages in {seconds} s")),
            );
            return self.end(POLICY);
        }
        match incoming {
            Incoming::Ping(payload) => frame::put_pong(&mut self.output, &payload),
            Incoming::Pong => {}
            Incoming::Text(_) if self.is_plain => {}
            Incoming::Close => {
                self.output.extend_from_slice(&frame::close(NORMAL));
                self.abandon("peer");
            }
            Incoming::Text(text) => match Asking::read(&text) {
                Ok(asking) => self.answer(asking),
                Err(problem) => self.refuse(None, &problem),
            },
        }
    }

    fn answer(&mut self, asking: Asking) {
        match asking {
            Asking::Authenticate { token } if self.who.is_awaited() => {
                self.proof = Some(Proof::of(self.edge.clone(), token, false));
            }
            Asking::Authenticate { .. } => {
                self.refuse(None, &Kind::BadRequest.because("authenticate is the first message, or none"));
            }
            Asking::Ping {} => Telling::Pong {}.put(&mut self.output),
            asking => {
                if self.who.is_awaited() {
                    self.who = Who::Nobody;
                }
                match asking {
                    Asking::Renew { token } if self.who.identity().is_some() => {
                        self.proof = Some(Proof::of(self.edge.clone(), token, true));
                    }
                    Asking::Renew { .. } => self.refuse(None, &Kind::BadRequest.because("nobody has a token to renew")),
                    Asking::Subscribe(wanted) => {
                        if let Err(problem) = self.subscribe(&wanted) {
                            self.refuse(Some(&wanted.id).filter(|id| is_id(id)).map(String::as_str), &problem);
                        }
                    }
                    Asking::Unsubscribe { id } => self.unsubscribe(&id),
                    Asking::Authenticate { .. } | Asking::Ping {} => {}
                }
            }
        }
    }

    fn subscribe(&mut self, wanted: &Wanted) -> Result<(), Problem> {
        let asked = wanted.prove(&self.edge.rules)?;
        self.subscriptions.check(&wanted.id)?;
        let id: Arc<str> = wanted.id.as_str().into();
        let (who, wire) = (self.who.identity(), Wire::WebSocket(id.clone()));
        match Subscription::open(&self.edge, who, self.only.as_deref(), asked, wire, &self.connection) {
            Ok(subscription) => {
                self.subscriptions.add(subscription);
                self.list();
            }
            Err(NotSubscribed::Refused(problem)) => return Err(problem),
            Err(NotSubscribed::Later(reason)) => {
                let closing = Closing::new(reason, self.edge.refusals.count(reason));
                self.output.extend_from_slice(&Wire::WebSocket(id).closing(&closing));
            }
        }
        Ok(())
    }

    fn unsubscribe(&mut self, id: &str) {
        if !self.subscriptions.remove(id) {
            let id = Some(id).filter(|id| is_id(id));
            return self.refuse(id, &Kind::NotFound.because("there is no such subscription"));
        }
        Telling::Unsubscribed { id }.put(&mut self.output);
        self.list();
    }

    /// Has the directory know what is subscribed to.
    fn list(&mut self) {
        if self.subscriptions.is_empty() {
            self.times.rest();
        }
        self.entry.channels = self.subscriptions.channels();
        tell_whose(&mut self.entry, self.who.identity());
        self.place.update(self.entry.clone());
    }

    /// Whether a token has been proven, or hasn't.
    fn poll_proof(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(proof) = &mut self.proof else { return false };
        let (renews, Poll::Ready(proven)) = (proof.renews, proof.poll(cx)) else { return false };
        self.proof = None;
        match proven {
            Ok((known, room)) => {
                self.room = room.or(self.room.take());
                self.is(known, renews);
            }
            Err(NotProven::Later(reason)) => {
                let closing = Closing::new(reason, self.edge.refusals.count(reason));
                self.close(closing);
            }
            Err(NotProven::Unproven(Unproven::Refused(problem))) => {
                self.refuse(None, &problem);
                self.end(POLICY);
            }
            // Whoever is known stays it, until that ends.
            Err(NotProven::Unproven(Unproven::Unavailable)) if renews => {
                self.refuse(None, &Problem::from(Unproven::Unavailable));
            }
            Err(NotProven::Unproven(Unproven::Unavailable)) => self.close_for(DisconnectReason::IdentityUnavailable),
        }
        true
    }

    fn is(&mut self, Known { identity, session }: Known, renews: bool) {
        if let Some(known) = self.who.identity()
            && (&known.issuer, &known.subject) != (&identity.issuer, &identity.subject)
        {
            self.refuse(None, &Kind::Forbidden.because("that token is somebody else's"));
            return self.end(POLICY);
        }
        let expires_in_ms = self.times.renew(&identity);
        self.who = Who::Known(identity);
        self.vouched = vouch(session, self.who.identity(), &self.signal);
        self.list();
        if renews {
            self.judge_again();
            Telling::Renewed { expires_in_ms }.put(&mut self.output);
        }
    }

    /// Ends what whoever is connected has no right to any more: the connection, where it is for one thing.
    fn judge_again(&mut self) {
        let (policy, who) = (&self.edge.policy, self.who.identity());
        if !self.is_plain {
            let closing = || Closing::new(DisconnectReason::NoLongerPermitted, self.reconnect_after_ms());
            self.subscriptions.judge_again(policy, who, closing);
        } else if !self.subscriptions.are_granted(policy, who) {
            self.close_for(DisconnectReason::NoLongerPermitted);
        }
    }

    /// What the service says by now of whoever is connected. The connection ends when it was to.
    fn hear(&mut self, who: &Identity) {
        self.who = Who::Known(who.clone());
        let before = self.entry.proof;
        tell_whose(&mut self.entry, Some(who));
        if self.entry.proof != before {
            self.place.update(self.entry.clone());
        }
        self.judge_again();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if !self.output.is_empty() {
                return Poll::Ready(Some(self.output.split().freeze()));
            }
            if !self.is_open {
                return Poll::Ready(None);
            }
            self.signal.register(cx.waker());
            if let Some(closing) = self.signal.closing() {
                self.close(closing);
                continue;
            }
            if let Some(who) = self.vouched.as_ref().and_then(|vouched| vouched.poll(cx)) {
                self.hear(&who);
                continue;
            }
            if let Some(due) = self.times.due(Instant::now(), self.looks()) {
                self.act(due);
                continue;
            }
            if self.poll_proof(cx) {
                continue;
            }
            // While a token is being proven nothing else is read: what follows may depend on it.
            if self.proof.is_none() && self.read(cx) {
                continue;
            }
            let Polled { chunk, ended } = self.subscriptions.poll(cx);
            if ended {
                self.list();
                if self.is_plain {
                    self.end(SERVICE_RESTART);
                }
            }
            if let Some(chunk) = chunk {
                return Poll::Ready(Some(chunk));
            }
            if ended {
                continue;
            }
            let due = self.times.next(self.looks());
            if self.timer.deadline() != due {
                self.timer.as_mut().reset(due);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

fn close_by(signal: &Arc<Signal>) -> Close {
    let handle = StreamHandle::new(signal);
    Arc::new(move |closing| handle.close(closing))
}

/// Has the service asked again about whoever is connected, where it was its word.
fn vouch(session: Option<Session>, who: Option<&Identity>, signal: &Arc<Signal>) -> Option<Box<Vouched>> {
    let (session, who) = session.zip(who)?;
    Some(Box::new(Vouched::new(session, who, close_by(signal))))
}

/// Lists a connection as somebody's.
fn tell_whose(entry: &mut ConnectionEntry, who: Option<&Identity>) {
    entry.subject = who.map(|who| who.subject.clone());
    entry.issuer = who.map(|who| who.issuer.clone());
    entry.proof = who.map(Identity::proof);
}

impl MessageBody for Socket {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        this.poll(cx).map(|chunk| {
            chunk.map(|chunk| {
                this.written += chunk.len() as u64;
                Ok(chunk)
            })
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        tracing::info!(
            connection = %self.connection,
            seconds = self.times.age().as_secs_f64(),
            bytes = self.written,
            ended_by = self.ended_by,
            "websocket closed"
        );
    }
}
