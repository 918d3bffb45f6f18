//! What a connection subscribes to: streams of the hub, read each in its turn.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use events_gateway_core::Channel;
use events_gateway_core::cursor::ChannelSet;
use events_gateway_core::disconnect::{Closing, DisconnectReason};
use events_gateway_core::view::View;
use events_gateway_identity::Identity;
use futures_util::Stream;

use crate::clock;
use crate::http::access::{Grant, Policy};
use crate::http::events::Edge;
use crate::http::problem::{Kind, Problem};
use crate::http::query::Asked;
use crate::http::{Close, Opened};
use crate::hub::{Subscribe, Wire};

/// Most of one connection.
const MOST: usize = 16;

/// One of them.
pub(super) struct Subscription {
    id: Arc<str>,
    channels: ChannelSet,
    /// By which view each is seen, in their order.
    views: Box<[Option<Arc<View>>]>,
    chunks: Pin<Box<dyn Stream<Item = Bytes> + Send>>,
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

impl Subscription {
    /// Subscribes, as far as that is granted to `who` and, with a ticket, within its channels.
    pub(super) fn open(
        edge: &Edge,
        who: Option<&Identity>,
        only: Option<&[Channel]>,
        asked: Asked,
        wire: Wire,
        connection: &Arc<str>,
    ) -> Result<Self, NotSubscribed> {
        if only.is_some_and(|only| !asked.channels.as_slice().iter().all(|channel| only.contains(channel))) {
            return Err(Kind::Forbidden.because("the ticket is for other channels").about("channels").into());
        }
        let Grant { asked, own, views, .. } = edge.policy.authorise(who, asked)?;
        let id = match &wire {
            Wire::WebSocket(id) => id.clone(),
            Wire::EventStream | Wire::Plain => Arc::default(),
        };
        let opening = (edge.open)(Subscribe {
            channels: asked.channels.clone(),
            resume: asked.resume,
            own,
            format: asked.format,
            named: asked.named,
            views: views.clone(),
            filter: asked.filter,
            wire,
            opened: clock::now(),
            // The connection's, for all of them.
            ends: None,
            connection: connection.clone(),
        });
        let Opened { chunks, close } = opening.map_err(NotSubscribed::Later)?;
        Ok(Self { id, channels: asked.channels, views: views.into(), chunks, close })
    }

    fn is_granted(&self, policy: &Policy, who: Option<&Identity>) -> bool {
        policy.still_grants(who, self.channels.as_slice(), &self.views)
    }
}

/// All of a connection.
#[derive(Default)]
pub(super) struct Subscriptions {
    open: Vec<Subscription>,
    /// Which one is read first.
    first: usize,
}

/// What polling them gave.
pub(super) struct Polled {
    pub(super) chunk: Option<Bytes>,
    /// Whether any ended by itself; it has said why.
    pub(super) ended: bool,
}

impl Subscriptions {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether one more of this name may be opened.
    pub(super) fn check(&self, id: &str) -> Result<(), Problem> {
        if self.open.iter().any(|known| *known.id == *id) {
            return Err(Kind::InvalidParameter.because("a subscription with this id is open").about("id"));
        }
        if self.open.len() >= MOST {
            let detail = format!("a connection has at most {MOST} subscriptions: open a second one");
            return Err(Kind::TooManyRequests.because(detail));
        }
        Ok(())
    }

    pub(super) fn add(&mut self, subscription: Subscription) {
        self.open.push(subscription);
    }

    /// Whether there was one of this name.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let before = self.open.len();
        self.open.retain(|known| *known.id != *id);
        self.open.len() < before
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    /// The channels of all of them, each once.
    pub(super) fn channels(&self) -> Vec<Channel> {
        let channels = self.open.iter().flat_map(|subscription| subscription.channels.as_slice());
        let mut channels: Vec<Channel> = channels.cloned().collect();
        channels.sort();
        channels.dedup();
        channels
    }

    /// Closes those that `who` has no right to any more.
    pub(super) fn judge_again(&self, policy: &Policy, who: Option<&Identity>, closing: impl Fn() -> Closing) {
        for subscription in self.open.iter().filter(|subscription| !subscription.is_granted(policy, who)) {
            (subscription.close)(closing());
        }
    }

    /// Whether `who` has a right to all of them.
    pub(super) fn are_granted(&self, policy: &Policy, who: Option<&Identity>) -> bool {
        self.open.iter().all(|subscription| subscription.is_granted(policy, who))
    }

    /// The next chunk of any, each in its turn.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Polled {
        let count = self.open.len();
        let first = self.first.min(count);
        let (mut chunk, mut ended) = (None, Vec::new());
        for index in (first..count).chain(0..first) {
            let next = loop {
                match self.open[index].chunks.as_mut().poll_next(cx) {
                    // There was something, and nothing of it is wanted.
                    Poll::Ready(Some(chunk)) if chunk.is_empty() => {}
                    next => break next,
                }
            };
            match next {
                Poll::Pending => {}
                Poll::Ready(None) => ended.push(index),
                Poll::Ready(given) => {
                    self.first = index + 1;
                    chunk = given;
                    break;
                }
            }
        }
        let any_ended = !ended.is_empty();
        ended.sort_unstable();
        for index in ended.into_iter().rev() {
            self.open.remove(index);
            self.first = 0;
        }
        Polled { chunk, ended: any_ended }
    }
}
