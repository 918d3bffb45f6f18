//! What becomes of a request, and of a watch.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

/// What becomes of a request.
#[derive(Clone)]
pub enum Fault {
    /// It is refused with a status, a `Status` of these words and, where it is told, `Retry-After`. `{n}` in the words stands
    /// for how many were refused so far.
    Refused {
        /// HTTP's status.
        code: u16,
        /// The reason, as Kubernetes names it.
        reason: &'static str,
        /// The words.
        message: String,
        /// Seconds.
        retry_after: Option<u64>,
    },
    /// It is taken and never answered.
    Silent,
    /// The connection is closed at once.
    Cut,
    /// It is passed on this much later.
    Slow(Duration),
    /// It is passed on, and answered this much later.
    Late(Duration),
    /// The answer is another.
    Altered(Arc<dyn Fn(&mut Value) + Send + Sync>),
}

impl Fault {
    /// A refusal.
    #[must_use]
    pub fn refused(code: u16, reason: &'static str, message: &str) -> Self {
        Self::Refused { code, reason, message: message.into(), retry_after: None }
    }

    /// Another answer.
    #[must_use]
    pub fn altered(alter: impl Fn(&mut Value) + Send + Sync + 'static) -> Self {
        Self::Altered(Arc::new(alter))
    }
}

/// Kubernetes' word for a refusal.
pub(super) fn status(code: u16, reason: &str, message: &str, retry_after: Option<u64>) -> Value {
    let details = retry_after.map(|seconds| json!({ "retryAfterSeconds": seconds }));
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code, "details": details.unwrap_or(json!({})),
    })
}

/// What becomes of an open watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// Its connection is cut in the middle.
    Cut,
    /// It gets an `ERROR` event: what it knows is too old (410).
    Gone,
}

impl Blow {
    /// The event that is sent.
    pub(super) fn event(self) -> Option<Value> {
        let gone = || status(410, "Expired", "too old resource version: 1 (2)", None);
        (self == Self::Gone).then(|| json!({ "type": "ERROR", "object": gone() }))
    }
}
