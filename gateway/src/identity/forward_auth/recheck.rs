//! The service is asked again about those who hold open streams by its word: their sessions may have ended, or their claims changed.
//!
//! A question is asked once a round, however many streams it opened, and few at a time: whoever opens a stream is answered before.
//! What isn't answered ends nobody's stream, unless the last answer is over too.

use std::sync::Arc;
use std::time::Duration;

use events_gateway_core::disconnect::DisconnectReason;
use futures_util::future::join_all;
use tokio::time::sleep;
use tracing::Level;

use super::question::Key;
use super::streams::{Due, Stream};
use super::{Answer, ForwardAuth};
use crate::clock::now;
use crate::identity::Identities;
use crate::identity::recheck::{JITTER, reason};
use crate::replica::reconnect::Reconnect;
use crate::revocation::PAUSE;

/// Questions that are asked at once, a small part of all that may be; with the pause behind them 400 a second at most.
const AT_ONCE: usize = 8;
/// After so many questions in a row without an answer the service counts as away: the others wait for the next round.
const MOST_UNANSWERED: usize = 32;

/// Asks about all of them, for ever.
pub async fn recheck(service: Arc<ForwardAuth>, identities: Arc<Identities>, every: Duration, reconnect: Reconnect) {
    let rechecks = Recheck { service, identities, reconnect };
    loop {
        sleep(every.mul_f64(rand::random_range(JITTER))).await;
        let Round { ended, unanswered, .. } = rechecks.round().await;
        if ended > 0 {
            tracing::info!(ended, "streams are ended whose sessions don't grant them any more");
        }
        if unanswered > 0 {
            tracing::warn!(unanswered, "failed to ask again whose sessions are: their streams stay open");
        }
    }
}

/// Asks, and ends streams.
struct Recheck {
    service: Arc<ForwardAuth>,
    identities: Arc<Identities>,
    reconnect: Reconnect,
}

/// What came of asking about all of them.
#[derive(Debug, Default)]
struct Round {
    /// Streams.
    ended: usize,
    /// Questions.
    unanswered: usize,
    in_a_row: usize,
}

impl Recheck {
    /// Begins anywhere: where a round was given up, the next one doesn't begin with the same.
    async fn round(&self) -> Round {
        let (mut round, start) = (Round::default(), rand::random::<Key>());
        for (mut after, last) in [(start, [u8::MAX; 32]), (Key::default(), start)] {
            loop {
                let page = self.service.streams.page(&after, &last, AT_ONCE);
                let Some(end) = page.last() else { break };
                after = *end;
                for asked in join_all(page.iter().map(|key| self.ask(key))).await {
                    round.count(asked);
                }
                if round.in_a_row >= MOST_UNANSWERED {
                    return round;
                }
                sleep(PAUSE).await;
            }
        }
        round
    }

    /// Asks a question again; answers how many streams end by that, or that it wasn't answered.
    async fn ask(&self, key: &Key) -> Option<usize> {
        // Those that are opened while it is asked are opened by the same answer, or a newer one.
        let Some(Due { question, ends, streams }) = self.service.streams.due(key) else { return Some(0) };
        match self.service.answer(question, Level::DEBUG).await {
            Answer::Proven(who) => {
                self.service.streams.extend(key, who.expires);
                let proof = who.proof();
                // Its subject, or its id, may have been revoked.
                let revoked = self.identities.prove_again(&who.issuer, &proof).err().and_then(reason);
                let end = |stream: &Stream| match revoked {
                    Some(reason) => Some(reason),
                    None if stream.subject == proof.subject && (stream.judge)(&who) => None,
                    None => Some(DisconnectReason::NoLongerPermitted),
                };
                Some(self.end(&streams, end))
            }
            Answer::Unknown | Answer::Forbidden => {
                Some(self.end(&streams, |_| Some(DisconnectReason::NoLongerPermitted)))
            }
            // The last that it said is that the session is over by now, though the streams were to last longer.
            Answer::Unavailable if ends <= now().0 => {
                Some(self.end(&streams, |_| Some(DisconnectReason::TokenExpired)))
            }
            Answer::Unavailable => None,
        }
    }

    /// Ends those for which there is a reason; answers how many.
    fn end(&self, streams: &[Arc<Stream>], reason: impl Fn(&Stream) -> Option<DisconnectReason>) -> usize {
        let mut ended = 0;
        for stream in streams {
            if let Some(reason) = reason(stream) {
                (stream.close)(self.reconnect.closing(reason));
                ended += 1;
            }
        }
        ended
    }
}

impl Round {
    fn count(&mut self, asked: Option<usize>) {
        match asked {
            Some(ended) => {
                self.ended += ended;
                self.in_a_row = 0;
            }
            None => {
                self.unanswered += 1;
                self.in_a_row += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
