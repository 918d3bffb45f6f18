//! What a gateway answers to a batch.

use std::time::Duration;

use serde::Deserialize;

/// What becomes of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Kafka has it.
    Sent,
    /// It never will be taken: what the gateway says.
    Refused(String),
    /// Not now.
    Again,
}

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Of each event, in their order.
    Each(Vec<Verdict>),
    /// As a whole it can't be taken: what the gateway says.
    Whole(String),
    /// Nothing of it, now. Not before this, if the gateway says when.
    Later(Option<Duration>),
}

#[derive(Deserialize)]
struct Document {
    detail: Option<String>,
    events: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    status: u16,
    detail: Option<String>,
}

/// A status that no repetition changes: what was sent is wrong.
fn is_for_good(status: u16) -> bool {
    matches!(status, 400 | 413 | 415 | 422)
}

impl Answer {
    /// Reads the answer to a batch of so many events. What can't be understood is asked again.
    pub(crate) fn read(status: u16, retry_after: Option<&str>, body: &[u8], events: usize) -> Self {
        let later = || Self::Later(retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs));
        let document: Option<Document> = serde_json::from_slice(body).ok();
        let each = document.as_ref().and_then(|document| document.events.as_ref());
        match each {
            Some(each) if each.len() == events => Self::Each(each.iter().map(Item::verdict).collect()),
            _ if is_for_good(status) => {
                let detail = document.and_then(|document| document.detail);
                Self::Whole(detail.unwrap_or_else(|| format!("status {status}")))
            }
            _ => later(),
        }
    }
}

impl Item {
    fn verdict(&self) -> Verdict {
        match self.status {
            202 => Verdict::Sent,
            status if is_for_good(status) => {
                Verdict::Refused(self.detail.clone().unwrap_or_else(|| format!("status {status}")))
            }
            _ => Verdict::Again,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_its_own_answer() {
        let body = br#"{"topic":"t","events":[{"status":202,"partition":0,"offset":1},{"status":400,"detail":"no"},{"status":503}]}"#;
        let expected = Answer::Each(vec![Verdict::Sent, Verdict::Refused("no".into()), Verdict::Again]);
        assert_eq!(Answer::read(207, None, body, 3), expected);
        assert_eq!(Answer::read(207, None, body, 2), Answer::Later(None), "it isn't the answer to this batch");
    }

    #[test]
    fn what_is_not_understood_is_asked_again() {
        assert_eq!(Answer::read(503, Some("7"), b"<html>", 1), Answer::Later(Some(Duration::from_secs(7))));
        assert_eq!(Answer::read(202, None, b"", 1), Answer::Later(None));
        assert_eq!(Answer::read(404, None, b"{}", 1), Answer::Later(None), "a gateway may be on its way");
        assert_eq!(Answer::read(401, None, b"{}", 1), Answer::Later(None), "a token may be renewed");
        assert_eq!(Answer::read(413, None, br#"{"detail":"large"}"#, 1), Answer::Whole("large".into()));
        assert_eq!(Answer::read(413, None, b"<html>", 1), Answer::Whole("status 413".into()));
    }
}
