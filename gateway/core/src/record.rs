//! A Kafka record as the core sees it: borrowed, and independent of the client library.

use crate::Timestamp;

/// One record. Header names may repeat; a value or header value may be absent (a tombstone).
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The topic it was read from.
    pub topic: &'a str,
    /// The partition there.
    pub partition: i32,
    /// The offset there.
    pub offset: u64,
    /// The record's own timestamp (create or log-append time, as the topic is configured).
    pub time: Timestamp,
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// In the order in which they were written.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// The record's value.
    pub value: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// The last header of that name, as Kafka's own clients resolve repeated ones.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().rev().find(|(candidate, _)| *candidate == name).and_then(|(_, value)| *value)
    }
}
