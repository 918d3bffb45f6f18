//! What proved somebody by the service's word: the question, which can be asked again.

use std::sync::Arc;

use events_gateway_identity::Identity;

use super::ForwardAuth;
use super::question::Question;
use super::streams::{Judge, Stream, Vouched};
use crate::replica::connections::Close;

/// Who was asked, and what.
#[derive(Debug, Clone)]
pub struct Session {
    service: Arc<ForwardAuth>,
    question: Arc<Question>,
}

impl Session {
    /// What this service was asked.
    #[must_use]
    pub fn new(service: Arc<ForwardAuth>, question: impl Into<Arc<Question>>) -> Self {
        Self { service, question: question.into() }
    }

    /// Has the service asked again for as long as a stream of whom it proved is open: until what is answered is dropped.
    #[must_use]
    pub fn hold(self, who: &Identity, close: Close, judge: Judge) -> Vouched {
        let Self { service, question } = self;
        let (key, stream) = (question.key(), Stream { subject: who.proof().subject, judge, close });
        let number = service.streams.add(key, question, who.expires, stream);
        Vouched::new(service, key, number)
    }
}
