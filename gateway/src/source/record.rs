//! A record that outlives the client's buffers: one allocation for key, value and headers.

use std::ops::Range;

use bytes::Bytes;
use events_gateway_core::Timestamp;
use events_gateway_core::record::Record;
use smallvec::SmallVec;

use super::TopicPartition;

/// A record read from a [`super::Source`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct OwnedRecord {
    /// The offset in its partition.
    pub offset: u64,
    /// The record's own timestamp.
    pub time: Timestamp,
    bytes: Bytes,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: SmallVec<[(Range<usize>, Option<Range<usize>>); 1]>,
}

impl OwnedRecord {
    /// Copies a record; header names and values in the order given.
    pub fn copy<'a>(
        offset: u64,
        time: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + Clone,
    ) -> Self {
        let length = headers.clone().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum::<usize>()
            + key.map_or(0, <[u8]>::len)
            + value.map_or(0, <[u8]>::len);
        let mut bytes = Vec::with_capacity(length);
        let mut put = |part: &[u8]| {
            let start = bytes.len();
            bytes.extend_from_slice(part);
            start..bytes.len()
        };
        let key = key.map(&mut put);
        let value = value.map(&mut put);
        let headers = headers.map(|(name, value)| (put(name.as_bytes()), value.map(&mut put))).collect();
        Self { offset, time, bytes: bytes.into(), key, value, headers }
    }

    /// Bytes of key, value and headers.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The record's key.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.key.clone().map(|range| &self.bytes[range])
    }

    /// The record's value.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.value.clone().map(|range| &self.bytes[range])
    }

    /// The headers in the order in which they were written.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        self.headers.iter().map(|(name, value)| {
            let name = std::str::from_utf8(&self.bytes[name.clone()]).unwrap_or_default();
            (name, value.clone().map(|range| &self.bytes[range]))
        })
    }

    /// Lends the record as the core sees it.
    pub fn lend<T>(&self, at: &TopicPartition, with: impl FnOnce(&Record<'_>) -> T) -> T {
        let headers: SmallVec<[(&str, Option<&[u8]>); 8]> = self.headers().collect();
        with(&Record {
            topic: &at.topic,
            partition: at.partition,
            offset: self.offset,
            time: self.time,
            key: self.key(),
            headers: &headers,
            value: self.value(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_lent_as_it_was_copied() {
        let headers = [("a", Some(&b"1"[..])), ("a", None), ("b", Some(&b""[..]))];
        let record = OwnedRecord::copy(7, Timestamp(9), Some(b"k"), None, headers.iter().copied());
        record.lend(&TopicPartition::new("t", 3), |lent| {
            assert_eq!((lent.topic, lent.partition, lent.offset, lent.time), ("t", 3, 7, Timestamp(9)));
            assert_eq!((lent.key, lent.value), (Some(&b"k"[..]), None));
            assert_eq!(lent.headers, headers);
        });
        assert_eq!(record.size(), 5);
    }
}
