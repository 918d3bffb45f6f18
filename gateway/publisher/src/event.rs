//! An event to publish.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// What is to be published, and to whom.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    channels: Vec<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
}

/// Data that can't be JSON, such as a map with keys that are no texts.
#[derive(Debug, thiserror::Error)]
#[error("the event's data can't be written as JSON")]
pub struct EventError(#[from] serde_json::Error);

impl Event {
    /// To whoever subscribes to a channel, such as `orders`: segments of `A-Z a-z 0-9 _ . -`, joined by `:`.
    #[must_use]
    pub fn to(channel: impl Into<String>) -> Self {
        let id = format!("{:032x}", rand::random::<u128>());
        Self { channels: vec![channel.into()], kind: None, data: None, id, key: None, attributes: BTreeMap::new() }
    }

    /// To everybody: the channel `everyone`.
    #[must_use]
    pub fn to_everyone() -> Self {
        Self::to("everyone")
    }

    /// To a user, by any id that isn't empty: the channel `user:ID`, in which [`segment`](Self::segment) writes the id.
    #[must_use]
    pub fn to_user(id: &str) -> Self {
        Self::to(format!("user:{}", Self::segment(id)))
    }

    /// To a session, likewise: `session:ID`.
    #[must_use]
    pub fn to_session(id: &str) -> Self {
        Self::to(format!("session:{}", Self::segment(id)))
    }

    /// To those who follow a process, likewise: `process:ID`.
    #[must_use]
    pub fn to_process(id: &str) -> Self {
        Self::to(format!("process:{}", Self::segment(id)))
    }

    /// To those who follow a task, likewise: `task:ID`.
    #[must_use]
    pub fn to_task(id: &str) -> Self {
        Self::to(format!("task:{}", Self::segment(id)))
    }

    /// To a further channel; an event has at most 64.
    #[must_use]
    pub fn and_to(mut self, channel: impl Into<String>) -> Self {
        self.channels.push(channel.into());
        self
    }

    /// Its type, which subscribers listen for. Without one it is `message`.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Its data. A text is delivered as it is, all else as JSON; without data, `null`.
    ///
    /// # Errors
    /// When it can't be written as JSON.
    pub fn data(mut self, data: &(impl Serialize + ?Sized)) -> Result<Self, EventError> {
        self.data = Some(to_raw_value(data)?);
        Ok(self)
    }

    /// Its id, 1 to 256 bytes, by which repeats are skipped. Without one it gets a random id. One that is used for another event
    /// within 10 minutes has that refused.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// What orders it: events of one key keep their order. Without one it is the first channel.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// A further value by name.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Any text as one segment of a channel: what isn't `A-Z a-z 0-9 _ . -` is written `~XX`, so two texts never give one
    /// segment. The gateway writes the values in its templates likewise.
    #[must_use]
    pub fn segment(text: &str) -> String {
        let mut segment = String::with_capacity(text.len());
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-') {
                segment.push(char::from(byte));
            } else {
                segment.push_str(&format!("~{byte:02X}"));
            }
        }
        segment
    }

    pub(crate) fn into_json(self) -> String {
        serde_json::to_string(&self).expect("texts and raw JSON always encode")
    }
}
