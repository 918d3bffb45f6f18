//! One call's time, and who asked for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode as Code;

use crate::client::Instance;
use crate::error::{Fault, KafkaError};

/// How much longer than its bound a call is waited for: the library answers a little late.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// What was heard longer before a call is no reason why it got no answer. Tokens are asked for again every 10 s, connections
/// more often.
const RECENT: Duration = Duration::from_secs(15);

/// Requests that belong to one call share its deadline and its end.
pub(crate) struct Session {
    pub(crate) instance: Arc<Instance>,
    pub(crate) deadline: Instant,
    act: String,
    bootstrap: String,
    began: Instant,
    cancelled: Arc<AtomicBool>,
}

/// Tells the session's work to end once nobody waits for it.
pub(crate) struct Cancelling(Arc<AtomicBool>);

impl Drop for Cancelling {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Session {
    pub(crate) fn new(instance: Arc<Instance>, bootstrap: &str, act: &str, within: Duration) -> Self {
        let began = Instant::now();
        Self {
            instance,
            deadline: began + within,
            act: format!("{act} at {bootstrap}"),
            bootstrap: bootstrap.to_owned(),
            began,
            cancelled: Arc::default(),
        }
    }

    /// What is done, for messages.
    pub(crate) fn act(&self) -> &str {
        &self.act
    }

    /// Where, for messages.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(crate) fn cancelled_on_drop(&self) -> Cancelling {
        Cancelling(self.cancelled.clone())
    }

    /// What is left of its time; `None` when nothing is.
    pub(crate) fn remains(&self) -> Option<Duration> {
        self.deadline.checked_duration_since(Instant::now()).filter(|remains| !remains.is_zero())
    }

    /// How long one of several attempts may take.
    pub(crate) fn attempt(&self) -> Duration {
        self.deadline.duration_since(self.began) / 3
    }

    /// Whether waiting for an answer is in vain: nobody waits any more, or the brokers refused us since we began.
    pub(crate) fn hopeless(&self) -> Option<Fault> {
        if self.cancelled.load(Ordering::Acquire) {
            return Some(Fault { code: Code::OperationTimedOut, text: "dropped".to_owned() });
        }
        let trouble = self.instance.trouble()?;
        let refused = matches!(trouble.fault.code, Code::Authentication | Code::SaslAuthenticationFailed);
        (refused && trouble.at >= self.began).then_some(trouble.fault)
    }

    /// The error of the whole call, or of a part that needs no other name.
    pub(crate) fn error(&self, fault: Fault) -> KafkaError {
        self.error_of(&self.act, fault)
    }

    /// The error of a part of the call. What the library can only tell as a lack of answers gets the reason that is known.
    pub(crate) fn error_of(&self, act: &str, fault: Fault) -> KafkaError {
        let fault = match fault.code {
            Code::OperationTimedOut => {
                let trouble = self.instance.trouble().filter(|trouble| trouble.at + RECENT >= self.began);
                trouble.map_or(fault, |trouble| trouble.fault)
            }
            _ => fault,
        };
        KafkaError::of(act, fault)
    }
}
