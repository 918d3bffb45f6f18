//! One WebSocket: its subscriptions, who it is, and what it was told, as a body that is polled when its socket has room.
//!
//! It is open until its client leaves, its right to be connected ends, or it is told to close; then it says why, sends a close
//! frame, and ends.

use std::future::Future;
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
use super::message::{Asking, Telling, Wanted};
use crate::backlog::ConnectionEntry;
use crate::clock;
use crate::http::access::Grant;
use crate::http::credentials::Unproven;
use crate::http::events::Edge;
use crate::http::intake::ReadsContent;
use crate::http::problem::{Kind, Problem};
use crate::http::query::Asked;
use crate::http::{Close, Opened};
use crate::hub::{Signal, StreamHandle, Subscribe, Wire};
use crate::replica::connections::Place;
use crate::replica::subjects::SubjectStream;

/// Most subscriptions of a connection.
const MAX_SUBSCRIPTIONS: usize = 16;
/// How long a client may take to say who it is.
const AUTHENTICATE_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may be without a subscription.
const IDLE: Duration = Duration::from_secs(60);
/// Heartbeats without a sign of life after which a peer counts as gone.
const SILENT_BEATS: u32 = 3;
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

/// Who is connected.
#[derive(Debug, Clone)]
pub(super) enum Who {
    /// Its first message may say.
    Awaited,
    /// Nobody in particular.
    Nobody,
    Known(Identity),
}

impl Who {
    fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Known(identity) => Some(identity),
            Self::Awaited | Self::Nobody => None,
        }
    }
}

/// What a connection begins with.
pub(super) struct Opening {
    pub(super) edge: web::Data<Edge>,
    pub(super) content: web::Payload,
    pub(super) reading: Option<ReadsContent>,
    pub(super) who: Who,
    /// The channels that its ticket is for.
    pub(super) only: Option<Vec<Channel>>,
    pub(super) connection: Arc<str>,
    pub(super) entry: ConnectionEntry,
    pub(super) place: Place,
    /// What is subscribed to once and for all; its client says nothing.
    pub(super) plain: Option<Subscription>,
}

/// What is subscribed to.
pub(super) struct Subscription {
    id: Arc<str>,
    asked: Asked,
    chunks: Pin<Box<dyn futures_util::Stream<Item = Bytes> + Send>>,
    close: Close,
}

/// Why something isn't subscribed to.
pub(super) enum NotSubscribed {
    Refused(Problem),
    /// Not now, but perhaps later.
    Later(DisconnectReason),
}

impl From<Problem> for NotSubscribed {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// Subscribes, as far as that is granted to `who` and, with a ticket, within its channels.
pub(super) fn subscribe(
    edge: &Edge,
    who: Option<&Identity>,
    only: Option<&[Channel]>,
    asked: Asked,
    wire: Wire,
    connection: &Arc<str>,
) -> Result<Subscription, NotSubscribed> {
    if only.is_some_and(|only| !asked.channels.as_slice().iter().all(|channel| only.contains(channel))) {
        return Err(Kind::Forbidden.because("the ticket is for other channels").about("channels").into());
    }
    let Grant { asked, views, .. } = edge.policy.authorise(who, asked)?;
    let id = match &wire {
        Wire::WebSocket(id) => id.clone(),
        Wire::EventStream | Wire::Plain => Arc::default(),
    };
    let opening = (edge.open)(Subscribe {
        channels: asked.channels.clone(),
        resume: asked.resume.clone(),
        format: asked.format,
        named: asked.named,
        views,
        filter: asked.filter.clone(),
        wire,
        opened: clock::now(),
        // The connection's, for all of them.
        ends: None,
        connection: connection.clone(),
    });
    let Opened { chunks, close } = opening.map_err(NotSubscribed::Later)?;
    Ok(Subscription { id, asked, chunks, close })
}

/// A token that is being proven.
struct Proof {
    renews: bool,
    proof: Pin<Box<dyn Future<Output = Result<Proven, NotProven>>>>,
}

/// Whose a token is, and room for one more of their streams, where that is new.
type Proven = (Identity, Option<SubjectStream>);

/// Why it isn't known, or of no use.
enum NotProven {
    Unproven(Unproven),
    /// Not now, but perhaps later.
    Later(DisconnectReason),
}

/// The body.
pub(super) struct Socket {
    edge: web::Data<Edge>,
    content: Pin<Box<web::Payload>>,
    _reading: Option<ReadsContent>,
    inbox: Inbox,
    output: BytesMut,
    subscriptions: Vec<Subscription>,
    /// Which subscription is read first.
    first: usize,
    who: Who,
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
    opened: Instant,
    written: u64,
    ended_by: &'static str,
    times: Times,
    timer: Pin<Box<Sleep>>,
    /// Messages since.
    messages: (u32, Instant),
}

/// What happens when.
struct Times {
    heard: Instant,
    beat: Instant,
    idle_since: Instant,
    /// When its right to be connected ends, and whether it was told.
    expires: Option<(Instant, bool)>,
    ends: Option<Instant>,
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
        let Opening { edge, content, reading, who, only, connection, mut entry, mut place, plain } = opening;
        let now = Instant::now();
        let signal = Arc::new(Signal::default());
        tell_whose(&mut entry, who.identity());
        let handle = StreamHandle::new(&signal);
        place.fill(entry.clone(), Arc::new(move |closing| handle.close(closing)));
        let sockets = &edge.sockets;
        sockets.open.fetch_add(1, Ordering::Relaxed);
        let mut output = BytesMut::new();
        let is_plain = plain.is_some();
        if !is_plain {
            Telling::Open { connection: &connection, replica: &edge.replica.id() }.put(&mut output);
        }
        if let Some(plain) = &plain {
            entry.channels = plain.asked.channels.as_slice().to_vec();
        }
        let times = Times {
            heard: now,
            beat: now + sockets.options.heartbeat,
            idle_since: now,
            expires: who.identity().map(expires_at),
            ends: sockets.options.max_age.map(|(age, jitter)| now + age + spread(jitter)),
        };
        Self {
            _counted: Counted(sockets.open.clone()),
            content: Box::pin(content),
            _reading: reading,
            inbox: Inbox::default(),
            output,
            subscriptions: plain.into_iter().collect(),
            first: 0,
            who,
            only,
            is_plain,
            proof: None,
            room: None,
            signal,
            is_open: true,
            connection,
            entry,
            place,
            opened: now,
            written: 0,
            ended_by: "peer",
            timer: Box::pin(tokio::time::sleep_until(now)),
            times,
            messages: (0, now),
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
    }

    /// Tells that a message was refused; the connection goes on.
    fn refuse(&mut self, id: Option<&str>, problem: &Problem) {
        self.edge.problems.count(problem);
        if self.is_plain {
            return;
        }
        Telling::Problem { id, problem: problem.document() }.put(&mut self.output);
    }

    /// Acts on what is due. Whether anything was.
    fn act_on_time(&mut self, now: Instant) -> bool {
        let (heartbeat, expiring) = (self.edge.sockets.options.heartbeat, self.edge.sockets.options.expiring);
        if let Some((at, told)) = self.times.expires {
            if at <= now {
                self.close_for(DisconnectReason::TokenExpired);
                return true;
            }
            if !told && at.checked_sub(expiring).is_none_or(|tells| tells <= now) {
                self.times.expires = Some((at, true));
                if self.is_plain {
                    return true;
                }
                let expires_in_ms = at.saturating_duration_since(now).as_millis() as u64;
                Telling::Expiring { expires_in_ms }.put(&mut self.output);
                return true;
            }
        }
        if self.times.ends.is_some_and(|ends| ends <= now) {
            self.close_for(DisconnectReason::MaxAge);
            return true;
        }
        if matches!(self.who, Who::Awaited) && self.proof.is_none() && self.opened + AUTHENTICATE_WITHIN <= now {
            self.is_nobody();
        }
        if self.subscriptions.is_empty() && self.times.idle_since + IDLE <= now {
            self.close_for(DisconnectReason::Idle);
            return true;
        }
        if self.times.beat <= now {
            if self.times.heard + heartbeat * SILENT_BEATS <= now {
                self.abandon("silence");
            } else {
                self.times.beat = now + heartbeat;
                self.output.extend_from_slice(frame::PING);
            }
            return true;
        }
        false
    }

    fn next_time(&self) -> Instant {
        let expires = self
            .times
            .expires
            .map(|(at, told)| if told { at } else { at.checked_sub(self.edge.sockets.options.expiring).unwrap_or(at) });
        let awaited = matches!(self.who, Who::Awaited).then_some(self.opened + AUTHENTICATE_WITHIN);
        let awaited = awaited.filter(|_| self.proof.is_none());
        let idle = self.subscriptions.is_empty().then_some(self.times.idle_since + IDLE);
        [expires, self.times.ends, awaited, idle].into_iter().flatten().fold(self.times.beat, Instant::min)
    }

    fn is_nobody(&mut self) {
        self.who = Who::Nobody;
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
                    self.times.heard = Instant::now();
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
            Asking::Authenticate { token } if matches!(self.who, Who::Awaited) => self.prove(token, false),
            Asking::Authenticate { .. } => {
                self.refuse(None, &Kind::BadRequest.because("authenticate is the first message, or none"));
            }
            Asking::Ping {} => Telling::Pong {}.put(&mut self.output),
            asking => {
                if matches!(self.who, Who::Awaited) {
                    self.is_nobody();
                }
                match asking {
                    Asking::Renew { token } if self.who.identity().is_some() => self.prove(token, true),
                    Asking::Renew { .. } => self.refuse(None, &Kind::BadRequest.because("nobody has a token to renew")),
                    Asking::Subscribe(wanted) => {
                        if let Err(problem) = self.subscribe(&wanted) {
                            self.refuse(
                                Some(&wanted.id).filter(|id| super::message::is_id(id)).map(String::as_str),
                                &problem,
                            );
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
        if self.subscriptions.iter().any(|known| *known.id == *wanted.id) {
            return Err(Kind::InvalidParameter.because("a subscription with this id is open").about("id"));
        }
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            let detail = format!("a connection has at most {MAX_SUBSCRIPTIONS} subscriptions: open a second one");
            return Err(Kind::TooManyRequests.because(detail));
        }
        let id: Arc<str> = wanted.id.as_str().into();
        let (who, wire) = (self.who.identity(), Wire::WebSocket(id.clone()));
        match subscribe(&self.edge, who, self.only.as_deref(), asked, wire, &self.connection) {
            Ok(subscription) => {
                self.subscriptions.push(subscription);
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
        let before = self.subscriptions.len();
        self.subscriptions.retain(|known| *known.id != *id);
        if self.subscriptions.len() == before {
            let id = Some(id).filter(|id| super::message::is_id(id));
            return self.refuse(id, &Kind::NotFound.because("there is no such subscription"));
        }
        Telling::Unsubscribed { id }.put(&mut self.output);
        self.list();
    }

    /// Has the directory know what is subscribed to.
    fn list(&mut self) {
        if self.subscriptions.is_empty() {
            self.times.idle_since = Instant::now();
        }
        let channels = self.subscriptions.iter().flat_map(|subscription| subscription.asked.channels.as_slice());
        let mut channels: Vec<Channel> = channels.cloned().collect();
        channels.sort();
        channels.dedup();
        self.entry.channels = channels;
        tell_whose(&mut self.entry, self.who.identity());
        self.place.update(self.entry.clone());
    }

    fn prove(&mut self, token: String, renews: bool) {
        let edge = self.edge.clone();
        let proof = Box::pin(async move {
            let Some(credentials) = &edge.credentials else {
                let problem = Kind::BadRequest.because("nobody is asked who they are here");
                return Err(NotProven::Unproven(Unproven::Refused(problem)));
            };
            let identity = credentials.prove(&token).await.map_err(NotProven::Unproven)?;
            let room = match renews {
                true => None,
                false => edge.admission.admit_subject(&identity.scope()).await.map_err(NotProven::Later)?,
            };
            Ok((identity, room))
        });
        self.proof = Some(Proof { renews, proof });
    }

    /// Whether a token has been proven, or hasn't.
    fn poll_proof(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(Proof { renews, proof }) = &mut self.proof else { return false };
        let (renews, Poll::Ready(proven)) = (*renews, proof.as_mut().poll(cx)) else { return false };
        self.proof = None;
        match proven {
            Ok((identity, room)) => {
                self.room = room.or(self.room.take());
                self.is(identity, renews);
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

    fn is(&mut self, identity: Identity, renews: bool) {
        if let Some(known) = self.who.identity()
            && (&known.issuer, &known.subject) != (&identity.issuer, &identity.subject)
        {
            self.refuse(None, &Kind::Forbidden.because("that token is somebody else's"));
            return self.end(POLICY);
        }
        let (at, _) = expires_at(&identity);
        self.times.expires = Some((at, false));
        self.who = Who::Known(identity);
        self.list();
        if renews {
            self.judge_again();
            let expires_in_ms = at.saturating_duration_since(Instant::now()).as_millis() as u64;
            Telling::Renewed { expires_in_ms }.put(&mut self.output);
        }
    }

    /// Closes what the client has no right to any more.
    fn judge_again(&self) {
        for subscription in &self.subscriptions {
            let asked =
                Asked { view: subscription.asked.view.clone(), ..Asked::live(subscription.asked.channels.clone()) };
            if self.edge.policy.authorise(self.who.identity(), asked).is_err() {
                (subscription.close)(Closing::new(DisconnectReason::NoLongerPermitted, self.reconnect_after_ms()));
            }
        }
    }

    /// The next chunk of any subscription, each in its turn.
    fn poll_subscriptions(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let count = self.subscriptions.len();
        let mut ended = Vec::new();
        let mut given = None;
        for index in (self.first..count).chain(0..self.first.min(count)) {
            let chunk = loop {
                match self.subscriptions[index].chunks.as_mut().poll_next(cx) {
                    Poll::Ready(Some(chunk)) if chunk.is_empty() => {}
                    Poll::Ready(chunk) => break chunk,
                    Poll::Pending => break Some(Bytes::new()),
                }
            };
            match chunk {
                None => ended.push(index),
                Some(chunk) if chunk.is_empty() => {}
                Some(chunk) => {
                    self.first = index + 1;
                    given = Some(chunk);
                    break;
                }
            }
        }
        if !ended.is_empty() {
            ended.sort_unstable();
            for index in ended.into_iter().rev() {
                self.subscriptions.remove(index);
            }
            self.first = 0;
            self.list();
            if self.is_plain {
                self.end(SERVICE_RESTART);
            }
        }
        given
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
            if self.act_on_time(Instant::now()) || self.poll_proof(cx) {
                continue;
            }
            // While a token is being proven nothing else is read: what follows may depend on it.
            if self.proof.is_none() && self.read(cx) {
                continue;
            }
            if let Some(chunk) = self.poll_subscriptions(cx) {
                return Poll::Ready(Some(chunk));
            }
            if !self.is_open {
                continue;
            }
            let due = self.next_time();
            if self.timer.deadline() != due {
                self.timer.as_mut().reset(due);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// Lists a connection as somebody's.
fn tell_whose(entry: &mut ConnectionEntry, who: Option<&Identity>) {
    entry.subject = who.map(|who| who.subject.clone());
    entry.issuer = who.map(|who| who.issuer.clone());
    entry.proof = who.map(Identity::proof);
}

/// When an identity ends; not told yet.
fn expires_at(identity: &Identity) -> (Instant, bool) {
    (Instant::now() + Duration::from_millis(identity.expires.saturating_sub(clock::now().0)), false)
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
            seconds = self.opened.elapsed().as_secs_f64(),
            bytes = self.written,
            ended_by = self.ended_by,
            "websocket closed"
        );
    }
}
